"""What a store expects of its database: the extension, and tables that stay where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch, Unavailable

if TYPE_CHECKING:
    from psycopg import Connection


def make_extension(connection: Connection[Any]) -> None:
    """Makes the extension `vector` in the database, unless it is there, and makes its type known here.

    Raises:
        Unavailable: it is missing and cannot be made.
    """
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg.types import TypeInfo

    if TypeInfo.fetch(connection, "vector") is not None:
        return
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.errors.UndefinedFile) as error:
        raise Unavailable(
            f"the database has no type `vector` to use: {str(error).splitlines()[0]}",
            where="store",
            hint="install pgvector on the server, then let the database's owner run "
            "CREATE EXTENSION vector, in a schema on the search_path",
        ) from error


@contextmanager
def tables_expected() -> Iterator[None]:
    """Tables that are gone were dropped by another run, which replaced their generation, or by hand.

    Raises:
        Mismatch: in place of the database's error.
    """
    from psycopg.errors import UndefinedColumn, UndefinedTable

    try:
        yield
    except (UndefinedTable, UndefinedColumn) as error:
        raise Mismatch(
            f"the tables of the index are gone, or a part of them: {str(error).splitlines()[0]}",
            where="store",
            hint="run the command again; if they are still gone, `ragctl doctor SPEC` says more",
        ) from error
