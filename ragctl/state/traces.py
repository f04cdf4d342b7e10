"""Traces of an item in the state: under which names it is known, and which vectors were its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.state.schema import beside_placeholders
from ragctl.types import ItemKey

if TYPE_CHECKING:
    from psycopg import Connection, sql

ChunkTable = tuple[str, str]
"""(schema, name) of a table with a column `input_hash`."""


def known_names(connection: Connection[Any], index: str) -> dict[ItemKey, set[ItemKey]]:
    """(source, name) → the items that it may mean; a name is that of an item or of a document in one.

    From the ledgers of all generations, the kept texts, and the failures in the records of runs.
    """
    rows = connection.execute(
        """
        SELECT i.source, i.path, i.path FROM items i
            JOIN generations g ON g.id = i.generation WHERE g.index_name = %(index)s
        UNION SELECT d.source, d.path, d.item FROM documents d
            JOIN generations g ON g.id = d.generation WHERE g.index_name = %(index)s
        UNION SELECT source, path, path FROM texts WHERE index_name = %(index)s
        UNION SELECT f->>'source', f->>'document', f->>'document' FROM runs,
            jsonb_array_elements(record->'failures') f
            WHERE index_name = %(index)s AND jsonb_typeof(record->'failures') = 'array'
        """,
        {"index": index},
    )
    known: dict[ItemKey, set[ItemKey]] = {}
    for source, name, item in rows:
        known.setdefault((source, name), set()).add((source, item))
    return known


def forget_vectors(
    connection: Connection[Any], hashes: Collection[bytes], tables: Sequence[ChunkTable]
) -> int:
    """Removes cached vectors of these inputs, whatever embedder made them; returns how many went.

    Those that a chunk in one of `tables` has as well stay.
    """
    from psycopg import sql

    statement = sql.SQL("DELETE FROM vectors v WHERE v.hash = ANY(%s) AND {}").format(_unused(tables))
    return connection.execute(statement, (list(hashes),)).rowcount


def count_unused_vectors(connection: Connection[Any], tables: Sequence[ChunkTable]) -> int:
    """Cached vectors of inputs that no chunk in any of `tables` has."""
    from psycopg import sql

    statement = sql.SQL("SELECT count(*) FROM vectors v WHERE {}").format(_unused(tables))
    row = connection.execute(statement, ()).fetchone()
    return int(row[0]) if row else 0


def forget_unused_vectors(connection: Connection[Any], tables: Sequence[ChunkTable]) -> int:
    """Removes what `count_unused_vectors` counts; returns how many went."""
    from psycopg import sql

    statement = sql.SQL("DELETE FROM vectors v WHERE {}").format(_unused(tables))
    return connection.execute(statement, ()).rowcount


def _unused(tables: Sequence[ChunkTable]) -> sql.Composable:
    from psycopg import sql

    conditions = [
        sql.SQL("NOT EXISTS (SELECT 1 FROM {} c WHERE c.input_hash = v.hash)").format(
            beside_placeholders(table)
        )
        for table in tables
    ]
    return sql.SQL(" AND ").join([sql.SQL("true"), *conditions])
