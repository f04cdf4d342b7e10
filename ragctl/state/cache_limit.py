"""The limit of the vector cache: how large it is, and what goes when it is too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.state.schema import beside_placeholders
from ragctl.state.vector_cache import ChunkTable

if TYPE_CHECKING:
    from psycopg import Connection, sql

# Besides its vector: key, row header and its share of two indexes. Measured: 187 at 384 dimensions.
ENTRY_OVERHEAD_BYTES = 200
# PostgreSQL cuts what is larger into pieces that leave a quarter of each page empty. Measured: within 1 % at
# 768 and 1,536 dimensions; at 3,072, where the pieces fit better, 18 % too high.
_CUT_ABOVE_BYTES = 1900
_MOST_AT_ONCE = 10_000
_LOCK_KEY = 0x7261_6763_7663  # "ragcvc"


@dataclass(frozen=True, slots=True)
class CacheSize:
    """Entries, and the bytes on disk that they come to."""

    entries: int
    bytes: int


def cache_size(connection: Connection[Any]) -> CacheSize:
    """The size of the cache of all embedders. The state counts as it writes; nothing is scanned."""
    sizes = _sizes(connection)
    return CacheSize(sum(one.entries for one in sizes), sum(one.bytes for one in sizes))


def _sizes(connection: Connection[Any]) -> list[CacheSize]:
    """One an embedder that has entries."""
    rows = connection.execute("SELECT entries, vector_bytes FROM embedders WHERE entries > 0")
    return [CacheSize(entries, _on_disk(entries, vector_bytes)) for entries, vector_bytes in rows]


def _on_disk(entries: int, vector_bytes: int) -> int:
    if vector_bytes > _CUT_ABOVE_BYTES * entries:
        vector_bytes = vector_bytes * 4 // 3
    return vector_bytes + ENTRY_OVERHEAD_BYTES * entries


def prune_cache(
    connection: Connection[Any], max_bytes: int, tables: Mapping[str, Sequence[ChunkTable]]
) -> CacheSize:
    """Brings the cache under its limit, and takes no more from it than that needs.

    First go entries whose vector is in one of the tables too, then the oldest.

    Args:
        connection: in autocommit mode, outside of any transaction.
        max_bytes: of the cache of all embedders together.
        tables: chunk tables that will go on being looked at, by the identity of their embedder.

    Returns:
        What was removed.
    """
    if cache_size(connection).bytes <= max_bytes:
        return CacheSize(0, 0)
    with _alone(connection):
        pruning = _Pruning(connection, max_bytes)
        for identity, named in tables.items():
            for table in named:
                pruning.remove_doubles(identity, table)
        pruning.remove_oldest()
    # Makes the room usable again; the server's own cleaning may not come round before it is stopped.
    connection.execute("VACUUM vectors")
    return pruning.removed


@contextmanager
def _alone(connection: Connection[Any]) -> Iterator[None]:
    """Two runs that pruned at once would each take what is needed, and both together too much."""
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))


class _Pruning:
    def __init__(self, connection: Connection[Any], max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._before = cache_size(connection)

    @property
    def removed(self) -> CacheSize:
        now = cache_size(self._connection)
        return CacheSize(self._before.entries - now.entries, self._before.bytes - now.bytes)

    def remove_doubles(self, identity: str, table: ChunkTable) -> None:
        """Entries that the table has too, until there is room."""
        from psycopg import sql
        from psycopg.errors import UndefinedTable

        doubles = sql.SQL(
            "SELECT v.embedder, v.hash FROM vectors v JOIN embedders e ON e.id = v.embedder "
            "WHERE e.identity = {identity} AND EXISTS "
            "(SELECT 1 FROM {table} c WHERE c.input_hash = v.hash)"
        ).format(identity=sql.Literal(identity), table=beside_placeholders(table))
        try:
            self._remove(doubles)
        except UndefinedTable:  # dropped since, so there are no doubles in it
            return

    def remove_oldest(self) -> None:
        """Whatever is oldest, until there is room."""
        from psycopg import sql

        self._remove(sql.SQL("SELECT v.embedder, v.hash FROM vectors v ORDER BY v.added_at"))

    def _remove(self, candidates: sql.SQL | sql.Composed) -> None:
        """Takes from the candidates in batches that never go beyond what is needed."""
        from psycopg import sql

        # SKIP LOCKED: what somebody else is removing just now is not waited for.
        statement = sql.SQL(
            "DELETE FROM vectors v USING ({} LIMIT %s FOR UPDATE OF v SKIP LOCKED) gone "
            "WHERE v.embedder = gone.embedder AND v.hash = gone.hash"
        ).format(candidates)
        while (batch := self._needed()) and self._connection.execute(statement, (batch,)).rowcount:
            pass

    def _needed(self) -> int:
        """How many entries of the largest kind would make room enough, or would nearly."""
        sizes = _sizes(self._connection)
        over = sum(one.bytes for one in sizes) - self._max_bytes
        if over <= 0 or not sizes:
            return 0
        largest = max(one.bytes / one.entries for one in sizes)
        return min(max(int(over // largest), 1), _MOST_AT_ONCE)
