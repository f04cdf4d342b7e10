"""SQL read and written by sqlglot, with every function call kept as it was written.

sqlglot's own dialects turn function calls into nodes of its own and those back into calls, which may be other
ones. Here only what has a syntax of its own (CAST, EXTRACT ...) is read so; of all others the name that is
checked is the name that is run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ragctl.errors import MissingPackage
from ragctl.sql.types import Dialect, StatementFailed

try:
    import sqlglot
    from sqlglot import exp as exp
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.dialects.sqlite import SQLite
    from sqlglot.errors import SqlglotError
    from sqlglot.generators.postgres import PostgresGenerator
    from sqlglot.generators.sqlite import SQLiteGenerator
    from sqlglot.parsers.postgres import PostgresParser
    from sqlglot.parsers.sqlite import SQLiteParser
except ModuleNotFoundError as error:
    raise MissingPackage(
        "the SQL assistant needs the package sqlglot", hint="pip install 'ragctl[sql]'"
    ) from error

LONGEST_STATEMENT = 20_000
"""Characters."""
DEEPEST_NESTING = 25
"""Parentheses and brackets within one another; the parser takes some twenty frames of the stack for each."""

# It reports statements that it does not know; they are refused here by name.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_WITH_SYNTAX = ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM")


def _only(parsers: Mapping[str, Callable[..., Any]], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: parsers[name] for name in names}


class _PostgresParser(PostgresParser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS = _only(PostgresParser.FUNCTION_PARSERS, _WITH_SYNTAX)


class _PostgresGenerator(PostgresGenerator):
    # Without it, STRING_AGG(DISTINCT x, ',') comes out as another statement.
    MULTI_ARG_DISTINCT = True


class RagctlPostgres(Postgres):
    """PostgreSQL, with functions as they are written."""

    Parser = _PostgresParser
    Generator = _PostgresGenerator


class _SqliteParser(SQLiteParser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS = _only(SQLiteParser.FUNCTION_PARSERS, ("CAST",))


class _SqliteGenerator(SQLiteGenerator):
    MULTI_ARG_DISTINCT = True


class RagctlSqlite(SQLite):
    """SQLite, with functions as they are written."""

    Parser = _SqliteParser
    Generator = _SqliteGenerator


_DIALECTS: Mapping[Dialect, type[Postgres | SQLite]] = {"postgres": RagctlPostgres, "sqlite": RagctlSqlite}


def parse(text: str, dialect: Dialect) -> list[exp.Expr]:
    """The statements of a text; a lone semicolon is none.

    Raises:
        StatementFailed: it is no SQL, too long or nested too deeply.
    """
    _refuse_extremes(text)
    try:
        found = sqlglot.parse(text, dialect=_DIALECTS[dialect])
    except (SqlglotError, RecursionError) as error:
        message = str(error).partition("\n")[0].rstrip(".")
        raise StatementFailed("parse", f"it cannot be read as SQL: {message}") from error
    return [one for one in found if one is not None and not isinstance(one, exp.Semicolon)]


def render(tree: exp.Expr, dialect: Dialect, *, pretty: bool = False) -> str:
    """SQL of a tree, without comments.

    Raises:
        StatementFailed: it has no form in that dialect.
    """
    try:
        return tree.sql(
            dialect=_DIALECTS[dialect], comments=False, pretty=pretty, unsupported_level=_REFUSE_UNSUPPORTED
        )
    except (SqlglotError, RecursionError) as error:
        raise StatementFailed("parse", f"it cannot be written as {dialect}'s SQL: {error}") from error


_REFUSE_UNSUPPORTED = sqlglot.ErrorLevel.RAISE


def _refuse_extremes(text: str) -> None:
    if len(text) > LONGEST_STATEMENT:
        raise StatementFailed("refused", f"it is longer than {LONGEST_STATEMENT} characters")
    if any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text):
        raise StatementFailed("refused", "it holds a null character or half a surrogate pair")
    depth = deepest = 0
    for one in text:
        depth += (one in "([{") - (one in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST_NESTING:
        raise StatementFailed("refused", f"it is nested more than {DEEPEST_NESTING} deep")
