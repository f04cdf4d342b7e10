"""Searches with a filter on a real server: what is found, by which way, and how near to an exact search."""

from __future__ import annotations

import itertools
import json
import operator
import random
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from contracts.stored import DIMENSION, embedded, random_vectors, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from ragctl.conditions import DOCUMENT_KEYS, Condition
from ragctl.embedded.server import EmbeddedServer
from ragctl.stages.query import query
from ragctl.stores import pgvector_dense, pgvector_lexical_search
from ragctl.stores.lexical_question import Term, plan_search
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_filter import count_kept, document_filter
from ragctl.types import EmbeddedDocument, Hit

WIDTH = 64
_numbers = itertools.count()
Array = np.ndarray[Any, Any]
Connection = psycopg.Connection[Any]
MakeStore = Callable[..., PgVectorStore]

HOSTILE = [
    "'; DROP TABLE documents; --",
    "%s",
    "%(vector)s %",
    "{chunks}",
    '"',
    "\\",
    '\\"',
    "$value",
    "$[*] ? (true)",
    "",
    " ",
    "\n\x01",
    "é",
    "e\u0301",
    "𝄞",
    "x" * 100_000,
]
KEYS = ["team", "tags", "a.b", *HOSTILE]
VALUES: list[Any] = [0, 1, -1, 1.0, 0.1, 1e23, 10**23, 2**53 + 1, True, False, "1", "true", "a", "B", "Ä"]
VALUES += HOSTILE


@pytest.fixture
def make_store(connection: Connection) -> Iterator[MakeStore]:
    """`make_store(index_from=…, prefix=…)`: clients of generations of this test's own."""
    own = f"kept{next(_numbers)}"
    made: dict[str, PgVectorStore] = {}

    def make(*, index_from: int | None = None, prefix: str = own) -> PgVectorStore:
        made[prefix] = PgVectorStore(
            connection, schema="public", prefix=prefix, dimension=DIMENSION, index_from=index_from
        )
        made[prefix].create()
        return made[prefix]

    yield make
    for one in made.values():
        one.drop()


def paths(hits: list[Hit]) -> list[str]:
    return [hit.document for hit in hits]


# The same in Python


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
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[sign]
    if isinstance(one, str) and isinstance(other, str):
        return bool(compare(one, other))
    first, second = number(one), number(other)
    return first is not None and second is not None and bool(compare(first, second))


def fulfils(document: EmbeddedDocument, condition: Condition) -> bool:
    if condition.key in DOCUMENT_KEYS:
        there = [getattr(document.document, condition.key)]
    else:
        value = document.document.metadata.get(condition.key)
        there = value if isinstance(value, list) else [value]
    if condition.operator in ("=", "in", "!="):
        matches = any(equal(one, wanted) for one in there for wanted in condition.values)
        return matches != (condition.operator == "!=")
    return any(ordered(one, condition.operator, condition.value) for one in there)


def drawn_documents() -> list[EmbeddedDocument]:
    """300 documents of one or two chunks with metadata of all sorts, the same every time."""
    draw = random.Random(3)
    documents = []
    for at in range(300):
        metadata: dict[str, Any] = {}
        for key in draw.sample(KEYS, draw.randrange(12)):
            value = draw.choice([*VALUES, None, {"a": 1}])
            metadata[key] = draw.sample(VALUES, draw.randrange(4)) if draw.random() < 0.3 else value
        if draw.random() < 0.1:
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
ORDERS = st.sampled_from(["<", "<=", ">", ">="])
COLUMN_VALUES = ["docs", "wiki", "100% 'odd'", "text/plain", "B/", "a/17", *VALUES]


def conditions_on(keys: list[str], values: list[Any]) -> st.SearchStrategy[Condition]:
    key, value = st.sampled_from(keys), st.sampled_from(values)
    orderable = st.sampled_from([one for one in values if not isinstance(one, bool)])
    return (
        st.builds(Condition, key, st.sampled_from(["=", "!="]), value)
        | st.builds(Condition, key, ORDERS, orderable)
        | st.builds(Condition, key, st.just("in"), st.lists(value, max_size=4).map(tuple))
    )


CONDITIONS = conditions_on(KEYS, VALUES) | conditions_on(list(DOCUMENT_KEYS), COLUMN_VALUES)


@pytest.fixture(scope="module")
def filled(server_base: Path) -> Iterator[dict[str, PgVectorStore]]:
    """Stores of the drawn documents: one searched exactly, one by its index."""
    with EmbeddedServer(server_base / ".ragctl").connect(autocommit=True) as opened:
        stores = {
            kind: PgVectorStore(
                opened, schema="public", prefix=f"drawn_{kind}", dimension=DIMENSION, index_from=index_from
            )
            for kind, index_from in (("scanned", 10**6), ("indexed", 1))
        }
        for store in stores.values():
            store.drop()
            store.create()
            store.replace(DRAWN)
            store.optimize()
        yield stores
        for store in stores.values():
            store.drop()


@settings(max_examples=300, deadline=None)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from([1, 7, 1_000]))
def test_what_is_found_fulfils_the_conditions_and_what_fulfils_them_is_found(
    filled: dict[str, PgVectorStore], where: list[Condition], k: int
) -> None:
    kept = {
        (one.document.source, one.document.path): len(one.chunks)
        for one in DRAWN
        if all(fulfils(one, condition) for condition in where)
    }
    question = random_vectors(1, seed=4)
    found = [store.search(question, k=k, where=where)[0] for store in filled.values()]
    found.append(filled["scanned"].search_text(["zebra"], k=k, where=where)[0])
    for hits in found:
        assert len(hits) == min(k, sum(kept.values()))
        assert {(hit.source, hit.document) for hit in hits} <= kept.keys()
    assert found[0] == found[1]
    assert len({(hit.source, hit.document, hit.start) for hit in found[0]}) == len(found[0])


def test_the_drawn_documents_are_of_all_sorts() -> None:
    """Or the test above shows little."""
    shares = [
        sum(fulfils(one, Condition(key, sign, value)) for one in DRAWN)
        for key, sign, value in (
            ("team", "=", 1),
            ("tags", "<", "b"),
            ("%s", "!=", "a"),
            ("source", "=", "docs"),
        )
    ]
    assert all(1 <= share <= 299 for share in shares), shares


# What the conditions mean


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
        ([Condition("year", "=", True)], ["flag"]),
        ([Condition("year", "=", 1)], []),
        ([Condition("year", "!=", "2024"), Condition("year", ">", 0)], ["number"]),
        ([Condition("path", ">=", "n"), Condition("path", "<", "number")], ["nothing"]),
        ([Condition("media_type", "=", "text/plain"), Condition("source", "!=", "docs")], []),
    ],
)
def test_types_lists_and_what_is_not_there(
    make_store: MakeStore, where: list[Condition], found: list[str]
) -> None:
    years = {"number": 2024, "text": "2024", "flag": True, "list": ["2024", 1999]}
    store = make_store()
    store.replace(
        [embedded(path, ["a zebra"], metadata={"year": year}) for path, year in years.items()]
        + [embedded("nothing", ["a zebra"])]
    )
    store.optimize()
    assert sorted(paths(store.search(unit([1])[np.newaxis], k=9, where=where)[0])) == found
    assert sorted(paths(store.search_text(["zebra"], k=9, where=where)[0])) == found


def test_the_filter_is_part_of_every_kind_of_query(make_store: MakeStore) -> None:
    store = make_store()
    store.replace([embedded(path, ["a zebra"], metadata={"team": path}) for path in "abc"])
    store.optimize()

    class Given:
        def embed_queries(self, questions: Any) -> Array:
            return random_vectors(len(questions), seed=1)

    where = [Condition("team", "in", ("a", "c"))]
    for mode, lists in (("dense", 1), ("lexical", 1), ("hybrid", 2)):
        found = query(["zebra"], Given(), store, k=5, mode=mode, where=where)  # type: ignore[arg-type]
        assert [sorted(paths(hits)) for hits in found] == [["a", "c"]] * lists
        assert len(query(["zebra"], Given(), store, k=5, mode=mode)[0]) == 3  # type: ignore[arg-type]


def test_the_order_of_columns_is_asked_by_code_point(connection: Connection) -> None:
    """The embedded server has no other order to try it on."""
    composed = document_filter([Condition("path", "<", "a")], ("public", "any")).condition
    assert composed.as_string(connection) == """("d"."path" COLLATE "C" < %(where_0_values)s::text)"""


def test_it_follows_every_write(make_store: MakeStore) -> None:
    for index_from in (1, 10**6):
        store = make_store(index_from=index_from, prefix=f"moved{index_from}")
        store.replace([embedded(path, ["a zebra"], metadata={"draft": True}) for path in "abc"])
        store.optimize()
        store.replace([embedded("b", ["a zebra"], metadata={"draft": False})])
        store.delete([("docs", "c")])
        for draft, path in ((True, "a"), (False, "b")):
            where = [Condition("draft", "=", draft)]
            assert paths(store.search(unit([1])[np.newaxis], k=9, where=where)[0]) == [path]
            assert paths(store.search_text(["zebra"], k=9, where=where)[0]) == [path]


def test_names_are_quoted(make_store: MakeStore) -> None:
    store = make_store(prefix='%s "{chunks}"', index_from=1)
    store.replace([embedded(path, ["a zebra"], metadata={"%s": path}) for path in "abc"])
    store.optimize()
    where = [Condition("%s", "=", "b")]
    assert paths(store.search(unit([1])[np.newaxis], k=9, where=where)[0]) == ["b"]
    assert paths(store.search_text(["zebra"], k=9, where=where)[0]) == ["b"]


# By way of the index


def clustered(count: int, seed: int) -> Array:
    """Shape (count, WIDTH), unit length, in 200 groups around the same centres whatever the seed."""
    centres = np.random.default_rng(0).standard_normal((200, WIDTH))
    draw = np.random.default_rng(seed)
    drawn = centres[draw.integers(0, 200, count)] + 0.5 * draw.standard_normal((count, WIDTH))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(5_000, seed=1)
QUESTIONS = clustered(30, seed=2)
# The tenth of the chunks that is the farthest from the first question: the graph leads away from them.
FAR = set(np.argsort(VECTORS @ QUESTIONS[0])[:500].tolist())


def metadata_of(at: int) -> Mapping[str, Any]:
    return {"five hundredth": at % 500 == 0, "third": at % 3, "at": at, "far": at in FAR}


FILTERS = {
    "0.2 %": ([Condition("five hundredth", "=", True)], lambda at: at % 500 == 0),
    "33 %": ([Condition("third", "<", 1)], lambda at: at % 3 == 0),
    "far": ([Condition("far", "=", True)], lambda at: at in FAR),
    "seven": ([Condition("at", "in", tuple(range(7)))], lambda at: at < 7),
    "none": ([Condition("at", "<", 0)], lambda at: False),
    "all": ([Condition("at", ">=", 0)], lambda at: True),
}


@pytest.fixture(scope="module")
def big(server_base: Path) -> Iterator[Callable[..., PgVectorStore]]:
    """`big(index_from=1)`: clients of a store of 5,000 documents of a chunk each, with the index."""
    with EmbeddedServer(server_base / ".ragctl").connect(autocommit=True) as opened:

        def client(index_from: int = 1) -> PgVectorStore:
            return PgVectorStore(
                opened, schema="public", prefix="big_kept", dimension=WIDTH, index_from=index_from
            )

        store = client()
        store.drop()
        store.create()
        store.replace(
            [
                embedded(f"d{at}", [f"{at} zebra"], VECTORS[at : at + 1], metadata=metadata_of(at))
                for at in range(len(VECTORS))
            ]
        )
        store.optimize()
        yield client
        store.drop()


def exact(question: Array, keeps: Callable[[int], bool], k: int) -> list[str]:
    kept = np.array([at for at in range(len(VECTORS)) if keeps(at)], dtype=int)
    return [f"d{at}" for at in kept[np.argsort(-(VECTORS[kept] @ question), kind="stable")[:k]]]


@pytest.mark.parametrize("share", FILTERS)
@pytest.mark.parametrize("k", [1, 10, 200])
def test_recall_beside_an_exact_search(big: Callable[..., PgVectorStore], share: str, k: int) -> None:
    where, keeps = FILTERS[share]
    wanted = [exact(question, keeps, k) for question in QUESTIONS]
    by_index = big().search(QUESTIONS, k=k, where=where)
    assert [len(hits) for hits in by_index] == [len(one) for one in wanted]  # never fewer than there are
    if wanted[0]:
        shares = [
            len(set(paths(hits)) & set(one)) / len(one) for hits, one in zip(by_index, wanted, strict=True)
        ]
        assert np.mean(shares) >= 0.98
    scanned = big(index_from=10_000).search(QUESTIONS, k=k, where=where)
    assert [paths(hits) for hits in scanned] == wanted
    for hits, others in zip(by_index, scanned, strict=True):
        scores = {hit.document: hit.score for hit in others}
        both = [hit for hit in hits if hit.document in scores]
        assert [hit.score for hit in both] == [scores[hit.document] for hit in both]
        assert [hit.trail["dense"]["rank"] for hit in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("share", ["0.2 %", "far"])
def test_where_the_graph_gives_up_what_is_kept_is_scanned(
    big: Callable[..., PgVectorStore], monkeypatch: pytest.MonkeyPatch, share: str
) -> None:
    monkeypatch.setattr(pgvector_dense, "MOST_SCANNED", 15)
    where, keeps = FILTERS[share]
    [hits] = big().search(QUESTIONS[:1], k=10, where=where)
    assert paths(hits) == exact(QUESTIONS[0], keeps, 10)


@pytest.mark.parametrize(("kept_from", "asked"), [(1_667, True), (1_668, False)])
def test_the_index_is_asked_where_enough_is_kept(
    big: Callable[..., PgVectorStore], monkeypatch: pytest.MonkeyPatch, kept_from: int, asked: bool
) -> None:
    store = big(index_from=kept_from)
    answers: list[int | None] = []
    look_up = store._dense._look_up

    def noted(*arguments: Any) -> Any:
        rows = look_up(*arguments)
        answers.append(None if rows is None else len(rows))
        return rows

    monkeypatch.setattr(store._dense, "_look_up", noted)
    where, keeps = FILTERS["33 %"]
    assert sum(map(keeps, range(len(VECTORS)))) == 1_667
    store.search(QUESTIONS, k=50, where=where)
    assert answers == ([50] * len(QUESTIONS) if asked else [])


def test_the_planner_goes_by_the_graph_and_not_by_the_filter(big: Callable[..., PgVectorStore]) -> None:
    search = big()._dense
    for where, _ in FILTERS.values():
        kept = document_filter(where, search._tables["documents"])
        parameters = {"vector": QUESTIONS[0], **kept.parameters}
        explain = sql.SQL("EXPLAIN ")
        with search._index_settings(50, filtered=True):
            indexed = search._connection.execute(
                explain + search.statement(pgvector_dense._INDEXED_AND_KEPT, 60, kept.chunks_first()),
                parameters,
            ).fetchall()
        assert any("Index Scan using big_kept_hnsw" in row[0] for row in indexed), indexed
        scanned = search._connection.execute(
            explain + search.statement(pgvector_dense._SCANNED, 50, kept.documents_first()), parameters
        ).fetchall()
        assert not any("hnsw" in row[0] for row in scanned), scanned


def test_equal_chunks_beyond_the_candidates_keep_their_order(make_store: MakeStore) -> None:
    store = make_store(index_from=1)
    same = np.stack([unit([1])] * 100)
    store.replace([embedded(path, ["xy"] * 100, same, metadata={"team": path}) for path in "dcba"])
    store.optimize()
    [hits] = store.search(unit([1])[np.newaxis], k=5, where=[Condition("team", "in", ("c", "b"))])
    assert [(hit.document, hit.start) for hit in hits] == [("b", 2 * at) for at in range(5)]


def test_settings_of_a_search_end_with_it(big: Callable[..., PgVectorStore]) -> None:
    store = big()
    shown = "SELECT current_setting('hnsw.max_scan_tuples'), current_setting('enable_seqscan')"
    before = store._connection.execute(shown).fetchone()
    store.search(QUESTIONS[:1], k=5, where=FILTERS["33 %"][0])
    assert store._connection.execute(shown).fetchone() == before


# By words


@pytest.mark.parametrize("share", FILTERS)
@pytest.mark.parametrize("few_kept", [0, 10**6])
def test_words_are_found_as_without_a_filter_and_then_looked_through(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, share: str, few_kept: int
) -> None:
    monkeypatch.setattr(pgvector_lexical_search, "FEW_KEPT", few_kept)
    store = make_store()
    draw = random.Random(1)
    animals = ["zebra", "quagga", "donkey", "mule", "horse", "ass", "tapir", "rhino"]
    store.replace(
        [
            embedded(f"d{at}", [" ".join(draw.choices(animals, k=6))], metadata=metadata_of(at))
            for at in range(600)
        ]
    )
    store.optimize()
    where, keeps = FILTERS[share]
    for question in ("zebra quagga", "a donkey, a mule and a horse"):
        [every] = store.search_text([question], k=600)
        wanted = [(hit.document, hit.score) for hit in every if keeps(int(hit.document[1:]))]
        for k in (1, 5, 600):
            [hits] = store.search_text([question], k=k, where=where)
            assert [(hit.document, hit.score) for hit in hits] == wanted[:k]


TERMS = [Term("rare", 1, 50), Term("known", 1, 5_000), Term("common", 1, 40_000), Term("most", 1, 90_000)]


def test_what_is_looked_at_grows_as_a_filter_keeps_less() -> None:
    def candidates(kept: int | None) -> str:
        search = plan_search(TERMS, 100_000, kept)
        assert search is not None
        return search.candidates

    assert candidates(None) == "'rare' | 'known' & ('common')"
    assert candidates(100_000) == candidates(200_000) == candidates(None)
    assert candidates(33_000) == "'rare' | 'known' & ('common' | 'most')"
    assert candidates(15_000) == "'rare' | 'known'"
    assert candidates(4_001) == "'rare' | 'known' | 'common' & ('most')"
    assert candidates(4_000) == candidates(0) == "'rare' | 'known' | 'common' | 'most'"


def test_how_much_a_word_weighs_does_not_depend_on_the_filter() -> None:
    searches = [plan_search(TERMS, 100_000, kept) for kept in (None, 10, 33_000)]
    assert len({tuple(search.weights) for search in searches if search}) == 1


# The index of metadata


def indexes_of(store: PgVectorStore) -> dict[str, str]:
    schema, documents = store._tables["documents"]
    return dict(
        store._connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = %s",
            (schema, documents),
        ).fetchall()
    )


def test_tables_of_an_earlier_release_get_the_index_and_are_not_rewritten(make_store: MakeStore) -> None:
    store = make_store(prefix="earlier_kept")
    store.replace([embedded(path, ["a zebra"], metadata={"team": path}) for path in "abc"])
    store._connection.execute("DROP INDEX earlier_kept_metadata")
    where = [Condition("team", "=", "b")]
    assert paths(store.search(unit([1])[np.newaxis], k=9, where=where)[0]) == ["b"]
    file = "SELECT pg_relation_filenode('earlier_kept_documents')"
    before = store._connection.execute(file).fetchone()
    for bring in (store.optimize, store.create):
        bring()
        assert "gin (metadata jsonb_path_ops)" in indexes_of(store)["earlier_kept_metadata"]
        assert store._connection.execute(file).fetchone() == before
        store._connection.execute("DROP INDEX earlier_kept_metadata")


@pytest.mark.parametrize("sign", ["=", "in"])
def test_what_is_equal_is_found_by_the_index(big: Callable[..., PgVectorStore], sign: Any) -> None:
    store = big()
    value = (3, 4) if sign == "in" else 3
    kept = document_filter([Condition("at", sign, value)], store._tables["documents"])
    with store._connection.transaction():
        store._connection.execute("SET LOCAL enable_seqscan = off")
        rows = store._connection.execute(
            sql.SQL("EXPLAIN SELECT d.id FROM {} d WHERE {}").format(kept.documents, kept.condition),
            kept.parameters,
        ).fetchall()
    assert any("Bitmap Index Scan on big_kept_metadata" in row[0] for row in rows), rows


def test_counting_ends_where_it_has_counted_enough(big: Callable[..., PgVectorStore]) -> None:
    store = big()
    kept = document_filter(FILTERS["33 %"][0], store._tables["documents"])
    counts = [
        count_kept(store._connection, kept, store.chunk_table, at_most=most) for most in (0, 100, 9_999)
    ]
    assert counts == [1, 101, 1_667]
    assert count_kept(store._connection, kept, store.chunk_table) == 1_667
