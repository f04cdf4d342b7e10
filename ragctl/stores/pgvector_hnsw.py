"""The HNSW index of a generation's vectors: when there is one, and how it is built.

Its elements are half-precision copies of the vectors, two bytes a number: half the size, the same recall.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.stores.pgvector_expectations import LEAST_VERSION, extension_version, is_old

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

_LINK_BYTES = 1_000  # of an element in memory beside its vector; 714 were seen with M = 16
_BYTES_OF_A_LINK = 2 * 16  # that each more or less of M makes of it: twice as many links in the lowest layer
_LEAST_KILOBYTES = 64 * 1024
_MOST_KILOBYTES = 2 * 1024 * 1024
_MOST_WORKERS = 7  # PostgreSQL has 8 at most, unless its settings say more
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class HnswBuild:
    """How the index is built.

    Attributes:
        m: links of an element in a layer, 2 to 100.
        ef_construction: candidates kept in hand while an element is linked, 2 * m to 1,000.
        memory_bytes: maintenance_work_mem for it; None: what the graph needs, within bounds.
        workers: processes beside the one that builds; None: as the server's settings and processors allow.
    """

    m: int = M
    ef_construction: int = EF_CONSTRUCTION
    memory_bytes: int | None = None
    workers: int | None = None


class PgVectorHnsw:
    """The index `<schema>.<prefix>_hnsw` on the table `<schema>.<prefix>_chunks`; it goes with the table.

    Args:
        connection: in autocommit mode.
        schema, prefix, dimension: as the store's.
        index_from: chunks from which on `build` builds it; None: by `INDEX_FROM` and the dimension.
        how: an index that was built with another m or ef_construction is built anew by `build`, and
            serves until then.
    """

    def __init__(
        self,
        connection: Connection[Any],
        *,
        schema: str,
        prefix: str,
        dimension: int,
        index_from: int | None = None,
        how: HnswBuild | None = None,
    ) -> None:
        self._connection = connection
        self._how = how or HnswBuild()
        self.dimension = dimension
        by_dimension = INDEX_FROM * MEASURED_DIMENSION // max(dimension, MEASURED_DIMENSION)
        self.index_from = by_dimension if index_from is None else index_from
        self._names = {
            "chunks": (schema, f"{prefix}_chunks"),
            "index": (schema, f"{prefix}_hnsw"),
            "new": (schema, f"{prefix}_hnsw_new"),
        }

    def usable(self) -> bool:
        """Is it there, and whole?"""
        return self._state() in ("valid", "other")

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
        if self.dimension > MOST_DIMENSIONS:
            tell(
                f"vectors of {self.dimension:,} dimensions have no index, pgvector's limit is "
                f"{MOST_DIMENSIONS:,}: every search reads every chunk"
            )
            return False
        chunks = self._lacking()
        if not chunks or not self._supported(tell):
            return False
        anew = " anew, as store.hnsw has changed" if self._state() == "other" else ""
        tell(f"building the vector index of {chunks:,} chunks{anew}")
        self._build(chunks, tell)
        return True

    def due(self) -> bool:
        """Are there enough chunks for an index, and no usable one? So it is where a build was killed."""
        return bool(self._lacking())

    def _lacking(self) -> int:
        """How many chunks there are, if they should have an index and have none as it should be; else 0."""
        if self.dimension > MOST_DIMENSIONS or self._state() == "valid":
            return 0
        (chunks,) = self._execute("SELECT count(*) FROM {chunks}").fetchone()
        return int(chunks) if chunks >= self.index_from else 0

    def _state(self) -> str:
        """`absent`, `valid`, `invalid`, or `other`: valid, and built with another m or ef_construction."""
        wanted = [f"m={self._how.m}", f"ef_construction={self._how.ef_construction}"]
        row = self._connection.execute(
            "SELECT i.indisvalid AND i.indisready, c.reloptions @> %s::text[] "
            "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indexrelid = to_regclass(%s) AND i.indrelid = to_regclass(%s)",
            (wanted, self._quoted("index"), self._quoted("chunks")),
        ).fetchone()
        if row is None:
            return "absent"
        whole, as_wanted = row
        return ("valid" if as_wanted else "other") if whole else "invalid"

    def _supported(self, tell: Tell) -> bool:
        found = extension_version(self._connection) or "0"
        if not is_old(found):
            return True
        needed = ".".join(map(str, LEAST_VERSION))
        tell(
            f"the database has pgvector {found}: before {needed} there is no vector index, and every search "
            "reads every chunk; install a later one, then ALTER EXTENSION vector UPDATE"
        )
        return False

    def rebuild(self) -> bool:
        """Builds the index anew of the rows that live, if there is a usable one; says if it did.

        Others read and write meanwhile. Not to be called in a transaction. Broken off, it leaves an index
        that is not valid, which `PgVectorUpkeep.clean` drops.
        """
        if not self.usable():
            return False
        (chunks,) = self._execute("SELECT count(*) FROM {chunks}").fetchone()
        self._with_means(chunks, self._recreate, _no_one)
        return True

    def _build(self, chunks: int, tell: Tell) -> None:
        self._with_means(chunks, self._create, tell)

    def _with_means(self, chunks: int, make: Callable[[int, int], None], tell: Tell) -> None:
        """Calls `make` with less and less memory and fewer workers, until the server has them."""
        from psycopg.errors import DiskFull, OutOfMemory

        *attempts, last = self._means(chunks)
        for kilobytes, workers in attempts:
            try:
                make(kilobytes, workers)
                return
            except (DiskFull, OutOfMemory) as error:
                reason = str(error).splitlines()[0]
                tell(f"the vector index needs more memory than there is, building it with less: {reason}")
        make(*last)

    def _recreate(self, kilobytes: int, workers: int) -> None:
        names = ("maintenance_work_mem", "max_parallel_maintenance_workers", "statement_timeout")
        try:  # for the session: what works concurrently cannot run in a transaction
            for name, value in zip(names, (f"{kilobytes}kB", str(workers), "0"), strict=True):
                self._connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            self._execute("REINDEX INDEX CONCURRENTLY {index}")
        finally:
            for name in names:
                self._connection.execute(f"RESET {name}")

    def _means(self, chunks: int) -> Iterator[tuple[int, int]]:
        """(kilobytes of memory, workers beside the one that builds anyway), the fastest first.

        Memory for the whole graph, as far as `_MOST_KILOBYTES` go; a graph that does not fit is built
        correctly, but slowly.
        """
        kilobytes = self._kilobytes(chunks)
        workers = self._workers() if self._how.workers is None else self._how.workers
        if workers:
            yield kilobytes, workers
        yield kilobytes, 0
        if kilobytes > _LEAST_KILOBYTES:
            yield _LEAST_KILOBYTES, 0

    def _kilobytes(self, chunks: int) -> int:
        if self._how.memory_bytes is not None:
            return self._how.memory_bytes // 1024
        links = _LINK_BYTES + _BYTES_OF_A_LINK * (self._how.m - M)
        needed = chunks * (2 * self.dimension + links) // 1024
        return min(max(needed, _LEAST_KILOBYTES), _MOST_KILOBYTES)

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
            if self._state() == "valid":
                return
            self._connection.execute(
                "SELECT set_config('maintenance_work_mem', %s, true), "
                "set_config('max_parallel_maintenance_workers', %s, true), "
                "set_config('statement_timeout', '0', true)",
                (f"{kilobytes}kB", str(workers)),
            )
            # One that is there serves until this one is built; searches wait only while their names change.
            self._execute(
                "CREATE INDEX {new_name} ON {chunks} USING hnsw "
                "((embedding::halfvec({dimension})) halfvec_cosine_ops) "
                "WITH (m = {m}, ef_construction = {ef_construction})"
            )
            self._execute("DROP INDEX IF EXISTS {index}")
            self._execute("ALTER INDEX {new} RENAME TO {name}")

    def _quoted(self, kind: str) -> str:
        from psycopg import sql

        return sql.Identifier(*self._names[kind]).as_string(self._connection)

    def _execute(self, statement: str) -> Any:
        from psycopg import sql

        return self._connection.execute(
            sql.SQL(statement).format(
                **{kind: sql.Identifier(*name) for kind, name in self._names.items()},
                name=sql.Identifier(self._names["index"][1]),
                new_name=sql.Identifier(self._names["new"][1]),
                dimension=sql.Literal(self.dimension),
                m=sql.Literal(self._how.m),
                ef_construction=sql.Literal(self._how.ef_construction),
            )
        )


def _no_one(_: str) -> None:
    pass
