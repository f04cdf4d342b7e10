"""rank with a reranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ragctl.errors import OverlongInput, UsageError
from ragctl.run.answering.asked import Asked
from ragctl.run.answering.ordering import score
from ragctl.stages.rank import rerank
from ragctl.types import Hit, Usage


class ByLength:
    """The longer a passage, the better; what is longer than eight characters is not read to its end."""

    identity = "by-length"
    endpoint = None
    usage = Usage()

    def __init__(self) -> None:
        self.provenance: dict[str, str | int | bool] = {}
        self.asked = 0

    def score(
        self, question: str, passages: Sequence[str], *, on_truncated: Callable[[int], None]
    ) -> list[float]:
        if question == "too long":
            raise OverlongInput("the question has 900 tokens")
        self.asked += len(passages)
        for position, passage in enumerate(passages):
            if len(passage) > 8:
                on_truncated(position)
        return [float(len(passage)) for passage in passages]


def hits(*texts: str) -> list[Hit]:
    return [
        Hit(0.9 - number / 10, "docs", f"d{number}", "", "", 0, len(text), text, trail={"dense": {"rank": 1}})
        for number, text in enumerate(texts)
    ]


def test_hits_take_the_order_of_the_scores() -> None:
    ranked = rerank("q", hits("aa", "aaaaaaaaaaaa", "bb", "cccc"), ByLength(), candidates=9)
    assert [hit.text for hit in ranked] == ["aaaaaaaaaaaa", "cccc", "aa", "bb"]
    assert [hit.score for hit in ranked] == [12, 4, 2, 2]
    assert ranked[0].trail == {
        "dense": {"rank": 1},
        "rerank": {"rank": 1, "score": 12.0, "truncated": True},
    }
    assert ranked[3].trail["rerank"] == {"rank": 4, "score": 2.0}


def test_only_the_candidates_are_read_and_kept() -> None:
    reranker = ByLength()
    assert [hit.text for hit in rerank("q", hits("a", "bb", "ccc"), reranker, candidates=2)] == ["bb", "a"]
    assert reranker.asked == 2


def test_without_hits_no_reranker_is_asked() -> None:
    nothing, reranker = Asked("q", ("q",)), ByLength()
    score(nothing, reranker, candidates=1)
    assert (nothing.hits, reranker.asked, nothing.models) == ([], 0, {})


def test_passages_that_were_not_read_to_their_end_are_counted() -> None:
    asked = Asked("q", ("q",), hits=hits("aa", "aaaaaaaaaaaa", "bbbbbbbbbbbbb"))
    score(asked, ByLength(), candidates=9)
    assert [note["message"] for note in asked.notes] == [
        "2 of 3 passages were not read to their end by the reranker"
    ]


def test_a_blend_keeps_what_was_found_first_among_the_first() -> None:
    found = hits("a", "bb", "ccc", "dddd", "eeeee")
    alone = rerank("q", found, ByLength(), candidates=9)
    assert [hit.text for hit in alone] == ["eeeee", "dddd", "ccc", "bb", "a"]
    blended = rerank("q", found, ByLength(), candidates=9, blend=0.3)
    assert [hit.text for hit in blended] == ["eeeee", "a", "dddd", "ccc", "bb"]
    first = blended[1]
    assert first.score == pytest.approx(0.7 / 5 + 0.3 / 1)
    assert first.trail["rerank"] == {"rank": 5, "score": 1.0, "before": 1}
    assert [hit.text for hit in rerank("q", found, ByLength(), candidates=9, blend=1.0)] == [
        "a",
        "bb",
        "ccc",
        "dddd",
        "eeeee",
    ]


def test_a_question_that_is_too_long_is_the_askers_mistake() -> None:
    with pytest.raises(UsageError, match="the question is too long: the question has 900 tokens"):
        score(Asked("too long", ("too long",), hits=hits("a")), ByLength(), candidates=1)
