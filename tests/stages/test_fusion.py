"""Fusion of ranked lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragctl.stages.fusion import fuse
from ragctl.types import Hit


def ranked(search: str, *found: tuple[str, float]) -> list[Hit]:
    """A list of one search, as a store gives it."""
    return [
        Hit(score, "docs", name, "", name, 0, 1, name, trail={search: {"rank": rank, "score": score}})
        for rank, (name, score) in enumerate(found, start=1)
    ]


DENSE = ranked("dense", ("a", 0.9), ("b", 0.8), ("c", 0.1))
LEXICAL = ranked("lexical", ("b", 12.0), ("d", 7.0), ("a", 2.0))


def test_reciprocal_ranks_add_up() -> None:
    fused = fuse([DENSE, LEXICAL])
    assert [hit.document for hit in fused] == ["b", "a", "d", "c"]
    assert fused[0].score == pytest.approx(1 / 62 + 1 / 61)
    assert fused[1].score == pytest.approx(1 / 61 + 1 / 63)
    assert fused[0].trail == {"dense": {"rank": 2, "score": 0.8}, "lexical": {"rank": 1, "score": 12.0}}
    assert fused[2].trail == {"lexical": {"rank": 2, "score": 7.0}}


def test_scaled_scores_add_up() -> None:
    fused = fuse([DENSE, LEXICAL], method="score")
    scores = {hit.document: hit.score for hit in fused}
    assert scores == pytest.approx({"a": 1.0, "b": 0.7 / 0.8 + 1.0, "c": 0.0, "d": 0.5})


def test_weights_are_by_search() -> None:
    fused = fuse([DENSE, LEXICAL], weights={"dense": 1.0, "lexical": 0.01})
    assert [hit.document for hit in fused] == ["a", "b", "c", "d"]
    only = fuse([DENSE, LEXICAL], weights={"lexical": 0.0})
    assert only == DENSE


def test_one_list_keeps_its_scores() -> None:
    assert fuse([DENSE]) == fuse([DENSE, []]) == DENSE
    assert fuse([]) == fuse([[], []]) == []


def test_two_versions_of_a_question_keep_the_better_rank() -> None:
    other = ranked("dense", ("c", 0.7), ("a", 0.6))
    fused = {hit.document: hit for hit in fuse([DENSE, other])}
    assert fused["a"].trail["dense"]["rank"] == 1
    assert fused["c"].trail["dense"]["rank"] == 1


def of_version(hits: list[Hit], version: int) -> list[Hit]:
    return [
        replace(hit, trail={name: {**step, "version": version} for name, step in hit.trail.items()})
        for hit in hits
    ]


def test_the_question_itself_counts_more_than_its_versions() -> None:
    itself, other = of_version(DENSE, 0), of_version(ranked("dense", ("c", 0.7), ("d", 0.6)), 1)
    even = fuse([itself, other])
    assert [hit.document for hit in even] == ["c", "a", "b", "d"]
    assert even[0].trail["dense"] == {
        "rank": 1,
        "score": 0.7,
        "version": 1,
        "versions": [{"version": 0, "rank": 3, "score": 0.1}, {"version": 1, "rank": 1, "score": 0.7}],
    }
    double = {hit.document: hit.score for hit in fuse([itself, other], original_weight=2.0)}
    assert double == pytest.approx({"a": 2 / 61, "b": 2 / 62, "c": 2 / 63 + 1 / 61, "d": 1 / 62})


def test_a_list_of_equal_scores_counts_in_full() -> None:
    flat = ranked("lexical", ("x", 3.0), ("y", 3.0))
    assert {hit.document: hit.score for hit in fuse([DENSE, flat], method="score")}["y"] == 1.0


names = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


@given(names, names, st.sampled_from(["rrf", "score"]))
def test_every_chunk_comes_out_once_in_an_order_that_does_not_depend_on_the_lists(
    one: list[str], other: list[str], method: str
) -> None:
    lists = [
        ranked("dense", *((name, 1.0 - place / 10) for place, name in enumerate(one))),
        ranked("lexical", *((name, 9.0 - place) for place, name in enumerate(other))),
    ]
    fused = fuse(lists, method=method)  # type: ignore[arg-type]
    assert sorted(hit.document for hit in fused) == sorted({*one, *other})
    again = fuse(lists[::-1], method=method)  # type: ignore[arg-type]
    assert [hit.document for hit in fused] == [hit.document for hit in again]
