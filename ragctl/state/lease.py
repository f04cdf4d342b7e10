"""The lease: one run at a time writes to an index."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ragctl.errors import RunInProgress
from ragctl.state.runs import Runs

if TYPE_CHECKING:
    from psycopg import Connection

_NAMESPACE = 0x7261  # "ra": keeps our advisory locks apart from the user's


def acquire_lease(connection: Connection[Any], index: str, runs: Runs, *, patience_s: float) -> None:
    """Takes the index for the life of `connection`; the server frees it when that ends, however it ends.

    Raises:
        RunInProgress: another run holds it, and still does after `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while not _try(connection, index):
        if time.monotonic() >= deadline:
            raise _refusal(index, runs)
        time.sleep(0.1)


def _try(connection: Connection[Any], index: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_NAMESPACE, index)).fetchone()
    return bool(row and row[0])


def _refusal(index: str, runs: Runs) -> RunInProgress:
    holder = runs.running()
    who = f": run {holder[0]} on {holder[1]}, since {holder[2]:%Y-%m-%d %H:%M:%S %Z}" if holder else ""
    return RunInProgress(
        f"another run is writing to the index {index!r}{who}; nothing was written",
        hint="wait until it has ended and try again",
    )
