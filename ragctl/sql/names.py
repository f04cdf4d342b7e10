"""Names of tables and columns that a statement gives, looked up in the schema. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from ragctl.sql.dialects import exp
from ragctl.sql.scopes import folded
from ragctl.sql.types import Dialect, Schema, StatementFailed, Table

_GIVEN_BY_THE_DATABASE = {"case", "value", "key", "ordinality", "rowid", "?column?"}
"""Names of columns that nothing in the statement says."""


def find_table(node: exp.Table, schema: Schema) -> Table:
    """The table that is meant; its name may differ in case if no other is meant so.

    Raises:
        StatementFailed: the schema has none of that name.
    """
    name, place = folded(node.this, schema.dialect), folded(node.args.get("db"), schema.dialect)
    for same in (_exactly, _but_for_case):
        fitting = [
            one
            for one in schema.tables
            if same(one.name, name) and (not place or same(one.schema, place)) and one.columns
        ]
        if fitting:
            return fitting[0]
    written = f"{place}.{name}" if place else name
    close = _alike(name, (one.name for one in schema.tables))
    raise StatementFailed("unknown_name", f"there is no table {written} that may be read{close}")


def _exactly(one: str, other: str) -> bool:
    return one == other


def _but_for_case(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def check_columns(tree: exp.Expr, tables: Sequence[Table], dialect: Dialect) -> None:
    """Every column is one of the tables', or a name that the statement itself gives.

    This keeps out the database's own columns and `row.function`, which PostgreSQL takes for a call; a column
    of the wrong table is left to the database.

    Raises:
        StatementFailed: one is not.
    """
    known = {column.name.lower() for one in tables for column in one.columns}
    offered = sorted({column.name for one in tables for column in one.columns})
    real = frozenset(known)
    known |= {one.name.lower() for one in tables} | set(_given(tree)) | _GIVEN_BY_THE_DATABASE
    of_calls = _names_of_calls(tree)
    for node in tree.find_all(exp.Column):
        name = str(node.this.name)
        if not name or isinstance(node.this, exp.Star):
            continue
        if name.lower() in known and not _may_be_a_call(node, of_calls, real):
            continue
        hint = _alike(name, offered)
        if dialect == "sqlite" and node.this.args.get("quoted"):
            hint += "; texts stand in single quotation marks"
        raise StatementFailed("unknown_name", f"there is no column {name} in the tables that are read{hint}")


def _may_be_a_call(node: exp.Column, of_calls: dict[str, set[str]], real: Collection[str]) -> bool:
    """Could PostgreSQL take `row.name` for `name(row)`, of a function that is not allowed?

    It does where the row has no such column. A row of a call in FROM is a number or a text, which nearly any
    function takes; of every other row only the database's own ones, whose names begin with `pg_`, are to be
    kept out.
    """
    name, row = str(node.this.name).lower(), str(node.table).lower()
    if not row:
        return False
    return (name.startswith("pg_") and name not in real) or (row in of_calls and name not in of_calls[row])


def _names_of_calls(tree: exp.Expr) -> dict[str, set[str]]:
    """Of each call in FROM the name that its rows have, and the names of columns that these have."""
    found: dict[str, set[str]] = {}
    for node in tree.find_all(exp.Table, exp.Unnest, exp.Lateral):
        if isinstance(node.this, exp.Identifier | exp.Query):
            continue
        called = str(node.this.this).lower() if isinstance(node.this, exp.Anonymous) else "unnest"
        alias = node.args.get("alias")
        given = {called} | _GIVEN_BY_THE_DATABASE
        if isinstance(alias, exp.TableAlias):
            given |= {alias.name.lower(), *(str(one.name).lower() for one in alias.args.get("columns") or ())}
        row = node.alias.lower() or called
        found[row] = found[row] & given if row in found else given
    return found


def _given(tree: exp.Expr) -> Iterable[str]:
    """Aliases of tables, columns and windows, and names that a call or a cast gives to its column."""
    for node in tree.walk():
        if isinstance(node, exp.Alias):
            yield node.alias.lower()
        elif isinstance(node, exp.TableAlias):
            yield node.name.lower()
            yield from (str(one.name).lower() for one in node.args.get("columns") or ())
        elif isinstance(node, exp.Anonymous):
            yield str(node.this).lower()
        elif isinstance(node, exp.DataType):
            yield str(node.this.value).lower()
            yield from _POSTGRES_NAMES.get(str(node.this.value).lower(), ())
        elif isinstance(node, exp.Func):
            yield str(node.sql_name()).lower()


_POSTGRES_NAMES = {
    "int": ("int4", "integer"),
    "bigint": ("int8",),
    "smallint": ("int2",),
    "double": ("float8",),
    "float": ("float4", "float8"),
    "decimal": ("numeric",),
    "boolean": ("bool",),
}


def _alike(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), {one.lower() for one in names}, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
