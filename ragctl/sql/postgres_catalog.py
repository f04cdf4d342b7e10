"""The schema of a PostgreSQL database, from its catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragctl.sql.schema_options import (
    MOST_COUNTED,
    SAMPLED_ROWS,
    SchemaOptions,
    assembled,
    comment_text,
    sample_texts,
)
from ragctl.sql.types import Column, ForeignKey, Schema, Table

if TYPE_CHECKING:
    from psycopg import Connection

_TABLES = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::bigint,
       pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind::text = ANY(%(kinds)s) AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (%(schemas)s::text[] = '{}' OR n.nspname::text = ANY(%(schemas)s))
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND (pg_catalog.has_table_privilege(c.oid, 'SELECT')
       OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY pg_catalog.array_position(%(schemas)s::text[], n.nspname::text), n.nspname <> 'public', 2, 3
"""
_COLUMNS = """
SELECT a.attrelid::bigint, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_catalog.col_description(a.attrelid, a.attnum),
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = a.atttypid
             ORDER BY e.enumsortorder LIMIT 30),
       t.typcategory::text
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid::bigint = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT k.conrelid::bigint, k.contype::text, k.confrelid::bigint,
  ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(n, i)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i),
  ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(n, i)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i)
FROM pg_catalog.pg_constraint k
WHERE k.conrelid::bigint = ANY(%s) AND k.contype IN ('p', 'u', 'f') AND k.conparentid = 0
ORDER BY k.conrelid, k.conname
"""
_VIEWS = ("v", "m")


def read_schema(connection: Connection[Any], options: SchemaOptions) -> Schema:
    """Tables and views that the role may read, with their columns and keys."""
    kinds = ["r", "p", "v", "m", *(["f"] if options.foreign_tables else [])]
    parameters = {"kinds": kinds, "schemas": list(options.schemas)}
    found = [
        row for row in connection.execute(_TABLES, parameters).fetchall() if options.takes(row[1], row[2])
    ]
    oids = [row[0] for row in found]
    names = {row[0]: f"{row[1]}.{row[2]}" for row in found}
    columns, keys = _columns(connection, oids), _keys(connection, oids)
    tables = [_table(connection, row, columns[row[0]], keys[row[0]], names, options) for row in found]
    return assembled("postgres", [one for one in tables if one.columns])


def _columns(connection: Connection[Any], oids: list[int]) -> dict[int, list[Sequence[Any]]]:
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for oid, *rest in connection.execute(_COLUMNS, (oids,)).fetchall():
        found[oid].append(rest)
    return found


def _keys(connection: Connection[Any], oids: list[int]) -> dict[int, list[Sequence[Any]]]:
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for oid, *rest in connection.execute(_KEYS, (oids,)).fetchall():
        found[oid].append(rest)
    return found


def _table(
    connection: Connection[Any],
    row: Sequence[Any],
    columns: list[Sequence[Any]],
    keys: list[Sequence[Any]],
    names: dict[int, str],
    options: SchemaOptions,
) -> Table:
    _, schema, name, kind, estimate, comment = row
    rows, estimated = (None, False) if kind in _VIEWS else _rows(connection, schema, name, estimate)
    made = []
    for column, type_, nullable, told, labels, category in columns:
        sensitive = options.is_sensitive(schema, name, column)
        sampled = options.samples and not sensitive and category == "S" and kind not in _VIEWS
        samples = _samples(connection, schema, name, column, options.samples) if sampled else ()
        made.append(Column(column, type_, nullable, comment_text(told), tuple(labels), samples, sensitive))
    return Table(
        schema,
        name,
        "view" if kind in _VIEWS else "table",
        tuple(made),
        primary_key=next((tuple(one[2]) for one in keys if one[0] == "p"), ()),
        unique=tuple(tuple(one[2]) for one in keys if one[0] == "u"),
        foreign_keys=tuple(
            ForeignKey(tuple(one[2]), names[one[1]], tuple(one[3]))
            for one in keys
            if one[0] == "f" and one[1] in names
        ),
        comment=comment_text(comment),
        rows=rows,
        rows_estimated=estimated,
    )


def _rows(connection: Connection[Any], schema: str, name: str, estimate: int) -> tuple[int | None, bool]:
    """Counted where there are few; a table without an estimate and with many counts as that many."""
    if estimate > MOST_COUNTED:
        return estimate, True
    counted = _asked(
        connection,
        "SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {} LIMIT {}) AS part",
        (schema, name),
        MOST_COUNTED,
    )
    if not counted:
        return None, False
    return int(counted[0][0]), int(counted[0][0]) >= MOST_COUNTED


def _samples(connection: Connection[Any], schema: str, name: str, column: str, most: int) -> tuple[str, ...]:
    from psycopg import sql

    part = sql.SQL("SELECT DISTINCT {c} FROM (SELECT {c} FROM {t} LIMIT {n}) AS part WHERE {c} IS NOT NULL")
    query = part.format(c=sql.Identifier(column), t=sql.Identifier(schema, name), n=sql.Literal(SAMPLED_ROWS))
    rows = _guarded(connection, query + sql.SQL(" ORDER BY 1 LIMIT 50"))
    return sample_texts((row[0] for row in rows), most)


def _asked(connection: Connection[Any], text: str, table: tuple[str, str], number: int) -> list[Any]:
    from psycopg import sql

    query = sql.SQL(text).format(sql.Identifier(*table), sql.Literal(number))
    return _guarded(connection, query)


def _guarded(connection: Connection[Any], query: Any) -> list[Any]:
    """Its rows; none where it takes too long or may not be done, which spoils nothing else of the schema."""
    from psycopg import errors

    try:
        with connection.transaction():
            return connection.execute(query).fetchall()
    except (errors.QueryCanceled, errors.LockNotAvailable, errors.InsufficientPrivilege):
        return []
