"""The schema of an SQLite database, from its pragmas."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ragctl.sql.schema_options import MOST_COUNTED, SAMPLED_ROWS, SchemaOptions, assembled, sample_texts
from ragctl.sql.types import Column, ForeignKey, Schema, Table

_TABLES = (
    "SELECT name, type FROM main.sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
)
_TEXT = ("CHAR", "CLOB", "TEXT")
"""What a declared type has in it if SQLite takes its values for text."""
_HIDDEN = 1
"""In table_xinfo: a virtual table's hidden column; generated ones have 2 and 3 and are as others."""


def read_schema(connection: sqlite3.Connection, options: SchemaOptions) -> Schema:
    """Tables and views, with their columns and keys; all are in schema `main`."""
    found = [
        (str(name), str(kind))
        for name, kind in connection.execute(_TABLES).fetchall()
        if options.takes("main", str(name))
    ]
    names = {name.lower(): name for name, _ in found}
    return assembled("sqlite", [_table(connection, name, kind, names, options) for name, kind in found])


def _table(
    connection: sqlite3.Connection, name: str, kind: str, names: dict[str, str], options: SchemaOptions
) -> Table:
    info = [row for row in _pragma(connection, "table_xinfo", name) if row[6] != _HIDDEN]
    is_view = kind == "view"
    rows = None if is_view else _counted(connection, name)
    return Table(
        "main",
        name,
        "view" if is_view else "table",
        tuple(_column(connection, name, row, options, sampled=not is_view) for row in info),
        primary_key=tuple(str(row[1]) for row in sorted(info, key=lambda row: int(row[5])) if row[5]),
        unique=_unique(connection, name),
        foreign_keys=_foreign_keys(connection, name, names),
        rows=rows,
        rows_estimated=rows is not None and rows >= MOST_COUNTED,
    )


def _column(
    connection: sqlite3.Connection, table: str, row: Sequence[Any], options: SchemaOptions, *, sampled: bool
) -> Column:
    name, type_ = str(row[1]), str(row[2] or "")
    sensitive = options.is_sensitive("main", table, name)
    wanted = sampled and options.samples and not sensitive and any(one in type_.upper() for one in _TEXT)
    samples = _samples(connection, table, name, options.samples) if wanted else ()
    return Column(name, type_ or "ANY", not row[3], samples=samples, sensitive=sensitive)


def _unique(connection: sqlite3.Connection, table: str) -> tuple[tuple[str, ...], ...]:
    found = []
    for _, index, unique, origin, partial, *_ in _pragma(connection, "index_list", table):
        if unique and origin in ("u", "c") and not partial:
            names = [row[2] for row in _pragma(connection, "index_info", str(index))]
            if all(names):  # an index on an expression has no names
                found.append(tuple(str(one) for one in names))
    return tuple(sorted(found))


def _foreign_keys(
    connection: sqlite3.Connection, table: str, names: dict[str, str]
) -> tuple[ForeignKey, ...]:
    by_number: dict[int, list[Sequence[Any]]] = {}
    for row in _pragma(connection, "foreign_key_list", table):
        by_number.setdefault(int(row[0]), []).append(row)
    found = []
    for rows in by_number.values():
        referred = names.get(str(rows[0][2]).lower())
        if referred is not None:
            # Without columns, the other table's primary key is meant.
            there = tuple(str(row[4]) for row in rows if row[4]) or _primary_key(connection, referred)
            found.append(ForeignKey(tuple(str(row[3]) for row in rows), f"main.{referred}", there))
    return tuple(sorted(found, key=lambda key: key.columns))


def _primary_key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    info = _pragma(connection, "table_xinfo", table)
    return tuple(str(row[1]) for row in sorted(info, key=lambda row: int(row[5])) if row[5])


def _counted(connection: sqlite3.Connection, table: str) -> int:
    query = f"SELECT count(*) FROM (SELECT 1 FROM main.{quoted(table)} LIMIT {MOST_COUNTED})"
    return int(connection.execute(query).fetchone()[0])


def _samples(connection: sqlite3.Connection, table: str, column: str, most: int) -> tuple[str, ...]:
    query = (
        f"SELECT DISTINCT c FROM (SELECT {quoted(column)} AS c FROM main.{quoted(table)}"
        f" LIMIT {SAMPLED_ROWS}) WHERE c IS NOT NULL AND typeof(c) = 'text' ORDER BY 1 LIMIT 50"
    )
    return sample_texts((row[0] for row in connection.execute(query).fetchall()), most)


def _pragma(connection: sqlite3.Connection, name: str, argument: str) -> list[Sequence[Any]]:
    return connection.execute(f"PRAGMA main.{name}({quoted(argument)})").fetchall()


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
