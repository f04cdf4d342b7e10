"""What a store expects of its database: the extension, and tables that stay where they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch, Unavailable

if TYPE_CHECKING:
    from psycopg import Connection


LEAST_VERSION = (0, 8)
"""Of pgvector: half-precision vectors came with 0.7, searches of the index that go on with 0.8."""
_LOCK_KEY = 0x7261_6763_6578  # "ragcex": two that make the extension at once would get in each other's way


def make_extension(connection: Connection[Any]) -> None:
    """Makes the extension `vector` in the database, unless it is there, and makes its type known here.

    It goes into the schema `public` if there is one: whoever drops the index's schema would take other
    people's vectors along.

    Raises:
        Unavailable: it is missing and cannot be made, or is older than `LEAST_VERSION`.
    """
    import psycopg
    from pgvector.psycopg import register_vector
    from psycopg.types import TypeInfo

    if TypeInfo.fetch(connection, "vector") is not None:
        _refuse_old(connection)
        return
    public = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'public'").fetchone()
    place = " SCHEMA public" if public else ""
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS vector{place}")
        register_vector(connection)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.errors.UndefinedFile) as error:
        raise Unavailable(
            f"the database has no type `vector` to use: {str(error).splitlines()[0]}",
            where="store",
            hint="install pgvector on the server, then let the database's owner run "
            "CREATE EXTENSION vector, in a schema on the search_path",
        ) from error
    _refuse_old(connection)


def extension_version(connection: Connection[Any]) -> str | None:
    """As `0.8.1`; None if the database has no such extension."""
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    return row[0] if row else None


def is_old(version: str) -> bool:
    """Is it older than `LEAST_VERSION`?"""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < LEAST_VERSION


def _refuse_old(connection: Connection[Any]) -> None:
    version = extension_version(connection)
    if version is not None and is_old(version):
        needed = ".".join(map(str, LEAST_VERSION))
        raise Unavailable(
            f"the database has pgvector {version}, and ragctl needs {needed} or later",
            where="store",
            hint="install a later one on the server, then let the extension's owner run "
            "ALTER EXTENSION vector UPDATE",
        )


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
