"""rank: hits → the few that are shown, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ragctl.ports import Reranker
from ragctl.types import Hit


def rank(hits: Sequence[Hit], *, top_n: int) -> list[Hit]:
    """The first `top_n` hits, numbered from 1. They keep the order that they came in."""
    return [replace(hit, rank=number) for number, hit in enumerate(hits[:top_n], start=1)]


def rerank(question: str, hits: Sequence[Hit], reranker: Reranker, *, candidates: int) -> list[Hit]:
    """The first `candidates` hits in the order of the reranker's scores, best first; the others are left out.

    Each hit's score is then the reranker's. Its trail gets `rerank`: the new place from 1, the score, and
    `truncated: true` where the reranker did not read the passage to its end. Equal scores keep the order
    that the hits came in.

    Raises:
        OverlongInput: the question is too long for the reranker.
    """
    read = hits[:candidates]
    cut: set[int] = set()
    scores = reranker.score(question, [hit.text for hit in read], on_truncated=cut.add)
    order = sorted(range(len(read)), key=lambda position: -scores[position])
    ranked = []
    for number, position in enumerate(order, start=1):
        step: dict[str, Any] = {"rank": number, "score": scores[position]}
        if position in cut:
            step["truncated"] = True
        hit = read[position]
        ranked.append(replace(hit, score=scores[position], trail={**hit.trail, "rerank": step}))
    return ranked
