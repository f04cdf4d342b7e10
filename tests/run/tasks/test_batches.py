"""Documents into batches: all of them, in order, no batch too large and never too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragctl.run.tasks.batches import estimated_tokens, in_batches
from ragctl.spec.airflow_settings import MOST_BATCHES
from ragctl.types import Item


@given(
    tokens=st.lists(st.integers(1, 50_000), max_size=300),
    target=st.integers(1, 100_000),
    most=st.integers(1, 50),
)
def test_batches_are_a_partition_within_the_limits(tokens: list[int], target: int, most: int) -> None:
    items = list(range(len(tokens)))
    batches = in_batches(items, tokens, target=target, most=most)
    assert [item for batch in batches for item in batch] == items
    assert all(batches)
    assert len(batches) <= most
    size = max(target, -(-sum(tokens) // most))
    for batch in batches:
        assert sum(tokens[item] for item in batch[:-1]) < size


def test_a_million_documents_stay_below_the_limit_of_a_map() -> None:
    batches = in_batches(range(1_000_000), [500] * 1_000_000, target=10_000, most=MOST_BATCHES)
    assert 0.95 * MOST_BATCHES < len(batches) <= MOST_BATCHES
    assert max(map(len, batches)) - min(map(len, batches)) <= 977


def test_a_document_larger_than_a_batch_is_one_with_what_stands_before_it() -> None:
    assert in_batches("abcd", [10, 500, 10, 10], target=100, most=10) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(("size", "tokens"), [(0, 1), (3, 1), (4_000, 1_000), (None, 1_000)])
def test_tokens_are_estimated_by_size(size: int | None, tokens: int) -> None:
    assert estimated_tokens(Item("docs", "a.md", uri="", fingerprint="", size=size)) == tokens
