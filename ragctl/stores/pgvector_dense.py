"""Search by vectors: exact, or by way of the HNSW index where a generation has one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
group and miss all: of 100,000 in groups of 33, recall@10 was .89 with 100 candidates, .96 with 400 and .99 with
800 and with 1,000, at 2, 4, 6 and 7 ms (docs/dense-search.md, make bench-search-sizes).
"""

MOST_EF_SEARCH = 1_000
"""pgvector's limit; a search for more goes on where the first pass ended."""

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
        SELECT document, ordinal FROM {chunks}
        ORDER BY embedding <=> %(vector)s FETCH FIRST {count} ROWS WITH TIES
    ) n JOIN {chunks} c USING (document, ordinal)
"""

_INDEXED = """
    SELECT * FROM {chunks}
    ORDER BY embedding::halfvec({dimension}) <=> %(vector)s::vector::halfvec({dimension}) LIMIT {count}
"""


class PgVectorDenseSearch:
    """Searches of a generation's vectors.

    Whether there is an index is looked up once, for the first search.

    Args:
        connection: in autocommit mode; `search` needs pgvector's types registered.
        index: of the same generation.
        schema, prefix: as the store's.
    """

    def __init__(self, connection: Connection[Any], index: PgVectorHnsw, *, schema: str, prefix: str) -> None:
        self._connection = connection
        self._index = index
        self._tables = {kind: (schema, f"{prefix}_{kind}") for kind in ("documents", "chunks")}
        self._indexed: bool | None = None

    def forget(self) -> None:
        """Looks the index up again for the next search."""
        self._indexed = None

    def search(self, vectors: Vectors, *, k: int) -> list[list[Hit]]:
        """See `PgVectorStore.search`."""
        if self._indexed is None:
            self._indexed = self._index.usable()
        if not self._indexed:
            return [_hits(self._scan(vector, k)) for vector in vectors]
        with self._index_settings(k):
            found = [self._look_up(vector, k) for vector in vectors]
        return [
            _hits(self._scan(vector, k) if rows is None else rows)
            for vector, rows in zip(vectors, found, strict=True)
        ]

    def _scan(self, vector: Vectors, k: int) -> list[Row]:
        """The k nearest of all, exactly."""
        rows = self._rows(self.statement(_SCANNED, k), vector)
        if len(rows) < k:  # there are no more; or some have lost their document, and the next best is due
            rows = self._rows(self.statement(_ALL, k), vector)
        return rows

    def _look_up(self, vector: Vectors, k: int) -> list[Row] | None:
        """The k nearest that the index leads to, put in order by the vectors themselves.

        None if all have to be looked at.
        """
        wanted = _wanted(k)
        rows = self._rows(self.statement(_INDEXED, wanted), vector)
        # A graph need not lead to every vector, and leads to none without a direction. Where all that are
        # left over are as near as the last of k, as copies of one text are, there may be more of them.
        if len(rows) < k or (len(rows) == wanted and rows[-1][0] == rows[k - 1][0]):
            return None
        return rows[:k]

    @contextmanager
    def _index_settings(self, k: int) -> Iterator[None]:
        """pgvector's settings for searches of the index, for this transaction.

        What iteration brings out of order is put in order afterwards, so the relaxed order misses less
        than the strict one, which leaves it out. The planner overrates what a search of the index costs.
        """
        width = min(max(EF_SEARCH, _wanted(k)), MOST_EF_SEARCH)
        with self._connection.transaction():
            self._connection.execute(
                "SELECT set_config('hnsw.ef_search', %s, true), "
                "set_config('hnsw.iterative_scan', 'relaxed_order', true), "
                "set_config('enable_seqscan', 'off', true)",
                (str(width),),
            )
            yield

    def _rows(self, statement: sql.Composed, vector: Vectors) -> list[Row]:
        return self._connection.execute(statement, {"vector": vector}, binary=True).fetchall()

    def statement(self, candidates: str, count: int) -> sql.Composed:
        """A search with one parameter, `vector`. The count is written out for the planner to see."""
        from psycopg import sql

        # Beside a placeholder, psycopg reads %% as a percent sign.
        names = {
            kind: sql.Identifier(*(part.replace("%", "%%") for part in name))
            for kind, name in self._tables.items()
        }
        values: Mapping[str, sql.Composable] = {
            **names,
            "dimension": sql.Literal(self._index.dimension),
            "count": sql.Literal(count),
        }
        return sql.SQL(_FOUND).format(**values, candidates=sql.SQL(candidates).format(**values))


def _wanted(k: int) -> int:
    """Candidates for k hits: some more, because rounding may change the order of neighbours."""
    return k + max(10, k // 10)


def _hits(rows: list[Row]) -> list[Hit]:
    return [hit_of(number, row) for number, row in enumerate(rows, start=1)]
