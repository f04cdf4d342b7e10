"""Runs: who did what to an index, when, with what outcome."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text

if TYPE_CHECKING:
    from psycopg import Connection


# What a process that died could not say of itself.
_DIED = {"kind": "died", "message": "its process ended without a word; the next run closed its record"}
_COLUMNS = "id, pipeline, command, host, status, started_at, finished_at, record"
FORGOTTEN = "(forgotten)"
MEASURED_TOKENS = 20_000
"""A run of fewer is not taken for a measurement of a model's speed. The local model takes some seconds."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `status`: running, done, failed, interrupted or abandoned; `record`: see run.run_record."""

    id: str
    pipeline: str
    command: str
    host: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    record: Mapping[str, Any]


def new_run_id(now: datetime | None = None) -> str:
    """A name that sorts by time: `20261122T151600-3f9a2c`."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Runs:
    """The record of runs on one index."""

    def __init__(self, connection: Connection[Any], index: str) -> None:
        self._connection = connection
        self._index = index

    def start(
        self,
        run: str,
        *,
        pipeline: str,
        command: str,
        record: Mapping[str, object] | None = None,
        again: bool = False,
    ) -> None:
        """Opens a run.

        Args:
            record: what will be known of the run if it does not come to its end.
            again: a run of this name that there is already (a DAG's, tried again) is opened anew.
        """
        anew = (
            "ON CONFLICT (id) DO UPDATE SET host = excluded.host, status = 'running', finished_at = NULL, "
            "record = excluded.record"
        )
        self._connection.execute(
            "INSERT INTO runs (id, index_name, pipeline, command, host, status, record) "
            f"VALUES (%s, %s, %s, %s, %s, 'running', %s) {anew if again else ''}",
            (run, self._index, pipeline, command, socket.gethostname(), json_text(record or {})),
        )

    def reopen(self, run: str) -> RunRow | None:
        """The run of this name, `running` again; None if there is none, or if it was abandoned."""
        row = self._connection.execute(
            "UPDATE runs SET status = 'running', finished_at = NULL "
            f"WHERE status <> 'abandoned' AND index_name = %s AND id = %s RETURNING {_COLUMNS}",
            (self._index, run),
        ).fetchone()
        return RunRow(*row) if row else None

    def finish(self, run: str, status: str, record: Mapping[str, object]) -> None:
        """Closes a run that is `running`; one that was closed by others stays as they left it.

        Args:
            status: done, failed, interrupted or abandoned.
        """
        self._connection.execute(
            "UPDATE runs SET status = %s, finished_at = now(), record = %s "
            "WHERE id = %s AND status = 'running'",
            (status, json_text(record), run),
        )

    def abandon(self, run: str, error: Mapping[str, object], *, status: str = "abandoned") -> bool:
        """Closes a run that is `running` for good; False if it is not."""
        return (
            self._connection.execute(
                "UPDATE runs SET status = %s, finished_at = now(), "
                "record = record || jsonb_build_object('error', %s::jsonb) "
                "WHERE index_name = %s AND id = %s AND status = 'running'",
                (status, json_text(error), self._index, run),
            ).rowcount
            == 1
        )

    def find(self, run: str) -> RunRow | None:
        """The run of exactly this name."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE index_name = %s AND id = %s", (self._index, run)
        ).fetchone()
        return RunRow(*row) if row else None

    def close_dead(self) -> None:
        """Runs that were left `running` by a process that died. Only the holder of the lease may say so.

        Those that only ask hold no lease: see `state.asking`.
        """
        self._connection.execute(
            "UPDATE runs SET status = 'interrupted', finished_at = now(), "
            "record = record || jsonb_build_object('error', %s::jsonb) "
            "WHERE index_name = %s AND status = 'running' AND command NOT IN ('ask', 'eval')",
            (json_text(_DIED), self._index),
        )

    def close_as_dead(self, run: str) -> None:
        """One run that was left `running` by a process that died."""
        self.abandon(run, _DIED, status="interrupted")

    def asking(self) -> list[str]:
        """Runs in progress that only ask; their processes may have died."""
        rows = self._connection.execute(
            "SELECT id FROM runs WHERE index_name = %s AND status = 'running' AND command IN ('ask', 'eval')",
            (self._index,),
        ).fetchall()
        return [str(name) for (name,) in rows]

    def running(self) -> tuple[str, str, datetime] | None:
        """(run, host, since) of the run in progress that writes, as far as it said so."""
        return self._connection.execute(
            "SELECT id, host, started_at FROM runs "
            "WHERE index_name = %s AND status = 'running' AND command NOT IN ('ask', 'eval') "
            "ORDER BY started_at DESC LIMIT 1",
            (self._index,),
        ).fetchone()

    def latest(self, limit: int | None = None) -> list[RunRow]:
        """The newest first; all of them without a limit."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE index_name = %s ORDER BY started_at DESC, id DESC LIMIT %s",
            (self._index, limit),
        ).fetchall()
        return [RunRow(*row) for row in rows]

    def beginning_with(self, prefix: str) -> list[RunRow]:
        """Those whose name begins so, the newest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE index_name = %s AND starts_with(id, %s) "
            "ORDER BY started_at DESC, id DESC",
            (self._index, prefix),
        ).fetchall()
        return [RunRow(*row) for row in rows]

    def contribution(self, run: str) -> tuple[int, int]:
        """(documents, chunks) in the index's generations now that were written by this run."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(d.chunks), 0) FROM documents d "
            "JOIN generations g ON g.id = d.generation WHERE g.index_name = %s AND d.run = %s",
            (self._index, run),
        ).fetchone()
        assert row is not None  # an aggregate gives one row
        return int(row[0]), int(row[1])

    def forget(self, source: str, names: Collection[str]) -> int:
        """Takes documents of these names out of the records; how many records were changed.

        Their failures stay as entries, without name and message, so that a record's counts still
        fit; an error that mentions one of the names loses its message and place.
        """
        changed = 0
        for run, record in self._connection.execute(
            "SELECT id, record FROM runs WHERE index_name = %s FOR UPDATE", (self._index,)
        ).fetchall():
            scrubbed = _scrubbed(record, source, names)
            if scrubbed != record:
                changed += self._connection.execute(
                    "UPDATE runs SET record = %s WHERE id = %s", (json_text(scrubbed), run)
                ).rowcount
        return changed

    def tokens_per_second(self, embedder: str) -> float | None:
        """The rate of the latest runs, on any index, that embedded a fair amount with this embedder."""
        row = self._connection.execute(
            """
            SELECT sum((record->'embed'->>'tokens')::float8), sum((record->'embed'->>'seconds')::float8)
            FROM (SELECT record FROM runs
                  WHERE record->'versions'->>'embedder' = %s
                    AND (record->'embed'->>'seconds')::float8 > 0
                  ORDER BY started_at DESC LIMIT 5) latest
            """,
            (embedder,),
        ).fetchone()
        return float(row[0] / row[1]) if row and row[0] and row[1] else None


def measured_rate(connection: Connection[Any], provider: str, model: str, *, gpu: bool) -> float | None:
    """Tokens a second of the latest runs, on any index, that embedded a fair amount with this model.

    Smaller runs are left out: they measure how long the model takes to load.

    Args:
        gpu: on a GPU; a processor's speed says nothing of that.
    """
    row = connection.execute(
        """
        SELECT sum((record->'embed'->>'tokens')::float8), sum((record->'embed'->>'seconds')::float8)
        FROM (SELECT record FROM runs
              WHERE record->'embed'->>'provider' = %s AND record->'embed'->>'model' = %s
                AND (record->'embed'->>'gpu')::boolean = %s AND (record->'embed'->>'seconds')::float8 > 0
                AND (record->'embed'->>'tokens')::float8 >= %s
              ORDER BY started_at DESC LIMIT 5) latest
        """,
        (provider, model, gpu, MEASURED_TOKENS),
    ).fetchone()
    return float(row[0] / row[1]) if row and row[0] and row[1] else None


def _scrubbed(record: dict[str, Any], source: str, names: Collection[str]) -> dict[str, Any]:
    result = dict(record)
    if record.get("failures"):
        result["failures"] = [_without(one, source, names) for one in record["failures"]]
    error = record.get("error")
    if error and any(name in f"{error.get('message')} {error.get('where')}" for name in names):
        result["error"] = {**error, "message": FORGOTTEN, "where": None}
    return result


def _without(failure: dict[str, Any], source: str, names: Collection[str]) -> dict[str, Any]:
    if failure.get("source") == source and failure.get("document") in names:
        return {**failure, "document": FORGOTTEN, "message": FORGOTTEN}
    # A question's failure may name the document whose passage was not to be sent.
    if failure.get("stage") == "ask" and any(name in str(failure.get("message")) for name in names):
        return {**failure, "message": FORGOTTEN}
    return failure
