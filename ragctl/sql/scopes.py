"""Which names of tables in a statement stand for its own WITH queries. Pure."""

from __future__ import annotations

from ragctl.sql.dialects import exp
from ragctl.sql.types import Dialect


def folded(identifier: exp.Expr | None, dialect: Dialect) -> str:
    """A name as the database compares it; "" for none."""
    if not isinstance(identifier, exp.Identifier):
        return ""
    as_written = str(identifier.this)
    exact = dialect == "postgres" and bool(identifier.args.get("quoted"))
    return as_written if exact else as_written.lower()


def names_with_query(table: exp.Table, dialect: Dialect) -> bool:
    """Does a table's name, which has no schema, stand for a query of a WITH around it?

    Where this and the database's own rule might differ the name is left without a schema, and then the
    database looks for it only where none of the user's tables are.
    """
    name = folded(table.this, dialect)
    came_from: exp.Expr = table
    inside: exp.CTE | None = None
    for node in _ancestors(table):
        if isinstance(node, exp.CTE):
            inside = node
        clause = node.args.get("with_")
        if isinstance(clause, exp.With):
            within = inside if came_from is clause else None
            if name in _visible(clause, within, dialect):
                return True
        came_from = node
    return False


def _ancestors(node: exp.Expr) -> list[exp.Expr]:
    found = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _visible(clause: exp.With, within: exp.CTE | None, dialect: Dialect) -> set[str]:
    """Names of the queries of a WITH that are seen after it, or from within one of them.

    PostgreSQL without RECURSIVE: only those before it. With it, and in SQLite always: all.
    """
    queries = list(clause.expressions)
    if within is not None and dialect == "postgres" and not clause.args.get("recursive"):
        queries = queries[: next(place for place, one in enumerate(queries) if one is within)]
    return {folded(one.args["alias"].this, dialect) for one in queries if one.args.get("alias")}
