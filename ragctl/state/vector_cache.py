"""Vectors that a model returned before, so that nothing is read, or billed, twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.state.schema import beside_placeholders

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

    Vectors = NDArray[np.float32]
    FindVectors = Callable[[Collection[bytes]], Mapping[bytes, Vectors]]

ChunkTable = tuple[str, str]
"""(schema, name) of a table with columns `input_hash` (bytea) and `embedding` (pgvector's vector)."""

_SENT_HEADER = 4  # bytes of pgvector's binary form before its numbers: dimension and a reserved word


class PostgresVectorCache:
    """The known vectors of one embedder: in chunk tables, cached, elsewhere; float32, as they came.

    Args:
        identity: the embedder's.
        tables: chunk tables whose vectors this embedder made, in the order in which they are looked at.
        elsewhere: what looks up vectors of this embedder that lie in no database; asked for what is nowhere
            else.
    """

    def __init__(
        self,
        connection: Connection[Any],
        identity: str,
        tables: Sequence[ChunkTable] = (),
        elsewhere: Sequence[FindVectors] = (),
    ) -> None:
        self._connection = connection
        self._tables = list(tables)
        self._elsewhere = elsewhere
        connection.execute("INSERT INTO embedders (identity) VALUES (%s) ON CONFLICT DO NOTHING", (identity,))
        row = connection.execute("SELECT id FROM embedders WHERE identity = %s", (identity,)).fetchone()
        assert row is not None  # it was just made sure of
        self._embedder: int = row[0]

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Those that are known, each of shape (dimension,)."""
        missing = set(hashes)
        found: dict[bytes, Vectors] = {}
        for table in tuple(self._tables):
            if missing:
                found.update(self._find_in(table, missing))
                missing -= found.keys()
        if missing:
            found.update(self._find_cached(missing))
            missing -= found.keys()
        for find in self._elsewhere:
            if missing:
                found.update(find(missing))
                missing -= found.keys()
        return found

    def _find_in(self, table: ChunkTable, hashes: set[bytes]) -> dict[bytes, Vectors]:
        import numpy as np
        from psycopg import sql
        from psycopg.errors import UndefinedTable

        statement = sql.SQL(
            "SELECT DISTINCT ON (input_hash) input_hash, vector_send(embedding) FROM {} "
            "WHERE input_hash = ANY(%s)"
        ).format(beside_placeholders(table))
        try:
            rows = self._connection.execute(statement, (list(hashes),), binary=True).fetchall()
        except UndefinedTable:  # its generation has been dropped since: it can tell us nothing more
            self._tables.remove(table)
            return {}
        return {
            key: np.frombuffer(sent, dtype=">f4", offset=_SENT_HEADER).astype("<f4") for key, sent in rows
        }

    def _find_cached(self, hashes: set[bytes]) -> dict[bytes, Vectors]:
        import numpy as np

        rows = self._connection.execute(
            "SELECT hash, vector FROM vectors WHERE embedder = %s AND hash = ANY(%s)",
            (self._embedder, list(hashes)),
            binary=True,
        )
        return {key: np.frombuffer(vector, dtype="<f4") for key, vector in rows}

    def keep(self, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Makes them durable before it returns (the connection commits each statement)."""
        # In the order of the keys, so that two processes that keep the same do not block one another.
        rows = sorted(zip(hashes, vectors, strict=True), key=lambda row: row[0])
        self._connection.execute(
            "INSERT INTO vectors (embedder, hash, vector) "
            "SELECT %s, * FROM unnest(%s::bytea[], %s::bytea[]) ON CONFLICT DO NOTHING",
            (self._embedder, [key for key, _ in rows], [row.astype("<f4").tobytes() for _, row in rows]),
        )
