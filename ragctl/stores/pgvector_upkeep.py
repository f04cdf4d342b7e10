"""What keeps a generation's tables small and the planner informed: autovacuum, ANALYZE, VACUUM, REINDEX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.stores.pgvector_hnsw import HnswBuild, PgVectorHnsw
from ragctl.stores.pgvector_lexical import TERMS_FILLED

if TYPE_CHECKING:
    from psycopg import Connection

KINDS = ("documents", "chunks", "lexical", "terms")

# PostgreSQL's own 0.2 lets a fifth of a table lie dead, and of every index on it.
AUTOVACUUM: Mapping[str, str] = {
    "autovacuum_vacuum_scale_factor": "0.1",
    "autovacuum_analyze_scale_factor": "0.05",
}
"""Storage parameters of the tables. Those that somebody has set already stay as they are."""

TERMS: Mapping[str, str] = {"fillfactor": str(TERMS_FILLED)}
"""That of the terms' table beside them: tables of an earlier release have it not."""

_CHANGED_SHARE = 0.1  # of a table's rows since they were counted: more, and they are counted at once
MOST_DEAD_SHARE = 0.3
"""Of a table's rows, dead ones that no VACUUM has cleared away: three times what autovacuum waits for."""
LEAST_DEAD_ROWS = 10_000
MOST_INDEX_SHARE = 2.5
"""An index may be so many times the size that its rows come to; more is bloat."""
LEAST_INDEX_BYTES = 64 * 1024 * 1024
_PAGE = 8_192
_PAGE_ROOM = 8_152
_NODE_BYTES = 400  # of an HNSW element beside its numbers: headers, and 32 links in the lowest layer
_HASH_ENTRY_BYTES = 60  # of a B-tree entry with a hash of 32 bytes, pages two thirds full
_KEY_ENTRY_BYTES = 36


@dataclass(frozen=True, slots=True)
class Bloat:
    """A table with too many dead rows, or an index that is too large for its rows.

    Attributes:
        name: of the table or the index.
        index: is it one?
        what: in words.
    """

    name: str
    index: bool
    what: str


class PgVectorUpkeep:
    """Of the tables `<schema>.<prefix>_documents`, `_chunks`, `_lexical` and `_terms`.

    Args:
        connection: in autocommit mode; not in a transaction.
        hnsw: with what memory and workers the vectors' index is built anew; as measured, if None.
    """

    def __init__(
        self,
        connection: Connection[Any],
        *,
        schema: str,
        prefix: str,
        dimension: int,
        hnsw: HnswBuild | None = None,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._prefix = prefix
        self._dimension = dimension
        self._hnsw = PgVectorHnsw(connection, schema=schema, prefix=prefix, dimension=dimension, how=hnsw)

    def refresh(self) -> None:
        """After a large change has the tables counted; sees that autovacuum comes in time.

        A table that somebody is vacuuming is left alone: an autovacuum that stands in ANALYZE's way is broken
        off by the server, and of ingests in quick succession each would break off the one before its end.
        It counts the table's rows itself, and ANALYZE follows it.
        """
        self._connection.execute("SELECT pg_stat_force_next_flush()")
        for name, options, changed, live, counted, taken in self._rows(
            """
            SELECT c.relname, coalesce(c.reloptions, '{}'), s.n_mod_since_analyze, s.n_live_tup,
                   coalesce(s.last_analyze, s.last_autoanalyze) IS NOT NULL,
                   EXISTS (SELECT FROM pg_locks l
                           WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.granted
                             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                             AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid())
            FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid
            WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = ANY(%s)
            """
        ):
            if taken:
                continue
            self._set_options(name, options)
            if changed > _CHANGED_SHARE * live or not counted:
                self._run("ANALYZE {table}", name)

    def _set_options(self, name: str, options: list[str]) -> None:
        from psycopg import sql

        given = {option.split("=")[0] for option in options}
        wanted = {**AUTOVACUUM, **(TERMS if name == f"{self._prefix}_terms" else {})}
        lacking = {key: value for key, value in wanted.items() if key not in given}
        if lacking:
            values = sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(key), sql.Literal(value))
                for key, value in lacking.items()
            )
            self._run("ALTER TABLE {table} SET ({values})", name, values=values)

    def bloat(self) -> list[Bloat]:
        """What would be worth a VACUUM, or to be built anew. By the server's statistics; nothing is read."""
        return [*self._dead_rows(), *self._large_indexes()]

    def _dead_rows(self) -> Iterator[Bloat]:
        for name, dead, live in self._rows(
            """
            SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_all_tables
            WHERE relid IN (SELECT oid FROM pg_class
                            WHERE relnamespace = to_regnamespace(%s) AND relname = ANY(%s))
            ORDER BY relname
            """
        ):
            if dead >= LEAST_DEAD_ROWS and dead > MOST_DEAD_SHARE * (live + dead):
                yield Bloat(name, False, f"{dead:,} of {live + dead:,} rows of {name} are dead")

    def _large_indexes(self) -> Iterator[Bloat]:
        sizes = self._rows(
            """
            SELECT i.relname, pg_relation_size(i.oid), greatest(t.reltuples, 0)::bigint, a.amname
            FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
            JOIN pg_am a ON a.oid = i.relam
            WHERE t.relnamespace = to_regnamespace(%s) AND t.relname = ANY(%s) AND x.indisvalid
            ORDER BY i.relname
            """
        )
        for name, size, rows, method in sizes:
            entry = self._entry_bytes(name, method)
            if entry and size >= LEAST_INDEX_BYTES and size > MOST_INDEX_SHARE * rows * entry:
                yield Bloat(
                    name,
                    True,
                    f"the index {name} takes {size / 1e6:,.0f} MB, its {rows:,} rows come to some "
                    f"{rows * entry / 1e6:,.0f} MB",
                )

    def _entry_bytes(self, name: str, method: str) -> float | None:
        """Bytes on disk that a row comes to; None of an index whose entries differ too much to say."""
        if method == "hnsw":
            element = 2 * self._dimension + _NODE_BYTES
            return _PAGE / max(_PAGE_ROOM // element, 1)
        if name == f"{self._prefix}_inputs":
            return _HASH_ENTRY_BYTES
        keys = (f"{self._prefix}_chunks_pkey", f"{self._prefix}_lexical_pkey")
        return _KEY_ENTRY_BYTES if name in keys else None

    def clean(self, found: Bloat) -> str:
        """Clears the dead rows of a table away, or builds an index anew; others read and write meanwhile.

        Before chunks are cleared their vectors' index is built anew. To take many elements out of a graph,
        VACUUM links every one anew that led to them, slower than a build does it.

        Returns:
            What was done, in words.
        """
        if found.index:
            # Not a second time after its table.
            if found.name != self._vectors or any(one.name == found.name for one in self._large_indexes()):
                self._rebuild(found.name)
            return "it was built anew"
        rebuilt = found.name == self._chunks and self._rebuild(self._vectors)
        self._run("VACUUM (ANALYZE) {table}", found.name)
        return f"it was vacuumed{', the vector index built anew' if rebuilt else ''}"

    def _rebuild(self, name: str) -> bool:
        self._drop_half_built(name)
        if name == self._vectors:
            try:
                return self._hnsw.rebuild()
            finally:  # it may have taken several attempts
                if not self._connection.closed:
                    self._drop_half_built(name)
        self._run("REINDEX INDEX CONCURRENTLY {table}", name)
        return True

    @property
    def _chunks(self) -> str:
        return f"{self._prefix}_chunks"

    @property
    def _vectors(self) -> str:
        return f"{self._prefix}_hnsw"

    def _drop_half_built(self, name: str) -> None:
        """What a REINDEX left that was killed. Every write would keep it up."""
        left = self._connection.execute(
            """
            SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE i.relnamespace = to_regnamespace(%s) AND NOT x.indisvalid
              AND starts_with(i.relname, left(%s, 57) || '_cc')
            """,
            (self._quoted_schema(), name),
        ).fetchall()
        for (half_built,) in left:
            self._run("DROP INDEX CONCURRENTLY IF EXISTS {table}", half_built)

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        names = [f"{self._prefix}_{kind}" for kind in KINDS]
        return self._connection.execute(statement, (self._quoted_schema(), names)).fetchall()

    def _quoted_schema(self) -> str:
        from psycopg import sql

        return sql.Identifier(self._schema).as_string(self._connection)

    def _run(self, statement: str, name: str, **parts: Any) -> None:
        from psycopg import sql

        table = sql.Identifier(self._schema, name)
        self._connection.execute(sql.SQL(statement).format(table=table, **parts))
