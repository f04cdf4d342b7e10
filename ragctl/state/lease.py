"""The lease: one run at a time writes to an index, and a run that lost it can write nothing.

A lease has an epoch, which rises each time the index changes hands. Every commit checks in its own
transaction that its epoch is still the current one.

- A run in one process also holds an advisory lock on its connection: when the process dies, however
  it dies, the server frees the lock, and the next run takes the lease over at once. Where a process
  only hangs, its run can be abandoned: then the next run ends its session on the server.
- A run of many processes (a DAG's) holds it by its name alone, until it releases it, until it is
  abandoned, or until whoever wants it knows that the run is over. Its tasks may write as long as the
  epoch is theirs, also after the release: nobody else has written in between.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import LeaseLost, RunInProgress
from ragctl.state.runs import Runs
from ragctl.state.schema import SCHEMA

if TYPE_CHECKING:
    from psycopg import Connection

_NAMESPACE = 0x7261  # "ra": keeps our advisory locks apart from the user's
# Indexes of one name may lie in several schemas; those of the default one keep the number that they had.
_KEY = (
    f"hashtext(CASE current_schema() WHEN '{SCHEMA}' THEN '' ELSE current_schema() || '.' END || %(index)s)"
)
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
        # A shared lock: the tasks of one run commit side by side, and a change of hands waits for them.
        row = connection.execute(
            "SELECT 1 FROM leases WHERE index_name = %s AND run = %s AND epoch = %s FOR SHARE",
            (self.index, self.run, self.epoch),
        ).fetchone()
        if row is None:
            raise self._lost()

    @contextmanager
    def held(self, connection: Connection[Any]) -> Iterator[None]:
        """A transaction that is rolled back if the run does not hold the index any more.

        Raises:
            LeaseLost: see `check`.
        """
        with connection.transaction():
            self.check(connection)
            yield

    def look(self, connection: Connection[Any]) -> None:
        """As `check`, for where nothing is written: it locks nothing.

        Raises:
            LeaseLost: see `check`.
        """
        row = connection.execute(
            "SELECT 1 FROM leases WHERE index_name = %s AND run = %s AND epoch = %s",
            (self.index, self.run, self.epoch),
        ).fetchone()
        if row is None:
            raise self._lost()

    def renew(self, connection: Connection[Any]) -> None:
        """Leaves a sign of life, for whoever asks since when the run has been silent.

        Raises:
            LeaseLost: see `check`.
        """
        renewed = connection.execute(
            "UPDATE leases SET renewed_at = now() WHERE index_name = %s AND run = %s AND epoch = %s",
            (self.index, self.run, self.epoch),
        ).rowcount
        if renewed != 1:
            raise self._lost()

    def release(self, connection: Connection[Any]) -> None:
        """For a lease that is held by the run's name: another run may have the index now.

        Nothing happens if the run does not hold it any more.
        """
        connection.execute(
            "UPDATE leases SET released_at = now() WHERE index_name = %s AND run = %s AND epoch = %s",
            (self.index, self.run, self.epoch),
        )

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
    lease = _acquire(connection, index, run, runs, patience_s, by="session", is_over=lambda run: False)
    _hold_on(connection, lease)
    return lease


def _hold_on(connection: Connection[Any], lease: Lease) -> None:
    """Takes the lock again in each session that takes the place of a lost one."""
    from ragctl.state.session import LastingConnection

    def regain() -> None:
        until = time.monotonic() + NOTICE_S
        # Somebody may be looking at the lock, or the server be ending the lost session.
        while not _lock(connection, lease.index) and time.monotonic() < until:
            lease.look(connection)
            time.sleep(_LOOK_AGAIN_S)
        lease.look(connection)

    if isinstance(connection, LastingConnection):
        connection.on_return(f"lease of {lease.index}", regain)


def acquire_for_run(
    connection: Connection[Any],
    index: str,
    run: str,
    runs: Runs,
    *,
    patience_s: float,
    is_over: Callable[[str], bool] = lambda run: False,
) -> Lease:
    """Takes the index for all processes of `run`, until it is released. A run may take it again.

    Args:
        is_over: has this other run, which holds the index by its name, come to its end without a release?

    Raises:
        RunInProgress: see `acquire_lease`.
    """
    lease = _acquire(connection, index, run, runs, patience_s, by="run", is_over=is_over)
    _unlock(connection, index)
    return lease


def _acquire(
    connection: Connection[Any],
    index: str,
    run: str,
    runs: Runs,
    patience_s: float,
    *,
    by: str,
    is_over: Callable[[str], bool],
) -> Lease:
    started = time.monotonic()
    evicted = False
    while True:
        if _lock(connection, index):
            epoch = _take(connection, index, run, by, is_over)
            if epoch is not None:
                return Lease(index, run, epoch)
            _unlock(connection, index)
        waited = time.monotonic() - started
        if waited >= min(patience_s, NOTICE_S) and not evicted and _is_abandoned(connection, index):
            end_session(connection, index)
            evicted = True
        elif waited >= patience_s + (NOTICE_S if evicted else 0):
            raise _refusal(connection, index, runs)
        time.sleep(_LOOK_AGAIN_S)


def _take(
    connection: Connection[Any], index: str, run: str, by: str, is_over: Callable[[str], bool]
) -> int | None:
    """The new epoch; None if a run holds the index by its name. The caller holds the advisory lock."""
    holder = held_by_name(connection, index)
    over = holder if holder is not None and holder != run and is_over(holder) else ""
    row = connection.execute(
        """
        INSERT INTO leases AS l (index_name, run, host, epoch, held_by) VALUES (%s, %s, %s, 1, %s)
        ON CONFLICT (index_name) DO UPDATE SET run = excluded.run, host = excluded.host,
            held_by = excluded.held_by, epoch = l.epoch + 1, taken_at = now(), renewed_at = now(),
            released_at = NULL
        WHERE l.held_by = 'session' OR l.released_at IS NOT NULL OR l.run IN ('', excluded.run, %s)
        RETURNING epoch
        """,
        (index, run, socket.gethostname(), by, over),
    ).fetchone()
    return int(row[0]) if row else None


def held_by_name(connection: Connection[Any], index: str) -> str | None:
    """The run that holds the index by its name, if one does."""
    row = connection.execute(
        "SELECT run FROM leases "
        "WHERE index_name = %s AND held_by = 'run' AND released_at IS NULL AND run <> ''",
        (index,),
    ).fetchone()
    return str(row[0]) if row else None


def is_held(connection: Connection[Any], index: str) -> bool:
    """Does a living process hold the index, or a run that has not released it?"""
    if not _lock(connection, index):
        return True
    _unlock(connection, index)
    return held_by_name(connection, index) is not None


def break_lease(connection: Connection[Any], index: str, run: str) -> bool:
    """Ends `run`'s right to write, whether its process lives or not; False if it does not hold the index."""
    return (
        connection.execute(
            "UPDATE leases SET epoch = epoch + 1, run = '' WHERE index_name = %s AND run = %s",
            (index, run),
        ).rowcount
        == 1
    )


def holder_of(connection: Connection[Any], index: str, runs: Runs) -> Holder | None:
    """The run in progress; also one that has only just begun and is not among the runs yet."""
    row = connection.execute(
        "SELECT run, host, taken_at FROM leases WHERE index_name = %s AND run <> ''", (index,)
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
            f"""
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND classid = %(ours)s AND objid::bigint = {_KEY}::bigint & 4294967295
            """,
            {"ours": _NAMESPACE, "index": index},
        )
    except InsufficientPrivilege as error:
        raise RunInProgress(
            f"the abandoned run of the index {index!r} still has a session, and this database user may not "
            "end it; nothing was written",
            hint="end its process, or let the role of that session or a superuser run this command",
        ) from error


def _is_abandoned(connection: Connection[Any], index: str) -> bool:
    row = connection.execute("SELECT run = '' FROM leases WHERE index_name = %s", (index,)).fetchone()
    return bool(row and row[0])


def _lock(connection: Connection[Any], index: str) -> bool:
    row = connection.execute(
        f"SELECT pg_try_advisory_lock(%(ours)s, {_KEY})", {"ours": _NAMESPACE, "index": index}
    ).fetchone()
    return bool(row and row[0])


def _unlock(connection: Connection[Any], index: str) -> None:
    connection.execute(f"SELECT pg_advisory_unlock(%(ours)s, {_KEY})", {"ours": _NAMESPACE, "index": index})


def _refusal(connection: Connection[Any], index: str, runs: Runs) -> RunInProgress:
    holder = holder_of(connection, index, runs)
    who = f": run {holder.run} on {holder.host}, since {holder.since:%Y-%m-%d %H:%M:%S %Z}" if holder else ""
    return RunInProgress(
        f"another run is writing to the index {index!r}{who}; nothing was written",
        hint="wait until it has ended (--wait), or end it for good: ragctl runs SPEC abandon RUN",
    )
