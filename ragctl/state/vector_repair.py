"""Cached vectors that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

# As far as the length of a vector may be from 1; rounding stays below it.
_LENGTH_TOLERANCE = 0.01


def forget_wrong_vectors(connection: Connection[Any], hashes: Sequence[bytes]) -> int:
    """Of the cached vectors of these inputs, removes those that are not of unit length; how many went."""
    import numpy as np

    rows = connection.execute(
        "SELECT embedder, hash, vector FROM vectors WHERE hash = ANY(%s)", (list(hashes),), binary=True
    ).fetchall()
    wrong = [
        (embedder, key)
        for embedder, key, vector in rows
        if not abs(np.linalg.norm(np.frombuffer(vector, dtype="<f4")) - 1) <= _LENGTH_TOLERANCE
    ]
    return connection.execute(
        "DELETE FROM vectors WHERE (embedder, hash) IN (SELECT * FROM unnest(%s::int[], %s::bytea[]))",
        ([embedder for embedder, _ in wrong], [key for _, key in wrong]),
    ).rowcount
