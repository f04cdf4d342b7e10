"""The gate: a statement is read into a tree, every node of which must be on a list, and is written anew.

What is run is never the model's text but what this module writes from the checked tree, read once more and
found to be the same. Tables are those of the schema and get its name before theirs, so that no other can be
meant; functions are those of `allowed`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ragctl.sql.allowed import FUNCTIONS, NODES, RESERVED, TABLE_FUNCTIONS, TYPES
from ragctl.sql.dialects import exp, parse, render
from ragctl.sql.names import check_columns, find_table
from ragctl.sql.scopes import folded, names_with_query
from ragctl.sql.types import Dialect, Schema, StatementFailed, Table


@dataclass(frozen=True, slots=True)
class Passed:
    """A statement that may be run.

    Attributes:
        sql: written anew.
        tables: full names of those that it reads, sorted.
        sensitive: it may read a sensitive column.
        ordered: its outermost query has an ORDER BY.
    """

    sql: str
    tables: tuple[str, ...]
    sensitive: bool
    ordered: bool


def pass_gate(text: str, schema: Schema, *, functions: Collection[str] = ()) -> Passed:
    """The statement of a text, if it is one SELECT that can do nothing but read the schema's tables.

    Args:
        functions: names that may be called besides those of `allowed`, by the user's own decision.

    Raises:
        StatementFailed: it is not; the message says why in words that a model can act on.
    """
    tree = _checked(text, schema.dialect, functions)
    tables = _qualify(tree, schema)
    check_columns(tree, tables, schema.dialect)
    sql = render(tree, schema.dialect)
    again = _checked(sql, schema.dialect, functions)
    if render(again, schema.dialect) != sql:
        raise StatementFailed("refused", "it does not mean the same when it is written down once more")
    return Passed(
        sql,
        tuple(sorted({one.full_name for one in tables})),
        _reads_sensitive(tree, tables),
        tree.args.get("order") is not None,
    )


def _checked(text: str, dialect: Dialect, functions: Collection[str]) -> exp.Expr:
    statements = parse(text, dialect)
    if not statements:
        raise StatementFailed("parse", "there is no statement in it")
    if len(statements) > 1:
        raise StatementFailed("refused", f"it is {len(statements)} statements; write one SELECT")
    tree = statements[0]
    while isinstance(tree, exp.Subquery) and not tree.args.get("alias") and not _more_than_inner(tree):
        tree = tree.this
    if not isinstance(tree, exp.Select | exp.SetOperation):
        begins = re.search(r"[A-Za-z]+", render(tree, dialect))
        called = begins[0].upper() if begins else "this"
        raise StatementFailed(
            "refused", f"a statement that begins with {called} is not allowed; write one SELECT"
        )
    allowed = FUNCTIONS[dialect] | {name.lower() for name in functions}
    for node in tree.walk():
        _check_node(node, dialect, allowed)
    return tree


def _more_than_inner(tree: exp.Subquery) -> bool:
    return any(value for key, value in tree.args.items() if key != "this")


def _check_node(node: exp.Expr, dialect: Dialect, functions: Collection[str]) -> None:
    if type(node) not in NODES:
        raise StatementFailed("refused", f"{_called(node)} is not allowed; write one SELECT that only reads")
    if isinstance(node, exp.Anonymous):
        _check_function(node, functions)
    elif isinstance(node, exp.Table):
        _check_source(node, dialect, functions)
    elif isinstance(node, exp.CTE | exp.TableAlias):
        _check_given_name(node, dialect)
    elif isinstance(node, exp.DataType) and node.this not in TYPES:
        raise StatementFailed("refused", f"a cast to the type {node.sql()} is not allowed")


def _check_function(node: exp.Anonymous, functions: Collection[str]) -> None:
    name = node.this
    if not isinstance(name, str):
        raise StatementFailed("refused", "a function's name in quotation marks is not allowed")
    if name.lower() not in functions:
        raise StatementFailed("refused", f"the function {name.lower()} is not among those that are allowed")


def _check_source(node: exp.Table, dialect: Dialect, functions: Collection[str]) -> None:
    """What stands in FROM: a table by its name, or one of few functions."""
    if isinstance(node.this, exp.Anonymous):
        name = str(node.this.this).lower()
        own = name in functions and name not in FUNCTIONS[dialect]
        if name not in TABLE_FUNCTIONS[dialect] and not own:
            raise StatementFailed("refused", f"the function {name} may not stand in FROM")
    elif not isinstance(node.this, exp.Identifier):
        raise StatementFailed("refused", f"{_called(node.this)} may not stand in FROM")
    if node.args.get("catalog"):
        raise StatementFailed("refused", "a table of another database is not allowed")


def _check_given_name(node: exp.Expr, dialect: Dialect) -> None:
    alias = node.args.get("alias") if isinstance(node, exp.CTE) else node
    name = folded(alias.this, dialect) if isinstance(alias, exp.TableAlias) else ""
    if name.lower().startswith(RESERVED):
        raise StatementFailed("refused", f"the name {name} is the database's own; give another one")


def _qualify(tree: exp.Expr, schema: Schema) -> list[Table]:
    """Puts the schema's name before every table's; returns the tables."""
    found = []
    for node in list(tree.find_all(exp.Table)):
        if isinstance(node.this, exp.Anonymous):
            continue
        if not node.args.get("db") and names_with_query(node, schema.dialect):
            continue
        table = find_table(node, schema)
        found.append(table)
        written = folded(node.this, schema.dialect)
        if written != table.name and schema.dialect == "postgres" and not node.args.get("alias"):
            node.set("alias", exp.TableAlias(this=node.this.copy()))
        node.set("this", exp.to_identifier(table.name, quoted=True))
        node.set("db", exp.to_identifier(table.schema, quoted=True))
    return found


def _reads_sensitive(tree: exp.Expr, tables: list[Table]) -> bool:
    """Is a sensitive column named, or may a star or a whole row hold one? Rather yes than no."""
    hidden = {column.name.lower() for one in tables for column in one.columns if column.sensitive}
    if not hidden:
        return False
    rows = {one.name.lower() for one in tables} | set(_aliases(tree))
    named = {str(one.this.name).lower() for one in tree.find_all(exp.Column) if one.this.name}
    by_name = hidden & named or rows & named
    return bool(by_name or _star_outside_count(tree) or _natural(tree) or _renames(tree))


def _aliases(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Table):
        if node.alias:
            yield node.alias.lower()


def _star_outside_count(tree: exp.Expr) -> bool:
    return any(not isinstance(star.parent, exp.Anonymous) for star in tree.find_all(exp.Star))


def _renames(tree: exp.Expr) -> bool:
    """Are a table's or a join's columns given other names by their place, as in `customer AS c (a, b)`?"""
    return any(
        node.args.get("columns") and not _has_columns_of_its_own(node.parent)
        for node in tree.find_all(exp.TableAlias)
    )


def _has_columns_of_its_own(node: exp.Expr | None) -> bool:
    """A query, whose columns are named within it, or a call."""
    if isinstance(node, exp.Subquery | exp.Table):
        return isinstance(node.this, exp.Select | exp.SetOperation | exp.Anonymous)
    return isinstance(node, exp.CTE | exp.Unnest | exp.Lateral | exp.Values)


def _natural(tree: exp.Expr) -> bool:
    return any(join.args.get("method") == "NATURAL" for join in tree.find_all(exp.Join))


_NAMES = {
    "Command": "this kind of statement",
    "Into": "SELECT INTO",
    "Lock": "FOR UPDATE and its like",
    "Parameter": "a parameter",
    "Placeholder": "a parameter",
    "Dot": "a name with a schema before it, but for a table's,",
    "ByteString": "a text with backslash escapes (E'...')",
    "UnicodeString": "a text with escapes (U&'...')",
    "TableSample": "TABLESAMPLE",
    "ObjectIdentifier": "a cast to an object identifier",
    "Values": "VALUES alone",
    "Semicolon": "nothing but a semicolon",
}


def _called(node: exp.Expr) -> str:
    """A kind of node in the words of SQL."""
    name = type(node).__name__
    if isinstance(node, exp.Command):
        return str(node.this).upper()
    return _NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).upper()
