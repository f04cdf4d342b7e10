"""PostgreSQL and SQLite, read only: rows of a statement as they come, and one row by a value."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ragctl.errors import UsageError

if TYPE_CHECKING:
    from psycopg import Connection

BATCH_ROWS = 500
_STEPS = 10_000
"""Of SQLite's virtual machine between two looks at the clock."""


class DatabaseFailed(Exception):
    """It cannot be reached, or refuses a statement; the message says why, without any secret."""


class Database(Protocol):
    """A connection. Everything raises `DatabaseFailed`."""

    placeholder: str

    @property
    def uri(self) -> str:
        """What it is, for people: no user, no password."""
        ...

    def rows(self, statement: str) -> Iterator[dict[str, Any]]: ...

    def row(self, statement: str, value: Any) -> dict[str, Any] | None: ...

    def escaped(self, query: str) -> str:
        """The query as a part of a statement with a placeholder."""
        ...

    def close(self) -> None: ...


def database_of(
    source: str, *, dsn_env: str | None, path: Path | None, environment: Mapping[str, str], timeout: float
) -> Database:
    """The one that is named, connected to.

    Raises:
        UsageError: the environment variable is not set.
        DatabaseFailed: it cannot be reached.
    """
    if path is not None:
        return SqliteDatabase(path, timeout)
    dsn = environment.get(dsn_env or "", "")
    if not dsn:
        raise UsageError(
            f"source {source!r} needs the environment variable {dsn_env}, which is not set",
            hint=f"Set {dsn_env} to the database's connection string.",
        )
    return PostgresDatabase(dsn, timeout)


class PostgresDatabase:
    """One read-only transaction for a listing, through a cursor of the server; one each for a row."""

    placeholder = "%s"

    def __init__(self, dsn: str, timeout: float) -> None:
        import psycopg
        from psycopg.rows import dict_row

        self._rows = dict_row
        try:
            self._connection: Connection[Any] = psycopg.connect(
                dsn, connect_timeout=30, application_name="ragctl", autocommit=True
            )
        except psycopg.ProgrammingError:
            raise DatabaseFailed(
                "the connection string cannot be understood"
            ) from None  # it may hold a secret
        except psycopg.Error as error:
            raise DatabaseFailed(_first_line(error)) from None
        self._connection.read_only = True
        self._timeout = f"{max(1, int(timeout * 1000))}ms"

    @property
    def uri(self) -> str:
        from urllib.parse import quote

        info = self._connection.info
        return f"postgresql://{quote(info.host, safe='')}/{quote(info.dbname, safe='')}"

    def rows(self, statement: str) -> Iterator[dict[str, Any]]:
        with self._transaction(), self._connection.cursor("ragctl_rows", row_factory=self._rows) as cursor:
            cursor.itersize = BATCH_ROWS
            cursor.execute(statement.encode("utf-8"))
            yield from cursor

    def row(self, statement: str, value: Any) -> dict[str, Any] | None:
        with self._transaction(), self._connection.cursor(row_factory=self._rows) as cursor:
            return cursor.execute(statement.encode("utf-8"), (value,)).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _postgres_errors(), self._connection.transaction():
            # for this transaction alone, as a pooler may give the next one another session
            self._connection.execute("SELECT set_config('statement_timeout', %s, true)", (self._timeout,))
            yield

    def escaped(self, query: str) -> str:
        return query.replace("%", "%%")

    def close(self) -> None:
        self._connection.close()


class SqliteDatabase:
    """A file, opened read only."""

    placeholder = "?"

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path.absolute()
        self._timeout = timeout
        self._deadline = float("inf")
        if not self._path.is_file():
            raise DatabaseFailed("there is no such file")
        with _sqlite_errors():
            uri = f"{self._path.as_uri()}?mode=ro"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._connection.row_factory = _as_mapping
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)

    @property
    def uri(self) -> str:
        return self._path.as_uri()

    def rows(self, statement: str) -> Iterator[dict[str, Any]]:
        with _sqlite_errors():
            self._deadline = time.monotonic() + self._timeout
            yield from self._connection.execute(statement)

    def row(self, statement: str, value: Any) -> dict[str, Any] | None:
        with _sqlite_errors():
            self._deadline = time.monotonic() + self._timeout
            found: dict[str, Any] | None = self._connection.execute(statement, (value,)).fetchone()
            return found

    def escaped(self, query: str) -> str:
        return query

    def close(self) -> None:
        self._connection.close()


def _as_mapping(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


@contextmanager
def _postgres_errors() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise DatabaseFailed(_first_line(error)) from None


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeDecodeError) as error:
        raise DatabaseFailed(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
