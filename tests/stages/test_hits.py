"""dedupe and rank."""

from __future__ import annotations

from ragctl.stages.dedupe import dedupe
from ragctl.stages.rank import rank
from ragctl.types import Hit


def hit(document: str, score: float, text: str, start: int = 0) -> Hit:
    return Hit(score, "docs", document, "", document, start, start + len(text), text)


def test_equal_texts_are_folded_into_the_best() -> None:
    result = dedupe([[hit("a", 0.9, "one two"), hit("b", 0.8, "one\n  two"), hit("c", 0.7, "other")]])
    assert [one.document for one in result] == ["a", "c"]
    assert [one["document"] for one in result[0].duplicates] == ["b"]
    assert result[1].duplicates == ()


def test_the_same_place_found_twice_is_one_hit_and_no_duplicate() -> None:
    lists = [[hit("a", 0.9, "one")], [hit("a", 0.7, "one"), hit("b", 0.6, "one")]]
    [only] = dedupe(lists)
    assert only.document == "a"
    assert [one["document"] for one in only.duplicates] == ["b"]


def test_ties_have_one_order() -> None:
    hits = [hit("b", 0.5, "x"), hit("a", 0.5, "y"), hit("a", 0.5, "z", start=9)]
    expected = [("a", 0), ("a", 9), ("b", 0)]
    assert [(one.document, one.start) for one in dedupe([hits])] == expected
    assert [(one.document, one.start) for one in dedupe([hits[::-1]])] == expected


def test_spans_that_cover_one_another_are_folded_and_neighbours_are_not() -> None:
    text = "0123456789" * 10
    hits = [hit("a", 0.9, text), hit("a", 0.8, text[1:51], start=40), hit("a", 0.7, text[2:], start=60)]
    hits += [hit("b", 0.6, text[3:], start=60)]
    result = dedupe([hits])
    assert [(one.document, one.start) for one in result] == [("a", 0), ("a", 60), ("b", 60)]
    assert [one["start"] for one in result[0].duplicates] == [40]


def test_rank_numbers_from_one_and_cuts() -> None:
    ranked = rank([hit("a", 0.9, "x"), hit("b", 0.8, "y"), hit("c", 0.7, "z")], top_n=2)
    assert [(one.rank, one.document) for one in ranked] == [(1, "a"), (2, "b")]
