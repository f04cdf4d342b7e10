"""A session on the server that comes back when it is lost, with all that was set in it.

The connection stays the same object, so that whoever holds it goes on with it. What becomes of what was
under way when the session was lost:

- A statement outside of a transaction is done once more. Those that ragctl sends so bear that.
- A transaction is gone, and `SessionLost` says so when the session is back: whoever can do all of it again
  does (see `ragctl.run.redone`). Where only the answer to COMMIT was lost, the server is asked whether the
  transaction was committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import (
    Connection,
    InterfaceError,
    IsolationLevel,
    OperationalError,
    Rollback,
    Transaction,
    pq,
    sql,
)
from psycopg.errors import InvalidParameterValue
from psycopg.rows import RowFactory, tuple_row

from ragctl.state.connection_faults import may_pass

T = TypeVar("T")
Fault = OperationalError | InterfaceError
Statement = sql.SQL | sql.Composed

PATIENCE_S = 30.0
"""How long a lost session is sought again. A standby takes over in some seconds; a restart takes fewer."""
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 3.0
_OLD_SESSION_MS = 5_000
_OFTEN = 3  # a statement that loses its session as often is at fault itself
# The server announces it: shut down by hand, after a crash, starting, an idle session ended.
_ENDED = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})


_LEVELS: dict[IsolationLevel, LiteralString] = {
    IsolationLevel.READ_UNCOMMITTED: "READ UNCOMMITTED",
    IsolationLevel.READ_COMMITTED: "READ COMMITTED",
    IsolationLevel.REPEATABLE_READ: "REPEATABLE READ",
    IsolationLevel.SERIALIZABLE: "SERIALIZABLE",
}


class SessionLost(OperationalError):
    """The session was lost within a transaction, of which nothing is left; it is back."""


class LastingConnection(Connection[Any]):
    """See the module. In autocommit mode; to be opened without prepared statements, which end with a session.

    Attributes:
        patience_s: how long a lost session is sought again, once; after that it stays lost.
        tell: gets a sentence when the session is lost.
        reopen: opens another session as this one was opened; without it, a lost one stays lost.
    """

    def __init__(self, pgconn: pq.abc.PGconn, row_factory: RowFactory[Any] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.patience_s = PATIENCE_S
        self.tell: Callable[[str], None] = lambda text: None
        self.reopen: Callable[[], Connection[Any]] | None = None
        self._on_return: dict[str, Callable[[], None]] = {}
        self._depth = 0
        self._returning = False
        self._gave_up = False
        self._turn = RLock()
        self._identity: tuple[Any, ...] | None = None

    def on_return(self, name: str, act: Callable[[], None], *, now: bool = False) -> None:
        """Has `act` done in each new session, before anything else.

        Args:
            name: what was given under this name before is done no more.
            now: do it in this session as well.
        """
        if self._identity is None:
            self._identity = self._look_who()
        if now:
            act()
        self._on_return[name] = act

    def execute(self, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        """As psycopg's; outside of a transaction, once more in a new session where this one was lost."""
        run = super().execute
        with self._turn:  # psycopg, too, lets one at a time through; none is to see a session half made
            if self._depth or self._returning:
                return run(*arguments, **options)
            return self._surviving(lambda: run(*arguments, **options))

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[Transaction]:
        """As psycopg's.

        Raises:
            SessionLost: nothing of it was committed, and the session is back.
        """
        if self._depth:
            block = self._savepoint(savepoint_name or f"ragctl_{self._depth}", force_rollback)
        else:
            block = self._outermost(force_rollback)
        with block as transaction:
            yield transaction

    @contextmanager
    def _outermost(self, force_rollback: bool) -> Iterator[Transaction]:
        written: str | None = None
        to_commit = False
        try:
            with self._block(self._begin(), sql.SQL("COMMIT"), sql.SQL("ROLLBACK"), force_rollback) as block:
                yield block
                written = self._transaction_number()
                to_commit = not force_rollback
        except (OperationalError, InterfaceError) as error:
            if not self._is_lost(error):
                raise
            server = self._server()
            self.come_back(error)
            if to_commit and (written is None or self._was_committed(written, server)):
                return
            raise SessionLost(f"the session was lost: {error}") from error

    @contextmanager
    def _savepoint(self, name: str, force_rollback: bool) -> Iterator[Transaction]:
        begin, release, back = (
            sql.SQL(text).format(sql.Identifier(name))
            for text in ("SAVEPOINT {0}", "RELEASE {0}", "ROLLBACK TO {0}; RELEASE {0}")
        )
        with self._block(begin, release, back, force_rollback) as block:
            yield block

    @contextmanager
    def _block(
        self, begin: Statement, commit: Statement, rollback: Statement, force_rollback: bool
    ) -> Iterator[Transaction]:
        self.execute(begin)
        self._depth += 1
        block = Transaction(self)  # never entered: it stands for the block, for whoever raises Rollback
        try:
            yield block
        except BaseException as error:
            with suppress(psycopg.Error):  # what brought us here matters more
                super().execute(rollback)
            self._depth -= 1
            if isinstance(error, Rollback) and error.transaction in (None, block):
                return
            raise
        try:
            super().execute(rollback if force_rollback else commit)
        finally:
            self._depth -= 1

    def _begin(self) -> Statement:
        level = self.isolation_level
        return sql.SQL(f"BEGIN ISOLATION LEVEL {_LEVELS[level]}" if level else "BEGIN")

    def _transaction_number(self) -> str | None:
        """None if it has written nothing."""
        if self.info.transaction_status != pq.TransactionStatus.INTRANS:
            return None
        row = super().execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
        return row[0] if row else None

    def _was_committed(self, number: str, server: object) -> bool:
        """Was the transaction of the last session? Unknown counts as no: numbers are each server's own."""
        if server != self._server():
            return False
        try:
            row = self.execute("SELECT pg_xact_status(%s::text::xid8)", (number,)).fetchone()
        except InvalidParameterValue:
            # "in the future": the server crashed before anything of the transaction reached its disk, and
            # gives the number out again.
            return False
        return row is not None and row[0] == "committed"

    def _surviving(self, act: Callable[[], T]) -> T:
        for _ in range(_OFTEN):
            try:
                return act()
            except (OperationalError, InterfaceError) as error:
                if not self._is_lost(error):
                    raise
                self.come_back(error)
        return act()

    def _is_lost(self, error: Fault) -> bool:
        return self.broken or (not self.closed and error.sqlstate in _ENDED)

    def come_back(self, error: Fault) -> None:
        """Opens a new session in place of the lost one, within `patience_s`.

        Args:
            error: by which it was noticed.

        Raises:
            OperationalError: there is none to be had.
        """
        with self._turn:
            if self._gave_up or self.reopen is None:
                raise error
            self.tell(f"the connection to the database was lost; trying again for {self.patience_s:g} s")
            self._returning, self._depth = True, 0
            try:
                self._seek(error, self.reopen)
            finally:
                self._returning = False

    def _seek(self, error: Fault, reopen: Callable[[], Connection[Any]]) -> None:
        until, wait = time.monotonic() + self.patience_s, _FIRST_WAIT_S
        while True:
            try:
                self._return_once(reopen())
                return
            except OperationalError as again:
                if not may_pass(again) or time.monotonic() + wait > until:
                    self._gave_up = True
                    raise again from error
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _return_once(self, fresh: Connection[Any]) -> None:
        lost = self._identity
        self.pgconn, fresh.pgconn = fresh.pgconn, self.pgconn
        fresh.close()  # what is left of the lost one
        self._identity = self._look_who()
        if lost is not None:
            # A server that has not noticed that its client is gone would hold on to that one's locks.
            self.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity "
                "WHERE pid = %s AND backend_start = %s",
                (_OLD_SESSION_MS, *lost[1:]),
            )
        for act in tuple(self._on_return.values()):
            act()

    def _look_who(self) -> tuple[Any, ...] | None:
        """(when the server started, the session's process, when that started)."""
        return self.execute(
            "SELECT pg_postmaster_start_time(), pid, backend_start FROM pg_stat_activity "
            "WHERE pid = pg_backend_pid()"
        ).fetchone()

    def _server(self) -> object:
        return self._identity[0] if self._identity else None
