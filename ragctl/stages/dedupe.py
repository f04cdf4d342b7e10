"""dedupe: lists of hits → one list in which no text stands twice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragctl.stages.fusion import RRF_K, Method, fuse
from ragctl.types import Hit

# Neighbouring chunks share an overlap of an eighth by default, and both have something to say.
LEAST_SHARED = 0.5


def dedupe(
    lists: Sequence[Sequence[Hit]],
    *,
    fusion: Method = "rrf",
    weights: Mapping[str, float] | None = None,
    rrf_k: int = RRF_K,
) -> list[Hit]:
    """One list, best score first; hits of equal text, and spans that cover one another, are folded.

    A hit is folded into a better one if its text is the same but for white space, or if they are of one
    document and share at least half of the shorter one's characters. What was folded is remembered in
    `duplicates`: source, document, uri, start, end and score of each.

    Args:
        fusion, weights, rrf_k: see `fuse`.
    """
    kept: list[Hit] = []
    folded: dict[int, list[Hit]] = {}
    by_text: dict[str, int] = {}
    by_document: dict[tuple[str, str], list[int]] = {}
    for hit in fuse(lists, method=fusion, weights=weights, rrf_k=rrf_k):
        text = " ".join(hit.text.split())
        document = (hit.source, hit.document)
        same = by_text.get(text)
        if same is None:
            neighbours = by_document.get(document, [])
            same = next((number for number in neighbours if _covers(kept[number], hit)), None)
        if same is not None:
            folded.setdefault(same, []).append(hit)
            continue
        by_text[text] = len(kept)
        by_document.setdefault(document, []).append(len(kept))
        kept.append(hit)
    return [
        replace(hit, duplicates=tuple(_place(other) for other in folded.get(number, [])))
        for number, hit in enumerate(kept)
    ]


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
