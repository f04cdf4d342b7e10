"""A process that is held at a certain point of its work, by a lock in the database that it waits for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from workspace import Workspace


@dataclass
class Blocked:
    """The process waits until `release` is called."""

    process: subprocess.Popen[str]
    run: str
    _connection: psycopg.Connection[Any]

    def release(self) -> None:
        self._connection.rollback()

    def finish(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr; the process must have been released."""
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


@contextmanager
def blocked(
    workspace: Workspace, table: str, mode: str, *arguments: str, command: str = "ingest"
) -> Iterator[Blocked]:
    """Starts a command on the workspace's spec, and waits until it meets the lock on a table of the state."""
    from ragctl.embedded.server import EmbeddedServer

    with EmbeddedServer(workspace.base / ".ragctl").connect(autocommit=False) as connection:
        name = sql.Identifier("ragctl", table)
        connection.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(name, sql.SQL(mode)))
        process = workspace.process(command, *arguments)
        try:
            _wait_for(connection, process, table)
            row = connection.execute(
                "SELECT run FROM ragctl.leases WHERE index_name = %s", (workspace.name,)
            ).fetchone()
            assert row is not None
            yield Blocked(process, row[0], connection)
        finally:
            connection.rollback()
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=60)


def _wait_for(connection: psycopg.Connection[Any], process: subprocess.Popen[str], table: str) -> None:
    for _ in range(1200):
        waiting = connection.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = to_regclass(%s)", (f"ragctl.{table}",)
        ).fetchone()
        if waiting:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the process never came to the lock")
