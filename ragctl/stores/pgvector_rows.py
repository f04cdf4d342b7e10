"""Rows that a search brings, to hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragctl.types import Hit


def hit_of(number: int, row: tuple[Any, ...]) -> Hit:
    """The hit of a search's row, the `number`th from 1; the row begins with the cosine distance."""
    distance, *columns = row
    return _hit("dense", number, 1.0 - float(distance), columns)


def lexical_hit(number: int, row: tuple[Any, ...]) -> Hit:
    """The same of a search by words; the row begins with the BM25 score."""
    score, *columns = row
    return _hit("lexical", number, float(score), columns)


def _hit(kind: str, number: int, score: float, columns: Sequence[Any]) -> Hit:
    source, path, uri, title, metadata, start, end, text, headings, line, page, sheet = columns
    return Hit(
        score=score,
        source=source,
        document=path,
        uri=uri,
        title=title,
        start=start,
        end=end,
        text=text,
        headings=tuple(headings),
        line=line,
        page=page,
        sheet=sheet,
        metadata=metadata,
        trail={kind: {"rank": number, "score": score}},
    )
