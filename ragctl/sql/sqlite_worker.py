"""One statement on an SQLite database, in a process of its own: `python -m ragctl.sql.sqlite_worker`.

It reads a JSON object (see `Request`) from standard input and writes one to standard output: `columns`,
`rows` and `truncated`, or `kind` and `message` of a fault. Its parent ends it when its time is over: some of
SQLite's functions look at no clock, and no other thread can stop them.

Nothing but the standard library and `ragctl.sql.types` is imported, so that it starts quickly.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_LIMITS = {
    "SQLITE_LIMIT_SQL_LENGTH": 100_000,
    "SQLITE_LIMIT_COLUMN": 500,
    "SQLITE_LIMIT_EXPR_DEPTH": 200,
    "SQLITE_LIMIT_COMPOUND_SELECT": 50,
    "SQLITE_LIMIT_VDBE_OP": 250_000,
    "SQLITE_LIMIT_FUNCTION_ARG": 100,
    "SQLITE_LIMIT_ATTACHED": 0,
    "SQLITE_LIMIT_LIKE_PATTERN_LENGTH": 500,
    "SQLITE_LIMIT_VARIABLE_NUMBER": 0,
    "SQLITE_LIMIT_TRIGGER_DEPTH": 0,
    "SQLITE_LIMIT_WORKER_THREADS": 0,
}
_STEPS_BETWEEN_LOOKS = 10_000
_ADDRESS_SPACE = 4
"""How many times SQLite's memory the process may have: Python's own is in it."""
_LARGEST_FILE = 16 * 1024 * 1024
"""Bytes; the index of a write-ahead log is the one file that reading may make, beside the database."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run.

    Attributes:
        uri: `file:...?mode=ro`.
        tables: names of tables and views that may be read, in lower case.
        views: those of them that are views: what lies under them may be read through them.
        functions: that may be called, in lower case.
        seconds, rows, size, value, memory: see `types.Limits`.
        explain: only prepare it.
    """

    uri: str
    sql: str
    tables: frozenset[str]
    views: frozenset[str]
    functions: frozenset[str]
    seconds: float
    rows: int
    size: int
    value: int
    memory: int
    explain: bool = False


class _TooMuch(Exception):
    """The rows are more than they may be."""


def answer(request: Request) -> dict[str, Any]:
    """The rows, or the fault."""
    until = time.monotonic() + request.seconds
    connection = sqlite3.connect(request.uri, uri=True, timeout=request.seconds, isolation_level=None)
    denied: list[str] = []
    try:
        _harden(connection, request, until, denied)
        return _run(connection, request)
    except (sqlite3.Error, sqlite3.Warning, MemoryError, _TooMuch, OverflowError) as error:
        return _fault(error, denied, until)
    finally:
        connection.close()


def _run(connection: sqlite3.Connection, request: Request) -> dict[str, Any]:
    """Its transaction is a read; closing the connection ends it."""
    if request.explain:
        connection.execute(f"EXPLAIN QUERY PLAN {request.sql}").fetchall()
        return {"columns": [], "rows": [], "truncated": False}
    cursor = connection.execute(request.sql)
    if cursor.description is None:
        raise sqlite3.ProgrammingError("it gives no rows: only a SELECT does")
    rows: list[list[Any]] = []
    size = 0
    for row in cursor:
        if len(rows) == request.rows:
            break
        shown = [_plain(one) for one in row]
        size += _measured(shown, request.value)
        if size > request.size:
            raise _TooMuch(f"its rows are more than {request.size} bytes")
        rows.append(shown)
    else:
        return {"columns": [one[0] for one in cursor.description], "rows": rows, "truncated": False}
    return {"columns": [one[0] for one in cursor.description], "rows": rows, "truncated": True}


def _measured(row: list[Any], most: int) -> int:
    sizes = [len(str(one)) for one in row]
    if max(sizes, default=0) > most:
        raise _TooMuch(f"a value is longer than {most} bytes; select less of it")
    return sum(sizes)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value) if isinstance(value, float) and value - value != 0 else value


def _harden(connection: sqlite3.Connection, request: Request, until: float, denied: list[str]) -> None:
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for name, most in _LIMITS.items():
        connection.setlimit(getattr(sqlite3, name), most)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(1_000_000, 4 * request.value))
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")  # no file is made, and the next limit counts it
    connection.execute(f"PRAGMA hard_heap_limit = {request.memory}")
    if hasattr(connection, "enable_load_extension"):
        connection.enable_load_extension(False)
    for name in ("json_each", "json_tree"):  # made now: while they are made, the authorizer is asked too
        with suppress(sqlite3.OperationalError):
            connection.execute(f"SELECT 1 FROM {name}('[]')").close()
    connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS_BETWEEN_LOOKS)
    connection.set_authorizer(_authorizer(request, denied))


_Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def _authorizer(request: Request, denied: list[str]) -> _Authorizer:
    """Lets through reading of the tables, and calls of the functions; nothing else that SQLite asks about."""

    def may(action: int, one: str | None, other: str | None, database: str | None, inside: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and _readable(one or "", other, database, inside):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (other or "").lower() in request.functions:
            return sqlite3.SQLITE_OK
        denied.append(_denied(action, one, other))
        return sqlite3.SQLITE_DENY

    def _readable(table: str, column: str | None, database: str | None, inside: str | None) -> bool:
        reserved = table.lower().startswith(("sqlite_", "pragma_"))
        if database is None and not column and not reserved:
            return True  # a query in FROM or WITH of which no column is used
        if table.lower() in ("json_each", "json_tree"):
            return table.lower() in request.functions
        through = (inside or "").lower() in request.views and not reserved
        return database in ("main", None) and (table.lower() in request.tables or through)

    return may


def _denied(action: int, one: str | None, other: str | None) -> str:
    if action == sqlite3.SQLITE_FUNCTION:
        return f"the function {other} is not among those that are allowed"
    if action == sqlite3.SQLITE_READ:
        return f"the table {one} may not be read"
    known = {
        getattr(sqlite3, name): name.removeprefix("SQLITE_").replace("_", " ")
        for name in ("SQLITE_PRAGMA", "SQLITE_ATTACH", "SQLITE_DETACH", "SQLITE_DELETE", "SQLITE_INSERT")
    }
    known |= {sqlite3.SQLITE_UPDATE: "UPDATE", sqlite3.SQLITE_TRANSACTION: "a transaction's statement"}
    return f"{known.get(action, 'what it does')} is not allowed"


def _fault(error: BaseException, denied: list[str], until: float) -> dict[str, Any]:
    text = str(error)
    if denied:
        return {"kind": "refused", "message": denied[0]}
    if "interrupted" in text or time.monotonic() > until:
        return {"kind": "time", "message": "it took too long and was stopped"}
    if isinstance(error, MemoryError) or "out of memory" in text:
        return {"kind": "size", "message": "it needs more memory than it may have"}
    if isinstance(error, _TooMuch) or "too big" in text:
        return {"kind": "size", "message": text}
    kinds = {"no such": "unknown_name", "syntax error": "parse", "one statement": "refused"}
    kinds |= {"only a SELECT": "refused", "readonly": "refused"}
    kind = next((kind for part, kind in kinds.items() if part in text), "database")
    return {"kind": kind, "message": text}


def _bound_memory(most: int) -> None:
    """On systems that can; elsewhere SQLite's own limit stands alone."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"RLIMIT_AS": most * _ADDRESS_SPACE, "RLIMIT_FSIZE": _LARGEST_FILE, "RLIMIT_CORE": 0}
    for name, limit in limits.items():
        which = getattr(resource, name)
        try:
            resource.setrlimit(which, (limit, resource.getrlimit(which)[1]))
        except (ValueError, OSError):  # macOS has no RLIMIT_AS that can be lowered
            continue


def main() -> None:
    """Reads one request, writes one answer."""
    given = json.loads(sys.stdin.buffer.read())
    for name in ("tables", "views", "functions"):
        given[name] = frozenset(given[name])
    request = Request(**given)
    _bound_memory(request.memory)
    sys.stdout.buffer.write(json.dumps(answer(request)).encode("utf-8"))


if __name__ == "__main__":
    main()
