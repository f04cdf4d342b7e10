"""A document's chunks as rows of the chunk table, in COPY's binary form."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ragctl.types import Chunk, EmbeddedDocument

CHUNK_COLUMNS = (
    "document",
    "ordinal",
    "span_start",
    "span_end",
    "text",
    "headings",
    "line",
    "page",
    "sheet",
    "tokens",
    "input_hash",
    "embedding",
)
"""In the order in which they are copied."""

# Each value stands after its length in bytes. Before all of them comes how many there are.
_FIRST = struct.Struct("!hiqiiiiiii")  # document bigint; ordinal, span_start, span_end; length of the text
_INTEGER = struct.Struct("!ii")
_SIZE = struct.Struct("!i")
_NULL = _SIZE.pack(-1)
_TEXT_TYPE = 25
_EMPTY_ARRAY = struct.pack("!iiii", 12, 0, 0, _TEXT_TYPE)
_ARRAY = struct.Struct("!iiiii")  # dimensions, has it NULLs, type; of the dimension: elements, lower bound
_VECTOR = struct.Struct("!ihh")  # length; dimensions, and nothing
_BLOCK = 256  # rows that are packed at a time


def packed_rows(document: EmbeddedDocument, number: int, encoding: str) -> Iterator[bytes]:
    """A row a chunk, of CHUNK_COLUMNS; some rows at a time.

    Args:
        number: the document's id.
        encoding: in which the server expects text.

    Raises:
        ValueError: there are not as many vectors or hashes as chunks.
    """
    chunks, hashes = document.chunks, document.input_hashes
    if not len(chunks) == len(hashes) == len(document.vectors):
        raise ValueError(f"{len(chunks)} chunks, {len(hashes)} hashes, {len(document.vectors)} vectors")
    dimension = document.vectors.shape[1]
    size = 4 * dimension
    before_vector = _VECTOR.pack(4 + size, dimension, 0)
    headings: dict[tuple[str, ...], bytes] = {}
    for first in range(0, len(chunks), _BLOCK):
        block = slice(first, first + _BLOCK)
        vectors = document.vectors[block].astype(">f4").tobytes()
        parts: list[bytes] = []
        for row, (chunk, digest) in enumerate(zip(chunks[block], hashes[block], strict=True)):
            if chunk.headings not in headings:
                headings[chunk.headings] = _text_array(chunk.headings, encoding)
            text = chunk.text.encode(encoding)
            parts += (
                _FIRST.pack(
                    len(CHUNK_COLUMNS),
                    8, number, 4, chunk.ordinal, 4, chunk.start, 4, chunk.end,
                    len(text),
                ),
                text,
                headings[chunk.headings],
                _after_headings(chunk, encoding),
                _SIZE.pack(len(digest)),
                digest,
                before_vector,
                vectors[row * size : (row + 1) * size],
            )  # fmt: skip
        yield b"".join(parts)


def _after_headings(chunk: Chunk, encoding: str) -> bytes:
    """line, page, sheet and tokens."""
    sheet = _NULL if chunk.sheet is None else _text(chunk.sheet, encoding)
    return _integer(chunk.line) + _integer(chunk.page) + sheet + _INTEGER.pack(4, chunk.tokens)


def _integer(value: int | None) -> bytes:
    return _NULL if value is None else _INTEGER.pack(4, value)


def _text(value: str, encoding: str) -> bytes:
    encoded = value.encode(encoding)
    return _SIZE.pack(len(encoded)) + encoded


def _text_array(values: tuple[str, ...], encoding: str) -> bytes:
    if not values:
        return _EMPTY_ARRAY
    content = _ARRAY.pack(1, 0, _TEXT_TYPE, len(values), 1)
    content += b"".join(_text(value, encoding) for value in values)
    return _SIZE.pack(len(content)) + content
