"""What every store does with conditions on documents."""

from __future__ import annotations

import json
import operator
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from contracts.stored import StoreUnderTest, embedded, random_vectors, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragctl.conditions import DOCUMENT_KEYS, Condition
from ragctl.stages.query import query
from ragctl.types import EmbeddedDocument, Hit

KEYS = ["team", "tags", "a.b", "%s", "$[*] ? (true)", "", " ", '"', "\\", "é"]
TEXTS = ["", " ", "1", "true", "a", "B", "Ä", "'; --", "%(vector)s %", "{chunks}", "\n\x01", "𝄞", "x" * 5_000]
VALUES: list[Any] = [0, 1, -1, 1.0, 0.1, 1e23, 10**23, 2**53 + 1, True, False, *TEXTS]
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def number(value: Any) -> Decimal | None:
    """As JSON has it: what is written, not what a float of it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(json.dumps(value))


def equal(one: Any, other: Any) -> bool:
    if number(one) is not None and number(other) is not None:
        return number(one) == number(other)
    return type(one) is type(other) and bool(one == other)


def ordered(one: Any, sign: str, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return bool(COMPARE[sign](one, other))
    first, second = number(one), number(other)
    return first is not None and second is not None and bool(COMPARE[sign](first, second))


def fulfils(document: EmbeddedDocument, condition: Condition) -> bool:
    """The meaning of a condition, once more."""
    if condition.key in DOCUMENT_KEYS:
        there = [getattr(document.document, condition.key)]
    else:
        value = document.document.metadata.get(condition.key)
        there = value if isinstance(value, list) else [value]
    if condition.operator in COMPARE:
        return any(ordered(one, condition.operator, condition.value) for one in there)
    matches = any(equal(one, wanted) for one in there for wanted in condition.values)
    return matches != (condition.operator == "!=")


def drawn_documents() -> list[EmbeddedDocument]:
    """80 documents of one or two chunks with metadata of all sorts, the same every time."""
    draw = random.Random(3)
    documents = []
    for at in range(80):
        metadata: dict[str, Any] = {}
        for key in draw.sample(KEYS, draw.randrange(len(KEYS))):
            value = draw.choice([*VALUES, None, {"a": 1}])
            metadata[key] = draw.sample(VALUES, draw.randrange(4)) if draw.random() < 0.3 else value
        if at % 10 == 0:
            metadata["source"] = "shadowed"
        documents.append(
            embedded(
                draw.choice(["a/", "B/", "%/", "é/"]) + str(at),
                ["zebra "] * draw.randrange(1, 3),
                source=draw.choice(["docs", "wiki", "100% 'odd'"]),
                media_type=draw.choice(["text/plain", "text/markdown"]),
                metadata=metadata,
            )
        )
    return documents


DRAWN = drawn_documents()


def conditions_on(keys: Sequence[str], values: list[Any]) -> st.SearchStrategy[Condition]:
    key, value = st.sampled_from(keys), st.sampled_from(values)
    orderable = st.sampled_from([one for one in values if not isinstance(one, bool)])
    return (
        st.builds(Condition, key, st.sampled_from(["=", "!="]), value)
        | st.builds(Condition, key, st.sampled_from(list(COMPARE)), orderable)
        | st.builds(Condition, key, st.just("in"), st.lists(value, max_size=4).map(tuple))
    )


COLUMN_VALUES = ["docs", "wiki", "100% 'odd'", "text/plain", "B/", "a/17", *VALUES]
CONDITIONS = conditions_on(KEYS, VALUES) | conditions_on(DOCUMENT_KEYS, COLUMN_VALUES)
YEARS: dict[str, Any] = {"number": 2024, "text": "2024", "flag": True, "list": ["2024", 1999]}


def paths(hits: Sequence[Hit]) -> list[str]:
    return [hit.document for hit in hits]


class Filters:
    """A part of `VectorStoreContract`, which gives the fixture `store`."""

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ([Condition("year", "=", 2024)], ["number"]),
            ([Condition("year", "=", 2024.0)], ["number"]),
            ([Condition("year", "=", "2024")], ["list", "text"]),
            ([Condition("year", ">=", 2000)], ["number"]),
            ([Condition("year", ">=", "2000")], ["list", "text"]),
            ([Condition("year", "<", 2000)], ["list"]),
            ([Condition("year", "!=", 2024)], ["flag", "list", "nothing", "text"]),
            ([Condition("year", "in", (1999, True))], ["flag", "list"]),
            ([Condition("year", "in", ())], []),
            ([Condition("year", "=", True)], ["flag"]),
            ([Condition("year", "=", 1)], []),
            ([Condition("year", "!=", "2024"), Condition("year", ">", 0)], ["number"]),
            ([Condition("path", ">=", "n"), Condition("path", "<", "number")], ["nothing"]),
            ([Condition("media_type", "=", "text/plain"), Condition("source", "!=", "docs")], []),
        ],
    )
    def test_types_lists_and_what_is_not_there(
        self, store: StoreUnderTest, where: list[Condition], found: list[str]
    ) -> None:
        documents = [embedded(path, ["a zebra"], metadata={"year": year}) for path, year in YEARS.items()]
        store.replace([*documents, embedded("nothing", ["a zebra"])])
        store.optimize()
        assert sorted(paths(store.search(unit([1])[np.newaxis], k=9, where=where)[0])) == found
        assert sorted(paths(store.search_text(["zebra"], k=9, where=where)[0])) == found

    @pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
    def test_a_filter_is_part_of_every_kind_of_query(self, store: StoreUnderTest, mode: Any) -> None:
        store.replace([embedded(path, ["a zebra"], metadata={"team": path}) for path in "abc"])
        store.optimize()
        where = [Condition("team", "in", ("b", "c"))]

        class Model:
            def embed_queries(self, questions: Sequence[str]) -> np.ndarray[Any, Any]:
                return np.stack([unit([1])] * len(questions))

        lists = query(["zebra"], Model(), store, k=5, mode=mode, where=where)
        assert lists and all({"b", "c"} == set(paths(hits)) for hits in lists)

    @pytest.mark.parametrize("sign", ["=", ">="])
    def test_k_come_back_if_so_many_fulfil_them(self, store: StoreUnderTest, sign: Any) -> None:
        """What fulfils the conditions is farther from the question than all else."""
        near, far = unit([1])[np.newaxis], unit([-1])[np.newaxis]
        others = [embedded(f"{at:03}", ["zebra"], near, metadata={"year": 2000}) for at in range(400)]
        store.replace([*others, *(embedded(f"far{at}", ["a"], far, metadata={"year": 2024}) for at in "abc")])
        store.optimize()
        for k in (1, 3, 5):
            [hits] = store.search(near, k=k, where=[Condition("year", sign, 2024)])
            assert paths(hits) == ["fara", "farb", "farc"][:k]

    def test_conditions_see_the_metadata_of_today(self, store: StoreUnderTest) -> None:
        store.replace([embedded("a.md", ["zebra"], metadata={"team": "old"})])
        store.replace([embedded("a.md", ["zebra"], metadata={"team": "new"})])
        store.optimize()
        question = random_vectors(1, seed=4)
        assert store.search(question, k=5, where=[Condition("team", "=", "old")]) == [[]]
        assert paths(store.search(question, k=5, where=[Condition("team", "=", "new")])[0]) == ["a.md"]

    @pytest.fixture
    def filled(self, store: StoreUnderTest) -> StoreUnderTest:
        store.replace(DRAWN)
        store.optimize()
        return store

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from([1, 7, 1_000]))
    def test_what_is_found_fulfils_the_conditions_and_what_fulfils_them_is_found(
        self, filled: StoreUnderTest, where: list[Condition], k: int
    ) -> None:
        kept = {
            (one.document.source, one.document.path): len(one.chunks)
            for one in DRAWN
            if all(fulfils(one, condition) for condition in where)
        }
        question = random_vectors(1, seed=4)
        for hits in (
            filled.search(question, k=k, where=where)[0],
            filled.search_text(["zebra"], k=k, where=where)[0],
        ):
            assert len(hits) == min(k, sum(kept.values()))
            assert {(hit.source, hit.document) for hit in hits} <= kept.keys()
            assert len({(hit.source, hit.document, hit.start) for hit in hits}) == len(hits)

    def test_the_drawn_documents_are_of_all_sorts(self) -> None:
        """Or the test above shows little."""
        samples = [("team", "=", 1), ("tags", "<", "b"), ("%s", "!=", "a"), ("source", "=", "docs")]
        for key, sign, value in samples:
            share = sum(fulfils(one, Condition(key, sign, value)) for one in DRAWN)  # type: ignore[arg-type]
            assert 1 <= share <= len(DRAWN) - 1, (key, sign, value, share)
