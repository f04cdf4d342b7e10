"""The lease: one run at a time writes to an index, and a run that lost it can write nothing.

A lease has an epoch, which rises each time the index changes hands. Every commit checks in its own
transaction that its epoch is still the current one. A run in one process also holds an advisory
lock on its connection: when the process dies, however it dies, the server frees the lock, and the
next run takes the lease over at once. Where a process only hangs, its run can be abandoned: then the
next run ends its session on the server.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import LeaseLost, RunInProgress
from ragctl.state.runs import Runs

if TYPE_CHECKING:
    from psycopg import Connection

_NAMESPACE = 0x7261  # "ra": keeps our advisory locks apart from the user's
_LOOK_AGAIN_S = 0.1
# What the process of an abandoned run gets to see for itself that it was abandoned.
NOTICE_S = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of `run` to write to `index`, as long as `epoch` is the current one."""

    index: str
    run: str
    epoch: int

    def check(self, connection: Connection[Any]) -> None:
        """Call it in the transaction that writes: the lease then stays held until that has ended.

        Raises:
            LeaseLost: another run has taken the index, or this one was abandoned.
        """
        held = connection.execute(
            "UPDATE ragctl.leases SET renewed_at = now() WHERE index_name = %s AND run = %s AND epoch = %s",
            (self.index, self.run, self.epoch),
        ).rowcount
        if held != 1:
            raise self._lost()

    def look(self, connection: Connection[Any]) -> None:
        """As `check`, for where nothing is written: it locks nothing.

        Raises:
            LeaseLost: see `check`.
        """
        row = connection.execute(
            "SELECT 1 FROM ragctl.leases WHERE index_name = %s AND run = %s AND epoch = %s",
            (self.index, self.run, self.epoch),
        ).fetchone()
        if row is None:
            raise self._lost()

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"the run {self.run} no longer holds the index {self.index!r}; it has written nothing since",
            hint="another run took over, or this one was abandoned; `ragctl runs SPEC list` says which",
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an index, on which host, since when."""

    run: str
    host: str
    since: datetime


def acquire_lease(
    connection: Connection[Any], index: str, run: str, runs: Runs, *, patience_s: float
) -> Lease:
    """Takes the index for `run` and for the life of `connection`.

    Args:
        patience_s: seconds to wait for another run to end; infinity waits as long as it takes.

    Raises:
        RunInProgress: another run holds it, and still does after `patience_s`.
    """
    started = time.monotonic()
    evicted = False
    while not _lock(connection, index):
        waited = time.monotonic() - started
        if waited >= min(patience_s, NOTICE_S) and not evicted and _is_abandoned(connection, index):
            end_session(connection, index)
            evicted = True
        elif waited >= patience_s + (NOTICE_S if evicted else 0):
            raise _refusal(connection, index, runs)
        time.sleep(_LOOK_AGAIN_S)
    row = connection.execute(
        """
        INSERT INTO ragctl.leases AS l (index_name, run, host, epoch) VALUES (%s, %s, %s, 1)
        ON CONFLICT (index_name) DO UPDATE SET run = excluded.run, host = excluded.host,
            epoch = l.epoch + 1, taken_at = now(), renewed_at = now()
        RETURNING epoch
        """,
        (index, run, socket.gethostname()),
    ).fetchone()
    assert row is not None  # an upsert returns its row
    return Lease(index, run, row[0])


def is_held(connection: Connection[Any], index: str) -> bool:
    """Does a living process hold the index?"""
    if not _lock(connection, index):
        return True
    connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_NAMESPACE, index))
    return False


def break_lease(connection: Connection[Any], index: str, run: str) -> bool:
    """Ends `run`'s right to write, whether its process lives or not; False if it does not hold the index."""
    return (
        connection.execute(
            "UPDATE ragctl.leases SET epoch = epoch + 1, run = '' WHERE index_name = %s AND run = %s",
            (index, run),
        ).rowcount
        == 1
    )


def holder_of(connection: Connection[Any], index: str, runs: Runs) -> Holder | None:
    """The run in progress; also one that has only just begun and is not among the runs yet."""
    row = connection.execute(
        "SELECT run, host, taken_at FROM ragctl.leases WHERE index_name = %s AND run <> ''", (index,)
    ).fetchone()
    lease = Holder(*row) if row is not None else None
    running = runs.running()
    # A run that was left `running` by a dead process is older than the lease of the living one.
    if running is not None and (lease is None or lease.run == running[0] or running[2] >= lease.since):
        return Holder(*running)
    return lease


def end_session(connection: Connection[Any], index: str) -> None:
    """Ends the server session that holds the index: its transaction is rolled back, its lock is freed.

    Raises:
        RunInProgress: this database user may not do that.
    """
    from psycopg.errors import InsufficientPrivilege

    try:
        connection.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND classid = %s AND objid::bigint = hashtext(%s)::bigint & 4294967295
            """,
            (_NAMESPACE, index),
        )
    except InsufficientPrivilege as error:
        raise RunInProgress(
            f"the abandoned run of the index {index!r} still has a session, and this database user may not "
            "end it; nothing was written",
            hint="end its process, or let the role of that session or a superuser run this command",
        ) from error


def _is_abandoned(connection: Connection[Any], index: str) -> bool:
    row = connection.execute("SELECT run = '' FROM ragctl.leases WHERE index_name = %s", (index,)).fetchone()
    return bool(row and row[0])


def _lock(connection: Connection[Any], index: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_NAMESPACE, index)).fetchone()
    return bool(row and row[0])


def _refusal(connection: Connection[Any], index: str, runs: Runs) -> RunInProgress:
    holder = holder_of(connection, index, runs)
    who = f": run {holder.run} on {holder.host}, since {holder.since:%Y-%m-%d %H:%M:%S %Z}" if holder else ""
    return RunInProgress(
        f"another run is writing to the index {index!r}{who}; nothing was written",
        hint="wait until it has ended (--wait), or end it for good: ragctl runs SPEC abandon RUN",
    )
