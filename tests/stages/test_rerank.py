"""rank with a reranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ragctl.errors import OverlongInput, UsageError
from ragctl.run.ask import Asked, rank_hits
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


def test_as_many_candidates_as_are_shown() -> None:
    asked = Asked("q", ("q",), hits=hits("a", "bb", "ccc"))
    rank_hits(asked, top_n=3, reranker=ByLength(), candidates=1)
    assert [(hit.rank, hit.text) for hit in asked.hits] == [(1, "ccc"), (2, "bb"), (3, "a")]
    nothing = Asked("q", ("q",))
    rank_hits(nothing, top_n=3, reranker=ByLength(), candidates=1)
    assert nothing.hits == []


def test_a_question_that_is_too_long_is_the_askers_mistake() -> None:
    with pytest.raises(UsageError, match="the question is too long: the question has 900 tokens"):
        rank_hits(Asked("too long", ("too long",), hits=hits("a")), top_n=1, reranker=ByLength())
