"""Terms of documents and of conditions: who fulfils a condition has one of its terms."""

from __future__ import annotations

from typing import Any

import pytest
from contracts.store_filters import CONDITIONS, DRAWN
from contracts.store_filters import fulfils as oracle
from hypothesis import given, settings

from ragctl.conditions import DOCUMENT_KEYS, Condition
from ragctl.stores.conditions import MANY, MOST_TERMS, fulfils, terms_of, wanted_terms

VALUES = {"source": "docs", "path": "a.md", "media_type": "text/plain"}


def parts(document: Any) -> tuple[dict[str, str], Any]:
    one = document.document
    return {key: getattr(one, key) for key in DOCUMENT_KEYS}, one.metadata


@settings(max_examples=300, deadline=None)
@given(CONDITIONS)
def test_conditions_are_decided_as_they_are_meant(condition: Condition) -> None:
    wanted = wanted_terms(condition)
    assert (wanted is None) == (condition.operator not in ("=", "in"))
    for document in DRAWN:
        decided = fulfils([condition], *parts(document))
        assert decided == oracle(document, condition)
        if decided and wanted is not None:
            assert set(terms_of(*parts(document))) & set(wanted)


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, True), (0, False), ("true", True), ("", None), ("a", "a "), (1, 1.5)]
)
def test_different_values_have_different_terms(one: Any, other: Any) -> None:
    first, second = (set(terms_of(VALUES, {"key": value})) for value in (one, other))
    assert first != second


def test_equal_numbers_have_one_term() -> None:
    assert terms_of(VALUES, {"n": 1}) == terms_of(VALUES, {"n": 1.0}) == terms_of(VALUES, {"n": [1, 1.0]})
    assert terms_of(VALUES, {"n": 10**23}) == terms_of(VALUES, {"n": 1e23})


def test_a_key_of_the_document_comes_before_its_metadata() -> None:
    assert terms_of(VALUES, {"source": "shadowed"}) == terms_of(VALUES, {})
    assert fulfils([Condition("source", "=", "docs")], VALUES, {"source": "shadowed"})


def test_more_values_than_terms_are_kept_for() -> None:
    many = {"tags": [f"tag {number}" for number in range(5_000)]}
    terms = terms_of(VALUES, many)
    assert len(terms) == MOST_TERMS + 1 and terms[-1] == MANY
    last = Condition("tags", "=", "tag 4999")
    assert set(terms) & set(wanted_terms(last) or ()) == {MANY}
    assert fulfils([last], VALUES, many)
