"""The lease: one run at a time writes to an index, and a run that lost it can write nothing.

A lease has an epoch, which rises each time the index changes hands. Every commit checks in its own
transaction that its epoch is still the current one. A run in one process also holds an advisory
lock on its connection: when the process dies, however it dies, the server frees the lock, and the
next run takes the lease over at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import LeaseLost, RunInProgress
from ragctl.state.runs import Runs

if TYPE_CHECKING:
    from psycopg import Connection

_NAMESPACE = 0x7261  # "ra": keeps our advisory locks apart from the user's
_LOOK_AGAIN_S = 0.1


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
            raise LeaseLost(
                f"the run {self.run} no longer holds the index {self.index!r}; it has written nothing since",
                hint="another run took over, or this one was abandoned; `ragctl runs SPEC list` says which",
            )


def acquire_lease(
    connection: Connection[Any], index: str, run: str, runs: Runs, *, patience_s: float
) -> Lease:
    """Takes the index for `run` and for the life of `connection`.

    Args:
        patience_s: seconds to wait for another run to end; infinity waits as long as it takes.

    Raises:
        RunInProgress: another run holds it, and still does after `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while not _lock(connection, index):
        if time.monotonic() >= deadline:
            raise _refusal(index, runs)
        time.sleep(_LOOK_AGAIN_S)
    row = connection.execute(
        """
        INSERT INTO ragctl.leases AS l (index_name, run, epoch) VALUES (%s, %s, 1)
        ON CONFLICT (index_name) DO UPDATE SET
            run = excluded.run, epoch = l.epoch + 1, taken_at = now(), renewed_at = now()
        RETURNING epoch
        """,
        (index, run),
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


def _lock(connection: Connection[Any], index: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_NAMESPACE, index)).fetchone()
    return bool(row and row[0])


def _refusal(index: str, runs: Runs) -> RunInProgress:
    holder = runs.running()
    who = f": run {holder[0]} on {holder[1]}, since {holder[2]:%Y-%m-%d %H:%M:%S %Z}" if holder else ""
    return RunInProgress(
        f"another run is writing to the index {index!r}{who}; nothing was written",
        hint="wait until it has ended (--wait), or end it for good: ragctl runs SPEC abandon RUN",
    )
