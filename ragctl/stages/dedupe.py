"""dedupe: lists of hits → one list in which no text stands twice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragctl.stages.fusion import RRF_K, Method, fuse
from ragctl.stages.near_duplicates import NearDuplicates
from ragctl.types import Hit

# Neighbouring chunks share an overlap of an eighth by default, and both have something to say.
LEAST_SHARED = 0.5


def dedupe(
    lists: Sequence[Sequence[Hit]],
    *,
    fusion: Method = "rrf",
    weights: Mapping[str, float] | None = None,
    rrf_k: int = RRF_K,
    original_weight: float = 1.0,
    near_duplicate: float | None = None,
    near_within: int = 1_000,
) -> list[Hit]:
    """One list, best score first; hits that say the same are folded into the best of them.

    A hit is folded into a better one if its text is the same but for white space, if they are of one
    document and share at least half of the shorter one's characters, or if their texts are nearly the same.
    What was folded is remembered in `duplicates`: source, document, uri, start, end and score of each.

    Args:
        fusion, weights, rrf_k, original_weight: see `fuse`.
        near_duplicate: share of the runs of words that two texts have in common, of all that they have,
            from which on they are nearly the same, see `near_duplicates`; None: only equal ones are.
        near_within: hits that may be wanted; once so many are kept, texts are not compared for that any more.
    """
    kept: list[Hit] = []
    folded: dict[int, list[Hit]] = {}
    seen = _Seen(near_duplicate, near_within)
    fused = fuse(lists, method=fusion, weights=weights, rrf_k=rrf_k, original_weight=original_weight)
    for hit in fused:
        same = seen.add(hit)
        if same is None:
            kept.append(hit)
        else:
            folded.setdefault(same, []).append(hit)
    return [
        replace(hit, duplicates=tuple(map(_place, folded[number]))) if number in folded else hit
        for number, hit in enumerate(kept)
    ]


class _Seen:
    """The hits that were kept, numbered from 0."""

    def __init__(self, near_duplicate: float | None, near_within: int) -> None:
        self._near_within = near_within
        self._near = None if near_duplicate is None else NearDuplicates(near_duplicate)
        self._by_text: dict[str, int] = {}
        self._by_document: dict[tuple[str, str], list[tuple[int, Hit]]] = {}

    def add(self, hit: Hit) -> int | None:
        """The number of the kept hit that says the same; if there is none, this one is kept."""
        text = " ".join(hit.text.split())
        same = self._by_text.get(text)
        neighbours = self._by_document.setdefault((hit.source, hit.document), [])
        if same is None:
            same = next((number for number, other in neighbours if _covers(other, hit)), None)
        if same is None and self._near and len(self._by_text) < self._near_within:
            same = self._near.add(text)
        if same is None:
            neighbours.append((len(self._by_text), hit))
            self._by_text[text] = len(self._by_text)
        return same


def _covers(one: Hit, other: Hit) -> bool:
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    return shared > 0 and shared >= LEAST_SHARED * shorter


def _place(hit: Hit) -> dict[str, object]:
    return {
        "source": hit.source,
        "document": hit.document,
        "uri": hit.uri,
        "start": hit.start,
        "end": hit.end,
        "score": hit.score,
    }
