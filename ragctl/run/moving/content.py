"""Are two documents the same, wherever they lie?"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ragctl.errors import Mismatch
from ragctl.stores.unit_length import LENGTH_TOLERANCE
from ragctl.stores.whole_document import WholeDocument

VECTOR_TOLERANCE = 1e-6
"""Of each number: Weaviate scales vectors to unit length, which moves the last bits of a float32."""

_EXACT = 2**53
"""Whole numbers up to here are the same in every JSON."""
_SUM_BITS = 256


def content_digest(document: WholeDocument) -> bytes:
    """SHA-256 of all that is kept of the document but its vectors, and but how its item was last found.

    Of one without chunks only that it is there: Weaviate keeps no more.
    """
    one, chunks = document.stored.document, document.stored.chunks
    values: list[Any] = [one.source, one.path]
    if chunks:
        values += [one.item or one.path, one.uri, one.title, one.media_type, one.digest, one.reader]
        values.append(_plain(dict(one.metadata)))
    for chunk, digest in zip(chunks, document.stored.input_hashes, strict=True):
        values.append([chunk.ordinal, chunk.start, chunk.end, chunk.text, list(chunk.headings)])
        values.append([chunk.line, chunk.page, chunk.sheet, chunk.tokens, digest.hex()])
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).digest()


def same(one: WholeDocument, other: WholeDocument) -> bool:
    """The same content, and vectors equal within `VECTOR_TOLERANCE`."""
    import numpy as np

    here, there = one.stored.vectors, other.stored.vectors
    if here.shape != there.shape or content_digest(one) != content_digest(other):
        return False
    return bool(np.allclose(here, there, rtol=0, atol=VECTOR_TOLERANCE))


def refuse_wrong_vectors(document: WholeDocument, dimension: int, *, hint: str) -> None:
    """Sees that each of the document's vectors is one.

    Raises:
        Mismatch: one is zero, NaN, not of unit length, or of another dimension.
    """
    import numpy as np

    vectors = document.stored.vectors
    where = ":".join(document.key)
    if vectors.shape[1] != dimension:
        raise Mismatch(
            f"its vectors have {vectors.shape[1]} dimensions, the index has {dimension}",
            where=where,
            hint=hint,
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE))
    if wrong.size:
        raise Mismatch(
            f"the vector of its chunk {wrong[0]} is zero, not a number or not of unit length",
            where=where,
            hint=hint,
        )


class ContentSum:
    """The content of any number of documents, in whatever order: the sum of their digests."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, document: WholeDocument) -> None:
        """One more."""
        self._sum += int.from_bytes(content_digest(document), "big")

    @property
    def hex(self) -> str:
        """64 hexadecimal digits: the sum modulo 2 to the 256th."""
        return f"{self._sum % 2**_SUM_BITS:064x}"


def _plain(value: Any) -> Any:
    """The same for the same value, however a store's JSON writes it: 1.0 and 1, 1e300 and its 301 digits."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if abs(value) <= _EXACT:
        return int(value) if value == int(value) else value
    try:
        return float(value)
    except OverflowError:
        return str(value)
