"""rank: hits → the few that are shown, in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ragctl.ports import Reranker
from ragctl.types import Hit

Place = tuple[str, str, int, int]


def rank(hits: Sequence[Hit], *, top_n: int) -> list[Hit]:
    """The first `top_n` hits, numbered from 1. They keep the order that they came in."""
    return [replace(hit, rank=number) for number, hit in enumerate(hits[:top_n], start=1)]


def place_of(hit: Hit) -> Place:
    """Where the passage stands: no two hits of one index share it."""
    return hit.source, hit.document, hit.start, hit.end


def as_ordered(hits: Sequence[Hit], ordered: Sequence[Hit]) -> list[Hit]:
    """Some hits in the order of others that they are among; those that are not follow, in their own order."""
    known = {place_of(hit): hit for hit in ordered}
    mine = {place_of(hit) for hit in hits}
    return [
        *(hit for place, hit in known.items() if place in mine),
        *(hit for hit in hits if place_of(hit) not in known),
    ]


def rerank(
    question: str, hits: Sequence[Hit], reranker: Reranker, *, candidates: int, blend: float = 0.0
) -> list[Hit]:
    """The first `candidates` hits in the order of the reranker's scores, best first; the others are left out.

    The trail gets `rerank`, with `truncated: true` where the reranker did not read the passage to its end;
    else see `by_scores`.

    Raises:
        OverlongInput: the question is too long for the reranker.
    """
    read = hits[:candidates]
    cut: set[int] = set()
    scores = reranker.score(question, [hit.text for hit in read], on_truncated=cut.add)
    return by_scores(read, scores, blend=blend, truncated=cut)


def by_scores(
    hits: Sequence[Hit],
    scores: Sequence[float],
    *,
    step: str = "rerank",
    blend: float = 0.0,
    truncated: Collection[int] = (),
) -> list[Hit]:
    """The hits in the order of a model's scores, best first; equal scores keep the order that they came in.

    The trail gets the step: its place by the score, from 1, and the score, and with a blend the place before.

    Args:
        scores: one a hit, more is better.
        blend: how much the place before counts, from 0 to 1. With 0 a hit's score is then the model's, else
            `(1 - blend) / place by the model + blend / place before`, so that what was found first stays
            among the first however a model judges it.
        truncated: positions of hits that the model did not read to their end.
    """
    order = sorted(range(len(hits)), key=lambda position: -scores[position])
    ranked = []
    for place, position in enumerate(order, start=1):
        said: dict[str, Any] = {"rank": place, "score": scores[position]}
        score = scores[position]
        if blend:
            said["before"] = position + 1
            score = (1 - blend) / place + blend / (position + 1)
        if position in truncated:
            said["truncated"] = True
        hit = hits[position]
        ranked.append(replace(hit, score=score, trail={**hit.trail, step: said}))
    return sorted(ranked, key=lambda hit: -hit.score) if blend else ranked
