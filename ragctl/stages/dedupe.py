"""dedupe: lists of hits → one list in which no text stands twice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragctl.types import Hit


def dedupe(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """One list, best score first; hits of equal text are folded into the best of them.

    White space does not count when texts are compared. What was folded is remembered in
    `duplicates`: source, document, uri, start, end and score of each.
    """
    ordered = sorted(
        (hit for hits in lists for hit in hits),
        key=lambda hit: (-hit.score, hit.source, hit.document, hit.start),
    )
    best: dict[str, Hit] = {}
    folded: dict[str, list[Hit]] = {}
    for hit in ordered:
        key = " ".join(hit.text.split())
        if key not in best:
            best[key] = hit
        elif not _same_place(hit, best[key]) and not any(
            _same_place(hit, other) for other in folded.get(key, [])
        ):
            folded.setdefault(key, []).append(hit)
    return [
        replace(hit, duplicates=tuple(_place(other) for other in folded.get(key, [])))
        for key, hit in best.items()
    ]


def _same_place(one: Hit, other: Hit) -> bool:
    return (one.source, one.document, one.start) == (other.source, other.document, other.start)


def _place(hit: Hit) -> dict[str, object]:
    return {
        "source": hit.source,
        "document": hit.document,
        "uri": hit.uri,
        "start": hit.start,
        "end": hit.end,
        "score": hit.score,
    }
