"""Vectors that a model returned before, so that nothing is read, or billed, twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

    Vectors = NDArray[np.float32]


class PostgresVectorCache:
    """The cached vectors of one embedder; float32, little-endian, as they came."""

    def __init__(self, connection: Connection[Any], identity: str) -> None:
        self._connection = connection
        connection.execute(
            "INSERT INTO ragctl.embedders (identity) VALUES (%s) ON CONFLICT DO NOTHING", (identity,)
        )
        row = connection.execute(
            "SELECT id FROM ragctl.embedders WHERE identity = %s", (identity,)
        ).fetchone()
        assert row is not None  # it was just made sure of
        self._embedder: int = row[0]

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Those that are known, each of shape (dimension,)."""
        import numpy as np

        rows = self._connection.execute(
            "SELECT hash, vector FROM ragctl.vectors WHERE embedder = %s AND hash = ANY(%s)",
            (self._embedder, list(hashes)),
            binary=True,
        )
        return {key: np.frombuffer(vector, dtype="<f4") for key, vector in rows}

    def keep(self, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Makes them durable before it returns (the connection commits each statement)."""
        self._connection.execute(
            "INSERT INTO ragctl.vectors (embedder, hash, vector) "
            "SELECT %s, * FROM unnest(%s::bytea[], %s::bytea[]) ON CONFLICT DO NOTHING",
            (self._embedder, list(hashes), [row.astype("<f4").tobytes() for row in vectors]),
        )
