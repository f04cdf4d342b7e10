"""A PostgreSQL database that is only read: each statement in a read-only transaction that is rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import Timer
from typing import TYPE_CHECKING, Any, Literal

from ragctl.errors import GuardRefused, Unavailable
from ragctl.sql.postgres_catalog import read_schema
from ragctl.sql.postgres_faults import failed, unreachable
from ragctl.sql.postgres_rights import more_than_reading
from ragctl.sql.results import plain_value, text_size
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.types import Dialect, Limits, ResultTable, Schema, StatementFailed

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_TIMEOUT_S = 10
_GRACE_S = 5.0
"""Seconds after the server's own limit at which this side asks it to stop."""
_TEXT_TYPES = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid")
"""Read as the server writes them: Python knows no infinity, no year 10000 and none before Christ."""
_FIXED = frozenset({16, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950})
"""Object identifiers of types whose values are never long: numbers, dates, times, booleans, UUIDs."""
_STRINGS = frozenset({25, 1042, 1043, 17})
"""Those of which octet_length tells the length without reading the value: text, char, varchar, bytea."""
_BATCH = 50


class PostgresDatabase:
    """See `database.Database`.

    Args:
        conninfo: libpq's connection string; it is shown nowhere.
        writer: what to do about a role that could do more than read: `refuse` it, or `warn`.
        search_path: schemas beside `pg_catalog` in which operators, types and functions are looked up, as
            extensions such as citext need it. Whoever may create objects in them decides what is run.

    Raises:
        ValueError: a limit is not above 0.
    """

    dialect: Dialect = "postgres"

    def __init__(
        self,
        conninfo: str,
        *,
        options: SchemaOptions | None = None,
        limits: Limits | None = None,
        writer: Literal["refuse", "warn"] = "refuse",
        search_path: Sequence[str] = (),
    ) -> None:
        limits = limits or Limits()
        if min(limits.timeout_s, limits.lock_timeout_s, limits.max_rows, limits.max_cost) <= 0:
            raise ValueError("every limit must be above 0")
        self.options, self.limits, self.writer = options or SchemaOptions(), limits, writer
        self._conninfo, self._search_path = conninfo, ("pg_catalog", *search_path)
        self._connection: Connection[Any] | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What the role could do besides reading; looked up once.

        Raises:
            GuardRefused: something, and `writer` is `refuse`.
        """
        with self._transaction(checked=False) as connection:
            found = more_than_reading(connection)
        if found and self.writer == "refuse":
            raise GuardRefused(
                f"the database role could do more than read: it {'; it '.join(found)}",
                hint="docs/sql.md has the GRANTs of a role that can only read",
            )
        return tuple(f"the database role {one}" for one in found)

    def schema(self) -> Schema:
        with self._transaction() as connection:
            return read_schema(connection, self.options)

    def explain(self, sql: str) -> float:
        with self._transaction() as connection:
            return self._cost(connection, sql)

    def run(self, sql: str) -> ResultTable:
        started = time.monotonic()
        with self._transaction() as connection, self._watched(connection):
            described = _described(connection, sql)
            self._cost(connection, sql)
            _alone(connection, f"DECLARE ragctl_answer NO SCROLL CURSOR FOR {self._bounded(sql, described)}")
            rows, more = self._fetched(connection, started + self.limits.timeout_s)
        columns = tuple(name for name, _ in described)
        return ResultTable(columns, rows, more, time.monotonic() - started)

    def _cost(self, connection: Connection[Any], sql: str) -> float:
        """The planner's estimate.

        Raises:
            StatementFailed: it is too dear, or its plan writes or locks rows or reads another server.
        """
        result = _alone(connection, f"EXPLAIN (FORMAT JSON, VERBOSE FALSE) {sql}")
        found = json.loads(result.get_value(0, 0) or b"[]")[0] if result.ntuples else None
        if not isinstance(found, dict):
            raise StatementFailed("refused", "it has no plan, as every SELECT has")
        plan = found["Plan"]
        self._check_plan(plan)
        cost = float(plan["Total Cost"])
        if cost > self.limits.max_cost:
            raise StatementFailed(
                "cost",
                f"the planner expects a cost of {cost:.3g}, and {self.limits.max_cost:.3g} is the limit; "
                "filter or join on keys",
            )
        return cost

    def _check_plan(self, plan: dict[str, Any]) -> None:
        kinds = {one["Node Type"] for one in _nodes(plan)}
        if writing := kinds & {"ModifyTable", "LockRows"}:
            raise StatementFailed(
                "refused", f"its plan has {', '.join(sorted(writing))}: it does not only read"
            )
        if "Foreign Scan" in kinds and not self.options.foreign_tables:
            raise StatementFailed("refused", "its plan reads a table of another server")

    def _bounded(self, sql: str, described: Sequence[tuple[str, int]]) -> str:
        """The statement within one that reads no more rows and no longer values than it may.

        A value that is too long is left on the server, and the row says so in a column of its own.
        """
        names = [f"c{place}" for place in range(len(described))]
        most = self.limits.max_value_bytes
        kept, tests = [], ["false"]
        for name, (_, type_) in zip(names, described, strict=True):
            if type_ in _FIXED:
                kept.append(name)
                continue
            text = name if type_ in _STRINGS else f"{name}::pg_catalog.text"
            test = f"pg_catalog.octet_length({text}) > {most}"
            kept.append(f"CASE WHEN {test} THEN NULL ELSE {name} END")
            tests.append(f"coalesce({test}, false)")
        return (
            f"SELECT {', '.join([*kept, ' OR '.join(tests)])} FROM (\n{sql}\n) AS answer"
            f"{'(' + ', '.join(names) + ')' if names else ''} LIMIT {self.limits.max_rows + 1}"
        )

    def _fetched(self, connection: Connection[Any], until: float) -> tuple[tuple[tuple[Any, ...], ...], bool]:
        rows: list[tuple[Any, ...]] = []
        size = 0
        with connection.cursor() as cursor:
            while len(rows) <= self.limits.max_rows:
                batch = cursor.execute(f"FETCH FORWARD {_BATCH} FROM ragctl_answer").fetchall()
                if not batch:
                    return tuple(rows), False
                if any(row[-1] for row in batch):
                    raise StatementFailed(
                        "size",
                        f"a value is longer than {self.limits.max_value_bytes} bytes; select less of it",
                    )
                size += text_size(batch)
                if size > self.limits.max_bytes:
                    raise StatementFailed("size", f"its rows are more than {self.limits.max_bytes} bytes")
                if time.monotonic() > until:
                    raise StatementFailed("time", f"it took longer than {self.limits.timeout_s:g} s")
                rows += (tuple(plain_value(one) for one in row[:-1]) for row in batch)
        return tuple(rows[: self.limits.max_rows]), True

    @contextmanager
    def _transaction(self, *, checked: bool = True) -> Iterator[Connection[Any]]:
        """One that can write nothing and ends in nothing; the session is then as new."""
        import psycopg

        if checked:
            _ = self.warnings
        connection = self._connected()
        try:
            connection.execute(self._settings())
            yield connection
        except psycopg.Error as error:
            raise failed(error, self.limits) from error
        finally:
            self._reset(connection)

    def _reset(self, connection: Connection[Any]) -> None:
        import psycopg

        try:
            connection.execute("ROLLBACK")
            connection.execute("DISCARD ALL")  # locks, settings and all else that a session keeps
        except psycopg.Error:
            self.close()  # it is lost; the next statement gets another one

    def _settings(self) -> str:
        timeout, lock = (int(s * 1000) or 1 for s in (self.limits.timeout_s, self.limits.lock_timeout_s))
        path = ", ".join(_quoted(one) for one in (*self._search_path, "pg_temp"))
        settings = {
            "search_path": path,
            "statement_timeout": timeout,
            "lock_timeout": lock,
            "idle_in_transaction_session_timeout": timeout + 60_000,
            "standard_conforming_strings": "on",
            "max_parallel_workers_per_gather": 0,
            "jit": "off",
            "datestyle": "'ISO, YMD'",
            "intervalstyle": "iso_8601",
            "bytea_output": "hex",
            "client_encoding": "'UTF8'",
        }
        lines = [f"SET LOCAL {name} = {value}" for name, value in settings.items()]
        return "; ".join(["BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", *lines])

    def _connected(self) -> Connection[Any]:
        import psycopg
        from psycopg.types.string import TextLoader

        if self._connection is None or self._connection.closed:
            try:
                connection = psycopg.connect(
                    self._conninfo,
                    autocommit=True,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    application_name="ragctl-sql",
                    keepalives_idle=30,
                )
            except psycopg.Error as error:
                raise unreachable(error) from error
            connection.prepare_threshold = None
            for name in _TEXT_TYPES:
                connection.adapters.register_loader(name, TextLoader)
            self._connection = connection
        return self._connection

    @contextmanager
    def _watched(self, connection: Connection[Any]) -> Iterator[None]:
        """Has the server stop what runs past all limits, as one does whose own clock was set aside."""

        def stop() -> None:
            import psycopg

            try:
                connection.cancel_safe(timeout=_GRACE_S)
            except psycopg.Error:
                connection.close()

        timer = Timer(self.limits.timeout_s + _GRACE_S, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _alone(connection: Connection[Any], sql: str) -> Any:
    """One statement's result; several in one text are an error, as the extended protocol takes one."""
    return _good(connection, connection.pgconn.exec_params(sql.encode("utf-8"), None))


def _described(connection: Connection[Any], sql: str) -> list[tuple[str, int]]:
    """Names and types of a statement's columns; it is parsed by the server and not run."""
    _good(connection, connection.pgconn.prepare(b"ragctl_answer", sql.encode("utf-8")))
    result = _good(connection, connection.pgconn.describe_prepared(b"ragctl_answer"))
    named = [(result.fname(place) or b"").decode("utf-8") for place in range(result.nfields)]
    return list(zip(named, (result.ftype(place) for place in range(result.nfields)), strict=True))


def _good(connection: Connection[Any], result: Any) -> Any:
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return result
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result, encoding="utf-8")
    raise Unavailable(f"the database answered with {ExecStatus(result.status).name}, which no SELECT does")
