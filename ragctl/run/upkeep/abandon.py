"""Ends a run for good, whether its process is alive, hangs or is dead."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.looking.audit import SCHEMA_VERSION, find_run
from ragctl.state.generations import Generations
from ragctl.state.lease import break_lease, end_session, holder_of, is_held
from ragctl.state.runs import Runs

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.spec.load import LoadedSpec

# The longest that we wait for a commit of the run to end before we end its session.
COMMIT_PATIENCE = "10s"


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A run that can write nothing any more. `alive`: its process had not ended yet."""

    index: str
    run: str
    host: str
    alive: bool

    def as_json(self) -> dict[str, Any]:
        """The document that `ragctl runs SPEC abandon RUN --format json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "run_id": self.run,
            "host": self.host,
            "status": "abandoned",
            "process_alive": self.alive,
        }


def abandon_run(loaded: LoadedSpec, name: str) -> Abandoned:
    """Takes the index away from a running run and closes its record.

    What it has committed stays, and the next ingest goes on from there. Its process, if it is
    alive, learns of it before its next batch for the model or its next commit.

    Raises:
        UsageError: there is no such run, or it is not running.
        Mismatch: the index is another pipeline's.
        RunInProgress: the run hangs in the middle of a commit, and this database user may not end
            its session.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        index = composition.index
        Generations(connection, index).check_owner(composition.spec.name)
        runs = Runs(connection, index)
        run, host = _running(connection, index, runs, name)
        alive = is_held(connection, index) and _holds(connection, index, runs, run)
        _abandon(connection, index, runs, run)
        return Abandoned(index, run, host, alive)


def _running(connection: Connection[Any], index: str, runs: Runs, name: str) -> tuple[str, str]:
    """(run, host). One that has only just begun holds the index and has no record yet."""
    holder = holder_of(connection, index, runs)
    begun = holder is not None and holder.run.startswith(name) and not runs.beginning_with(name)
    if holder is not None and begun and is_held(connection, index):
        return holder.run, holder.host
    row = find_run(runs, name)
    if row.status != "running":
        raise UsageError(
            f"the run {row.id} is not running: it is {row.status}",
            hint="ragctl runs SPEC list shows which one is",
        )
    if row.command == "ask":
        raise UsageError(
            f"the run {row.id} only asks, and holds nothing that others wait for",
            hint=f"end its process on {row.host}; the next one of its kind closes its record",
        )
    return row.id, row.host


def _holds(connection: Connection[Any], index: str, runs: Runs, run: str) -> bool:
    holder = holder_of(connection, index, runs)
    return holder is not None and holder.run == run


def _abandon(connection: Connection[Any], index: str, runs: Runs, run: str) -> None:
    from psycopg.errors import LockNotAvailable

    try:
        _break(connection, index, runs, run, COMMIT_PATIENCE)
    except LockNotAvailable:  # it hangs in the middle of a commit, which holds the lease
        end_session(connection, index)
        _break(connection, index, runs, run, "0")


def _break(connection: Connection[Any], index: str, runs: Runs, run: str, patience: str) -> None:
    error = {"kind": "abandoned", "message": f"abandoned by {_user()} on {socket.gethostname()}"}
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (patience,))
        break_lease(connection, index, run)
        runs.abandon(run, error)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return "someone"
