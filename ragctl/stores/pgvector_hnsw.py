"""The HNSW index of a generation's vectors: when there is one, and how it is built.

Its elements are half-precision copies of the vectors, two bytes a number: half the size, the same recall.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

Tell = Callable[[str], None]

INDEX_FROM = 20_000
"""Chunks of `MEASURED_DIMENSION` from which on an index is built; of longer vectors, as many fewer.

An exact search of so many takes 20 to 30 ms on two cores, about what it takes to embed the question: below
that an index saves nothing that anybody notices, would have to be kept up by every write, and is not exact.
At 20,000 chunks a build is repaid after some 600 questions, at 100,000 after 400.
"""

MEASURED_DIMENSION = 384

MOST_DIMENSIONS = 4_000
"""pgvector's limit for an HNSW index of half-precision vectors; with more, every search is exact."""

M = 16
EF_CONSTRUCTION = 200
"""Chosen with `pgvector_dense.EF_SEARCH`, see there; pgvector's own 64 builds in two thirds of the time."""

_NEEDED_VERSION = (0, 8)  # of pgvector: half-precision vectors came with 0.7, iterative scans with 0.8
_LINK_BYTES = 1_000  # of an element in memory beside its vector; 714 were seen with M = 16
_LEAST_KILOBYTES = 64 * 1024
_MOST_KILOBYTES = 2 * 1024 * 1024
_MOST_WORKERS = 7  # PostgreSQL has 8 at most, unless its settings say more
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


class PgVectorHnsw:
    """The index `<schema>.<prefix>_hnsw` on the table `<schema>.<prefix>_chunks`; it goes with the table.

    Args:
        connection: in autocommit mode.
        schema, prefix, dimension: as the store's.
        index_from: chunks from which on `build` builds it; None: by `INDEX_FROM` and the dimension.
    """

    def __init__(
        self,
        connection: Connection[Any],
        *,
        schema: str,
        prefix: str,
        dimension: int,
        index_from: int | None = None,
    ) -> None:
        self._connection = connection
        self.dimension = dimension
        by_dimension = INDEX_FROM * MEASURED_DIMENSION // max(dimension, MEASURED_DIMENSION)
        self.index_from = by_dimension if index_from is None else index_from
        self._names = {"chunks": (schema, f"{prefix}_chunks"), "index": (schema, f"{prefix}_hnsw")}

    def usable(self) -> bool:
        """Is it there, and whole?"""
        return self._state() == "valid"

    def build(self, *, tell: Tell | None = None) -> bool:
        """Builds the index unless it is there, or the generation is too small for it; says if it did.

        Takes some 0.6 ms a chunk on two cores. Who searches does not wait meanwhile, who writes does. Not
        to be called in a transaction: it would hold the transaction's locks that long. Killed, it leaves
        nothing. An index of the name that is not whole (one built CONCURRENTLY and broken off) is replaced.

        Where the server cannot have the memory that processes share, one process builds it alone.

        Args:
            tell: gets a sentence before a build and for whatever it has to do without.
        """
        tell = tell or _no_one
        chunks = self._lacking()
        if not chunks or not self._supported(tell):
            return False
        if self._state() == "invalid":
            self._execute("DROP INDEX IF EXISTS {index}")
        tell(f"building the vector index of {chunks:,} chunks")
        self._build(chunks, tell)
        return True

    def due(self) -> bool:
        """Are there enough chunks for an index, and no usable one? So it is where a build was killed."""
        return bool(self._lacking())

    def _lacking(self) -> int:
        """How many chunks there are, if they should have an index and have none that is whole; else 0."""
        if self.dimension > MOST_DIMENSIONS or self.usable():
            return 0
        (chunks,) = self._execute("SELECT count(*) FROM {chunks}").fetchone()
        return int(chunks) if chunks >= self.index_from else 0

    def _state(self) -> str:
        """`absent`, `valid` or `invalid`."""
        row = self._connection.execute(
            "SELECT indisvalid AND indisready FROM pg_index "
            "WHERE indexrelid = to_regclass(%s) AND indrelid = to_regclass(%s)",
            (self._quoted("index"), self._quoted("chunks")),
        ).fetchone()
        if row is None:
            return "absent"
        return "valid" if row[0] else "invalid"

    def _supported(self, tell: Tell) -> bool:
        row = self._connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()
        found = row[0] if row else "0"
        if tuple(int(part) for part in found.split(".")[:2]) >= _NEEDED_VERSION:
            return True
        needed = ".".join(map(str, _NEEDED_VERSION))
        tell(
            f"the database has pgvector {found}: before {needed} there is no vector index, and every search "
            "reads every chunk; install a later one, then ALTER EXTENSION vector UPDATE"
        )
        return False

    def _build(self, chunks: int, tell: Tell) -> None:
        from psycopg.errors import DiskFull, OutOfMemory

        *attempts, last = self._means(chunks)
        for kilobytes, workers in attempts:
            try:
                self._create(kilobytes, workers)
                return
            except (DiskFull, OutOfMemory) as error:
                reason = str(error).splitlines()[0]
                tell(f"the vector index needs more memory than there is, building it with less: {reason}")
        self._create(*last)

    def _means(self, chunks: int) -> Iterator[tuple[int, int]]:
        """(kilobytes of memory, workers beside the one that builds anyway), the fastest first.

        Memory for the whole graph, as far as `_MOST_KILOBYTES` go; a graph that does not fit is built
        correctly, but slowly.
        """
        needed = chunks * (2 * self.dimension + _LINK_BYTES) // 1024
        kilobytes = min(max(needed, _LEAST_KILOBYTES), _MOST_KILOBYTES)
        workers = self._workers()
        if workers:
            yield kilobytes, workers
        yield kilobytes, 0
        if kilobytes > _LEAST_KILOBYTES:
            yield _LEAST_KILOBYTES, 0

    def _workers(self) -> int:
        """As many as the server's settings allow; on this machine also a process a core."""
        (text,) = self._connection.execute("SHOW max_parallel_maintenance_workers").fetchone() or ("0",)
        allowed = int(text)
        host = self._connection.info.host or ""
        if allowed and (host.startswith(("/", "@")) or host in _LOOPBACK):
            return max(allowed, min((os.cpu_count() or 1) - 1, _MOST_WORKERS))
        return allowed

    def _create(self, kilobytes: int, workers: int) -> None:
        with self._connection.transaction():
            # Of two that build at the same time the second waits, and finds it built.
            self._execute("LOCK TABLE {chunks} IN SHARE ROW EXCLUSIVE MODE")
            self._connection.execute(
                "SELECT set_config('maintenance_work_mem', %s, true), "
                "set_config('max_parallel_maintenance_workers', %s, true), "
                "set_config('statement_timeout', '0', true)",
                (f"{kilobytes}kB", str(workers)),
            )
            self._execute(
                "CREATE INDEX IF NOT EXISTS {name} ON {chunks} USING hnsw "
                "((embedding::halfvec({dimension})) halfvec_cosine_ops) "
                "WITH (m = {m}, ef_construction = {ef_construction})"
            )

    def _quoted(self, kind: str) -> str:
        from psycopg import sql

        return sql.Identifier(*self._names[kind]).as_string(self._connection)

    def _execute(self, statement: str) -> Any:
        from psycopg import sql

        return self._connection.execute(
            sql.SQL(statement).format(
                **{kind: sql.Identifier(*name) for kind, name in self._names.items()},
                name=sql.Identifier(self._names["index"][1]),
                dimension=sql.Literal(self.dimension),
                m=sql.Literal(M),
                ef_construction=sql.Literal(EF_CONSTRUCTION),
            )
        )


def _no_one(_: str) -> None:
    pass
