"""Runs: who did what to an index, when, with what outcome."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text

if TYPE_CHECKING:
    from psycopg import Connection


def new_run_id(now: datetime | None = None) -> str:
    """A name that sorts by time: `20261122T151600-3f9a2c`."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Runs:
    """The record of runs on one index."""

    def __init__(self, connection: Connection[Any], index: str) -> None:
        self._connection = connection
        self._index = index

    def start(self, run: str, *, pipeline: str, command: str) -> None:
        self._connection.execute(
            "INSERT INTO ragctl.runs (id, index_name, pipeline, command, host, status) "
            "VALUES (%s, %s, %s, %s, %s, 'running')",
            (run, self._index, pipeline, command, socket.gethostname()),
        )

    def finish(self, run: str, status: str, record: Mapping[str, object]) -> None:
        """`status`: done, failed or interrupted."""
        self._connection.execute(
            "UPDATE ragctl.runs SET status = %s, finished_at = now(), record = %s WHERE id = %s",
            (status, json_text(record), run),
        )

    def close_dead(self) -> None:
        """Runs that were left `running` by a process that died. Only the holder of the lease may say so."""
        self._connection.execute(
            "UPDATE ragctl.runs SET status = 'interrupted', finished_at = now() "
            "WHERE index_name = %s AND status = 'running'",
            (self._index,),
        )

    def running(self) -> tuple[str, str, datetime] | None:
        """(run, host, since) of the run in progress, as far as it said so."""
        return self._connection.execute(
            "SELECT id, host, started_at FROM ragctl.runs "
            "WHERE index_name = %s AND status = 'running' ORDER BY started_at DESC LIMIT 1",
            (self._index,),
        ).fetchone()
