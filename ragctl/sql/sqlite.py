"""An SQLite database that is only read: each statement in a process of its own, which is ended in time."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ragctl.errors import Unavailable
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.sqlite_catalog import read_schema
from ragctl.sql.sqlite_worker import Request
from ragctl.sql.types import Dialect, Limits, ResultTable, Schema, StatementFailed

_START_S = 10.0
"""Seconds that the process may take besides its statement's: to start, on a busy machine."""
_NEEDED = ("PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Of the environment; keys and passwords are not handed on."""


class SqliteDatabase:
    """See `database.Database`.

    Args:
        path: the file; it is opened read-only, and never made.
        functions: names that may be called besides those of `allowed`.

    Raises:
        Unavailable: there is no such file, or it is no database.
        ValueError: a limit is not above 0.
    """

    dialect: Dialect = "sqlite"
    warnings: tuple[str, ...] = ()

    def __init__(
        self,
        path: Path,
        *,
        options: SchemaOptions | None = None,
        limits: Limits | None = None,
        functions: Collection[str] = (),
    ) -> None:
        limits = limits or Limits()
        if min(limits.timeout_s, limits.max_rows, limits.memory_bytes) <= 0:
            raise ValueError("every limit must be above 0")
        self.path, self.options, self.limits = path, options or SchemaOptions(), limits
        self._functions = sorted({one.lower() for one in functions})
        self._schema: Schema | None = None

    def close(self) -> None:
        """Nothing is kept open."""

    @property
    def _uri(self) -> str:
        return f"file:{quote(self.path.resolve().as_posix())}?mode=ro"

    def schema(self) -> Schema:
        if not self.path.is_file():
            raise Unavailable(f"there is no SQLite database {self.path.name}", hint="check its path")
        try:
            connection = sqlite3.connect(self._uri, uri=True, timeout=self.limits.timeout_s)
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("PRAGMA trusted_schema = OFF")
                self._schema = read_schema(connection, self.options)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Unavailable(f"the SQLite database {self.path.name} cannot be read: {error}") from error
        return self._schema

    def explain(self, sql: str) -> None:
        self._answered(sql, explain=True)

    def run(self, sql: str) -> ResultTable:
        started = time.monotonic()
        found = self._answered(sql, explain=False)
        rows = tuple(tuple(row) for row in found["rows"])
        return ResultTable(tuple(found["columns"]), rows, found["truncated"], time.monotonic() - started)

    def _answered(self, sql: str, *, explain: bool) -> dict[str, Any]:
        request = json.dumps(self._request(sql, explain), default=sorted).encode("utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "ragctl.sql.sqlite_worker"],
                input=request,
                capture_output=True,
                timeout=self.limits.timeout_s + _START_S,
                env={name: os.environ[name] for name in _NEEDED if name in os.environ},
                cwd=Path(__file__).resolve().parents[2],
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StatementFailed("time", "it took too long and was stopped") from error
        found = _read(done)
        if "message" in found:
            raise StatementFailed(found["kind"], found["message"])
        return found

    def _request(self, sql: str, explain: bool) -> dict[str, Any]:
        from ragctl.sql.allowed import FUNCTIONS

        schema = self._schema or self.schema()
        views = {one.name.lower() for one in schema.tables if one.kind == "view"}
        return asdict(
            Request(
                uri=self._uri,
                sql=sql,
                tables=frozenset(one.name.lower() for one in schema.tables),
                views=frozenset(views),
                functions=FUNCTIONS["sqlite"] | frozenset(self._functions),
                seconds=self.limits.timeout_s,
                rows=self.limits.max_rows,
                size=self.limits.max_bytes,
                value=self.limits.max_value_bytes,
                memory=self.limits.memory_bytes,
                explain=explain,
            )
        )


def _read(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """What the process wrote. One that ended otherwise ran into the limits of its memory, or was killed."""
    if done.returncode == 0 and done.stdout:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if "MemoryError" in last or done.returncode < 0:
        raise StatementFailed("size", "it needs more memory or time than it may have")
    raise Unavailable(f"the process that reads the database ended with {done.returncode}: {last[:200]}")
