"""Search by vectors: exact, or by way of the HNSW index where a generation has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.conditions import Condition
from ragctl.stores.pgvector_filter import DocumentFilter, count_kept, document_filter, unformatted
from ragctl.stores.pgvector_hnsw import PgVectorHnsw
from ragctl.stores.pgvector_rows import hit_of
from ragctl.types import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection, sql

    Vectors = NDArray[np.float32]
    Row = tuple[Any, ...]

EF_SEARCH = 800
"""Candidates that a search of the index keeps in hand, at the least.

Where vectors lie in tight groups, as versions of the same documents make them, a search may come to the wrong
group and miss all: of 100,000 in groups of 33, recall@10 was .89 with 100 candidates, .96 with 400 and .99
with 800 and with 1,000, at 2, 4, 6 and 7 ms (docs/dense-search.md, make bench-search-sizes).
"""

MOST_EF_SEARCH = 1_000
"""pgvector's limit; a search for more goes on where the first pass ended."""

MOST_SCANNED = 5_000
"""Chunks that the index brings for a filter before all that the filter keeps are scanned instead.

Each takes some 10 microseconds, ten times what it takes to scan one (docs/dense-search.md). Few searches come
so far: where the filter keeps less than `PgVectorHnsw.index_from` chunks, the index is not asked at all.
"""

_FOUND = """
    SELECT c.embedding <=> %(vector)s AS distance, d.source, d.path, d.uri, d.title, d.metadata,
           c.span_start, c.span_end, c.text, c.headings, c.line, c.page, c.sheet
    FROM ({candidates}) c JOIN {documents} d ON d.id = c.document
    ORDER BY distance, d.source, d.path, c.ordinal LIMIT {count}
"""

_ALL = "SELECT * FROM {chunks}"

# Sorts rows without their texts, and all that are as near as the last of k.
_SCANNED = """
    SELECT c.* FROM (
        SELECT document, ordinal FROM {chunks} WHERE {kept}
        ORDER BY embedding <=> %(vector)s FETCH FIRST {count} ROWS WITH TIES
    ) n JOIN {chunks} c USING (document, ordinal)
"""

_INDEXED = """
    SELECT * FROM {chunks}
    ORDER BY embedding::halfvec({dimension}) <=> %(vector)s::vector::halfvec({dimension}) LIMIT {count}
"""

# Counted here, for pgvector's own limits do not end a search: past them it goes on with what lay by the way,
# which may be anywhere.
_INDEXED_AND_KEPT = """
    SELECT * FROM (
        SELECT * FROM {chunks}
        ORDER BY embedding::halfvec({dimension}) <=> %(vector)s::vector::halfvec({dimension}) LIMIT {most}
    ) f WHERE {kept} LIMIT {count}
"""
_BEYOND_ANY_SEARCH = {"hnsw.max_scan_tuples": "2147483647", "hnsw.scan_mem_multiplier": "1000"}


class PgVectorDenseSearch:
    """Searches of a generation's vectors.

    Whether there is an index is looked up once, for the first search.

    Args:
        connection: in autocommit mode; `search` needs pgvector's types registered.
        index: of the same generation.
        schema, prefix: as the store's.
        ef_search: candidates that a search of the index keeps in hand, at the least.
    """

    def __init__(
        self,
        connection: Connection[Any],
        index: PgVectorHnsw,
        *,
        schema: str,
        prefix: str,
        ef_search: int | None = None,
    ) -> None:
        self._connection = connection
        self._ef_search = EF_SEARCH if ef_search is None else ef_search
        self._index = index
        self._tables = {kind: (schema, f"{prefix}_{kind}") for kind in ("documents", "chunks")}
        self._indexed: bool | None = None

    def forget(self) -> None:
        """Looks the index up again for the next search."""
        self._indexed = None

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        """See `PgVectorStore.search`."""
        if self._indexed is None:
            self._indexed = self._index.usable()
        if where:
            return self._search_kept(vectors, k, document_filter(where, self._tables["documents"]))
        if not self._indexed:
            return [_hits(self._scan(vector, k)) for vector in vectors]
        return self._search_index(vectors, k, lambda vector: self._scan(vector, k))

    def _search_kept(self, vectors: Vectors, k: int, kept: DocumentFilter) -> list[list[Hit]]:
        """With a filter: by the index only where it keeps so many chunks that one would be built for them.

        Fewer are scanned as fast as the index leads to k of them, and exactly.
        """

        def scan(vector: Vectors) -> list[Row]:
            statement = self.statement(_SCANNED, k, kept.documents_first())
            return self._rows(statement, vector, kept.parameters)

        if not self._indexed or self._keeps_few(kept):
            return [_hits(scan(vector)) for vector in vectors]
        return self._search_index(vectors, k, scan, kept)

    def _keeps_few(self, kept: DocumentFilter) -> bool:
        enough = self._index.index_from
        return count_kept(self._connection, kept, self._tables["chunks"], at_most=enough - 1) < enough

    def _search_index(
        self,
        vectors: Vectors,
        k: int,
        scan: Callable[[Vectors], list[Row]],
        kept: DocumentFilter | None = None,
    ) -> list[list[Hit]]:
        with self._index_settings(k, filtered=kept is not None):
            found = [self._look_up(vector, k, kept) for vector in vectors]
        return [
            _hits(scan(vector) if rows is None else rows) for vector, rows in zip(vectors, found, strict=True)
        ]

    def _scan(self, vector: Vectors, k: int) -> list[Row]:
        """The k nearest of all, exactly."""
        rows = self._rows(self.statement(_SCANNED, k), vector)
        if len(rows) < k:  # there are no more; or some have lost their document, and the next best is due
            rows = self._rows(self.statement(_ALL, k), vector)
        return rows

    def _look_up(self, vector: Vectors, k: int, kept: DocumentFilter | None = None) -> list[Row] | None:
        """The k nearest that the index leads to, put in order by the vectors themselves.

        None if all have to be looked at.
        """
        wanted = _wanted(k)
        if kept is None:
            rows = self._rows(self.statement(_INDEXED, wanted), vector)
        else:
            statement = self.statement(_INDEXED_AND_KEPT, wanted, kept.chunks_first())
            rows = self._rows(statement, vector, kept.parameters)
        # A graph need not lead to every vector, and leads to none without a direction. Where all that are
        # left over are as near as the last of k, as copies of one text are, there may be more of them.
        if len(rows) < k or (len(rows) == wanted and rows[-1][0] == rows[k - 1][0]):
            return None
        return rows[:k]

    @contextmanager
    def _index_settings(self, k: int, *, filtered: bool = False) -> Iterator[None]:
        """pgvector's settings for searches of the index, for this transaction.

        What iteration brings out of order is put in order afterwards, so the relaxed order misses less
        than the strict one, which leaves it out. The planner overrates what a search of the index costs.
        """
        width = min(max(self._ef_search, _wanted(k)), MOST_EF_SEARCH)
        with self._connection.transaction():
            self._connection.execute(
                "SELECT set_config('hnsw.ef_search', %s, true), "
                "set_config('hnsw.iterative_scan', 'relaxed_order', true), "
                "set_config('enable_seqscan', 'off', true)",
                (str(width),),
            )
            for name, value in _BEYOND_ANY_SEARCH.items() if filtered else ():
                self._connection.execute("SELECT set_config(%s, %s, true)", (name, value))
            yield

    def _rows(
        self, statement: sql.Composed, vector: Vectors, parameters: Mapping[str, object] | None = None
    ) -> list[Row]:
        given = {"vector": vector, **(parameters or {})}
        return self._connection.execute(statement, given, binary=True).fetchall()

    def statement(self, candidates: str, count: int, kept: sql.Composable | None = None) -> sql.Composed:
        """A search with a parameter `vector`, and those of a filter.

        The count is written out for the planner to see.
        """
        from psycopg import sql

        values: Mapping[str, sql.Composable] = {
            **{kind: unformatted(name) for kind, name in self._tables.items()},
            "dimension": sql.Literal(self._index.dimension),
            "count": sql.Literal(count),
            "most": sql.Literal(MOST_SCANNED),
            "kept": kept or sql.SQL("true"),
        }
        return sql.SQL(_FOUND).format(**values, candidates=sql.SQL(candidates).format(**values))


def _wanted(k: int) -> int:
    """Candidates for k hits: some more, because rounding may change the order of neighbours."""
    return k + max(10, k // 10)


def _hits(rows: list[Row]) -> list[Hit]:
    return [hit_of(number, row) for number, row in enumerate(rows, start=1)]
