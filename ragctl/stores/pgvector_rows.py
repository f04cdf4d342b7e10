"""Rows of the chunk table: from a document with its vectors, and to a hit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ragctl.types import EmbeddedDocument, Hit

CHUNK_COLUMNS = (
    ("document", "int8"),
    ("ordinal", "int4"),
    ("span_start", "int4"),
    ("span_end", "int4"),
    ("text", "text"),
    ("headings", "text[]"),
    ("line", "int4"),
    ("page", "int4"),
    ("sheet", "text"),
    ("tokens", "int4"),
    ("input_hash", "bytea"),
    ("embedding", "vector"),
)
"""Name and type, in the order in which they are copied."""


def chunk_rows(document: EmbeddedDocument) -> Iterator[tuple[Any, ...]]:
    """A row a chunk: the columns of CHUNK_COLUMNS after the first."""
    for chunk, vector, digest in zip(document.chunks, document.vectors, document.input_hashes, strict=True):
        yield (
            chunk.ordinal,
            chunk.start,
            chunk.end,
            chunk.text,
            list(chunk.headings),
            chunk.line,
            chunk.page,
            chunk.sheet,
            chunk.tokens,
            digest,
            vector,
        )


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
