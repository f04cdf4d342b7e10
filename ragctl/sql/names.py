"""Names of tables and columns that a statement gives, looked up in the schema. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

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
    known |= {one.name.lower() for one in tables} | set(_given(tree)) | _GIVEN_BY_THE_DATABASE
    for node in tree.find_all(exp.Column):
        name = str(node.this.name)
        if not name or isinstance(node.this, exp.Star) or name.lower() in known:
            continue
        hint = _alike(name, offered)
        if dialect == "sqlite" and node.this.args.get("quoted"):
            hint += "; texts stand in single quotation marks"
        raise StatementFailed("unknown_name", f"there is no column {name} in the tables that are read{hint}")


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
