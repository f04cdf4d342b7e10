"""Fusion: several ranked lists of hits as one. Pure.

A hit's trail says which searches found it, at what rank and with what score; a list's hits carry the
name of the one search that made it, and the number of the question's version, if there are several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ragctl.types import Hit

Method = Literal["rrf", "score"]
# Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
# learning methods", SIGIR 2009.
RRF_K = 60


def fuse(
    lists: Sequence[Sequence[Hit]],
    *,
    method: Method = "rrf",
    weights: Mapping[str, float] | None = None,
    rrf_k: int = RRF_K,
    original_weight: float = 1.0,
) -> list[Hit]:
    """One list, best first, each chunk once, with the trails of all the lists that it was in.

    Args:
        lists: each best first, ranks in the trail counting from 1.
        method: `rrf` adds `weight / (rrf_k + rank)` over the lists; `score` adds `weight` times the score,
            scaled to 0 for the list's last and 1 for its first.
        weights: by the name of the search; 1 where it says nothing. A list of weight 0 is left out.
        original_weight: by which the lists of the question itself count more than those of its versions.

    A single list keeps its scores and its order. Of a search with several versions, the trail has the best
    rank, and under `versions` the rank and score in each.
    """

    def weight_of(hits: Sequence[Hit]) -> float:
        name = next(iter(hits[0].trail), "")
        weight = (weights or {}).get(name, 1.0)
        original = hits[0].trail.get(name, {}).get("version") == 0
        return weight * original_weight if original else weight

    chosen = [hits for hits in lists if hits and weight_of(hits) > 0]
    if len(chosen) == 1:
        return _in_order(chosen[0])
    scores: dict[tuple[str, str, int, int], float] = {}
    merged: dict[tuple[str, str, int, int], Hit] = {}
    for hits in chosen:
        weight = weight_of(hits)
        shares = _by_rank(hits, rrf_k) if method == "rrf" else _by_score(hits)
        for hit, share in zip(hits, shares, strict=True):
            key = (hit.source, hit.document, hit.start, hit.end)
            scores[key] = scores.get(key, 0.0) + weight * share
            merged[key] = _merged(merged[key], hit) if key in merged else hit
    return _in_order([replace(hit, score=scores[key]) for key, hit in merged.items()])


def _in_order(hits: Sequence[Hit]) -> list[Hit]:
    """By score; those of equal score by their place, so that two runs show the same."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.source, hit.document, hit.start))


def _by_rank(hits: Sequence[Hit], rrf_k: int) -> list[float]:
    return [1.0 / (rrf_k + rank) for rank in range(1, len(hits) + 1)]


def _by_score(hits: Sequence[Hit]) -> list[float]:
    best, worst = hits[0].score, hits[-1].score
    spread = best - worst
    return [(hit.score - worst) / spread if spread > 0 else 1.0 for hit in hits]


def _merged(one: Hit, other: Hit) -> Hit:
    """One hit with both trails; of two ranks in one search (two versions of a question) the better."""
    trail = dict(one.trail)
    for name, step in other.trail.items():
        before = trail.get(name)
        if before is None:
            trail[name] = step
            continue
        better, versions = min(before, step, key=lambda found: found["rank"]), _versions(before, step)
        trail[name] = {**better, "versions": versions} if versions else better
    return replace(one, trail=trail)


def _versions(*steps: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Version, rank and score of each step of one search that is of a version."""
    return [
        found
        for step in steps
        if "version" in step
        for found in step.get("versions", [{key: step[key] for key in ("version", "rank", "score")}])
    ]
