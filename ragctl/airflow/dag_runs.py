"""Runs of exported DAGs from outside: start one, wait for its end, have its result or its error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ragctl.airflow.answers import NotThere
from ragctl.airflow.failed_run import TaskFailure, deciding, failures_of
from ragctl.airflow.faults import (
    RETURN_VALUE,
    AirflowDenied,
    AirflowRunFailed,
    AirflowUnavailable,
    DagMissing,
    DagPaused,
)
from ragctl.airflow.rest import Api, Query
from ragctl.airflow.xcoms import xcom_of
from ragctl.errors import RagctlError, UsageError

PATIENCE_S = 120.0
"""Seconds that Airflow's API may be out of reach while a run is waited for."""

MOST_FILES = 3
"""Files with import errors that are named where a DAG is missing."""

OVER = ("success", "failed")


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run by its ids. `url` is its page for people, `task` the id of the one that returns the result."""

    dag_id: str
    run_id: str
    url: str
    task: str

    @property
    def path(self) -> str:
        """Below `/api/v2`."""
        return f"/dags/{quote(self.dag_id, safe='')}/dagRuns/{quote(self.run_id, safe='')}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        result: what the result's task returned; None if it returned nothing.
        error: why the run failed; None if it succeeded.
        failures: of its tasks, the first that failed first.
        failed: how many of its tasks failed.
    """

    result: Any
    error: RagctlError | None = None
    failures: tuple[TaskFailure, ...] = ()
    failed: int = 0


@dataclass(slots=True)
class DagClient:
    """Starts DAG runs and waits for them.

    Args:
        api: the Airflow; its errors may come out of every call.
        patience_s: seconds without an answer after which waiting is given up; the run goes on.
        say: told what a person may want to know while they wait.
    """

    api: Api
    patience_s: float = PATIENCE_S
    say: Callable[[str], None] = field(default=lambda message: None)

    def new_run(self, dag_id: str, stage: str) -> DagRun:
        """A run that may be started: the DAG is there and not paused.

        Its id is chosen here, in Airflow's own form, so that it is known even if the answer to the call
        that starts it gets lost.

        Args:
            dag_id: the DAG.
            stage: whose task returns the run's result: alone, or as the last of several in one task.

        Raises:
            DagMissing, DagPaused: there is no such DAG, or a run of it would wait for ever.
            AirflowUnavailable, AirflowDenied: see `Api`.
        """
        try:
            dag = self.api.get(f"/dags/{quote(dag_id, safe='')}")
        except NotThere:
            raise self._missing(dag_id) from None
        if dag.get("is_stale") is True or dag.get("has_import_errors") is True:
            raise self._missing(dag_id)
        if dag.get("is_paused") is True:
            raise DagPaused(
                f"the DAG {dag_id!r} is paused: its run would wait until somebody unpauses it",
                where=self.api.base_url,
                hint=f"airflow dags unpause {dag_id}, or the switch beside its name in Airflow",
            )
        run_id = f"manual__{datetime.now(UTC).isoformat(timespec='microseconds')}"
        url = f"{self.api.base_url}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe=':+')}"
        return DagRun(dag_id, run_id, url, self._task_of(dag_id, stage))

    def start(self, run: DagRun, conf: dict[str, Any]) -> None:
        """Starts it, now and without a logical date, so that it is one of many at a time.

        Raises:
            UsageError: the DAG's parameters do not allow this conf.
            GuardRefused: there is a run of that id already.
            AirflowUnavailable, AirflowDenied: see `Api`.
        """
        body = {"dag_run_id": run.run_id, "logical_date": None, "conf": conf}
        try:
            self.api.post(f"/dags/{quote(run.dag_id, safe='')}/dagRuns", body)
        except NotThere:
            raise self._missing(run.dag_id) from None
        except AirflowUnavailable as error:
            # It may have been started all the same, and starting another would do the work twice.
            if not self._is_there(run):
                raise AirflowUnavailable(
                    error.message,
                    where=error.where,
                    hint=f"{error.hint}; if it was started all the same, it is {run.run_id} of {run.dag_id}",
                ) from error

    def wait(self, run: DagRun, *, interval_s: float) -> Outcome:
        """How it ended, as soon as it has; looked at every `interval_s` seconds.

        Raises:
            AirflowRunFailed: somebody deleted the run.
            AirflowUnavailable, AirflowDenied: see `Api`; the run itself goes on.
        """
        try:
            state, results = self._ended(run, interval_s)
        except AirflowDenied as error:
            raise AirflowDenied(error.message, where=error.where, hint=_goes_on(run)) from error
        result = results.get(run.task)
        if result is None:
            result = xcom_of(self.api, run.path, run.task, RETURN_VALUE)
        if state == "success":
            return Outcome(result)
        failures, failed = failures_of(self.api, run.path, run.task)
        return Outcome(result, deciding(failures, failed, run.dag_id, run.url), failures, failed)

    def _ended(self, run: DagRun, interval_s: float) -> tuple[str, dict[str, Any]]:
        try:
            return self._streamed(run, interval_s)
        except (AirflowUnavailable, UsageError):  # Airflow without this call, or the stream broke
            return self._polled(run, interval_s), {}

    def _streamed(self, run: DagRun, interval_s: float) -> tuple[str, dict[str, Any]]:
        """The state at the end and the tasks' results, from the call that waits (Airflow 3.1 and later)."""
        query: Query = {"interval": interval_s, "result": run.task}
        for line in self.api.lines(f"{run.path}/wait", query):
            try:
                seen = json.loads(line)
            except ValueError:
                break
            state = seen.get("state") if isinstance(seen, dict) else None
            if state in OVER:
                results = seen.get("results")
                return state, results if isinstance(results, dict) else {}
        raise AirflowUnavailable("the stream of states ended before the run", where=run.url)

    def _polled(self, run: DagRun, interval_s: float) -> str:
        silent_since: float | None = None
        while True:
            try:
                seen = self.api.get(run.path)
                silent_since = None
            except NotThere:
                raise AirflowRunFailed(
                    f"the run {run.run_id} is no longer there: somebody deleted it", where=run.url
                ) from None
            except AirflowUnavailable as error:
                now = time.monotonic()
                if silent_since is None:
                    silent_since = now
                    self.say(f"{error}; trying for another {self.patience_s:.0f} s")
                if now - silent_since >= self.patience_s:
                    raise AirflowUnavailable(error.message, where=error.where, hint=_goes_on(run)) from error
            else:
                if seen.get("state") in OVER:
                    return str(seen["state"])
            time.sleep(interval_s)

    def _is_there(self, run: DagRun) -> bool:
        try:
            self.api.get(run.path)
        except RagctlError:
            return False
        return True

    def _task_of(self, dag_id: str, stage: str) -> str:
        tasks = self.api.get(f"/dags/{quote(dag_id, safe='')}/tasks").get("tasks", [])
        names = [str(task.get("task_id")) for task in tasks]
        for name in names:
            if name.rpartition(".")[2].split("_")[-1] == stage:
                return name
        raise DagMissing(
            f"the DAG {dag_id!r} has no task for the stage {stage}; it has {', '.join(names) or 'none'}",
            where=self.api.base_url,
            hint="is it one that ragctl export-dag wrote?",
        )

    def _missing(self, dag_id: str) -> DagMissing:
        kind = dag_id.rpartition("_")[2]
        return DagMissing(
            f"Airflow has no DAG {dag_id!r}{self._import_errors(dag_id)}",
            where=self.api.base_url,
            hint=f"ragctl export-dag SPEC --kind {kind} -o {dag_id}.py writes it; put that file into the "
            "DAGs folder, and wait until Airflow has seen it, which may take some minutes",
        )

    def _import_errors(self, dag_id: str) -> str:
        try:
            found = self.api.get("/importErrors", {"limit": 100}).get("import_errors", [])
        except RagctlError:
            return ""  # it only adds to an error, and not everybody may read them
        if not found:
            return ""
        name = dag_id.rpartition("_")[0]
        found.sort(key=lambda one: name not in str(one.get("filename")))
        shown = "; ".join(
            f"{one.get('filename')}: {_last_line(one.get('stack_trace'))}" for one in found[:MOST_FILES]
        )
        more = f"; and {len(found) - MOST_FILES} more" if len(found) > MOST_FILES else ""
        return f"; files that it cannot import: {shown}{more}"


def _goes_on(run: DagRun) -> str:
    return f"the run goes on in Airflow: {run.run_id} of {run.dag_id}, {run.url}"


def _last_line(stack_trace: object) -> str:
    lines = str(stack_trace or "").strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"
