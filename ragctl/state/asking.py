"""Runs that only ask: they write nothing to an index, so any number of them may go on beside its writer.

Each holds a lock of its own while its process lives, so that it can be told from one whose process died.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragctl.state.runs import Runs

if TYPE_CHECKING:
    from psycopg import Connection

COMMAND = "ask"
_NAMESPACE = 0x7262  # beside the leases' own


def may_be_recorded(connection: Connection[Any]) -> bool:
    """May this role write records of runs here? A role that only reads may ask all the same."""
    row = connection.execute(
        "SELECT has_table_privilege('runs', 'INSERT') AND has_table_privilege('runs', 'UPDATE') "
        "AND current_setting('transaction_read_only') = 'off'"
    ).fetchone()
    return bool(row and row[0])


def hold(connection: Connection[Any], run: str) -> None:
    """Says that the run's process lives, for as long as the connection is open."""
    connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_NAMESPACE, run))


def release(connection: Connection[Any], run: str) -> None:
    """The run has ended."""
    connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_NAMESPACE, run))


def close_dead(connection: Connection[Any], runs: Runs) -> None:
    """Closes the records of those that were left `running` by a process that died."""
    for run in runs.asking():
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_NAMESPACE, run)
        ).fetchone()
        if row and row[0]:
            runs.close_as_dead(run)
            release(connection, run)
