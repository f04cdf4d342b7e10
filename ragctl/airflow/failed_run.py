"""Which tasks of a failed DAG run failed, what their logs end with, and the error to make of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragctl.airflow.faults import (
    FAILED_TASK_ERROR,
    AirflowDenied,
    AirflowRunFailed,
    AirflowUnavailable,
    error_of,
)
from ragctl.airflow.rest import Api, Query
from ragctl.airflow.xcoms import task_path, xcom_of
from ragctl.errors import RagctlError

LOG_LINES = 30
"""Lines of a failed task's log that are shown."""

LOGGED_ERROR = f"{FAILED_TASK_ERROR}: "
"""What an error's JSON follows in the log of a task that runs without Airflow."""

LONGEST_LINE = 1000
"""Characters of a line of a log that are shown."""

_FOLDS = ("::group::", "::endgroup::")
"""What Airflow's pages fold a log by."""

MOST_ASKED = 20
"""Failed tasks that are asked for their error."""


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task instance that failed.

    Attributes:
        task: its id, with the number of the mapped instance: `per_batch.extract [3]`.
        error: what ragctl raised in it; None if that is not known.
        sums_up: it is the task that returns the run's result.
        log: the last lines of its log, of those whose log is shown.
    """

    task: str
    error: RagctlError | None
    sums_up: bool = False
    log: tuple[str, ...] = ()


def failures_of(api: Api, run_path: str, result_task: str) -> tuple[tuple[TaskFailure, ...], int]:
    """The failed tasks of a run, in the order in which they failed, and how many there are in all.

    Tasks that were not run because others had failed are not among them. The logs of the first one, and
    of the one that the run's error comes from, are read.

    Args:
        run_path: of the run, below `/api/v2`.
        result_task: the task that sums the run up: its error, if it has one, is the run's.
    """
    query: Query = {"state": "failed", "order_by": "end_date", "limit": 100}
    answer = api.get(f"{run_path}/taskInstances", query)
    instances = answer.get("task_instances", [])
    instances.sort(key=lambda one: one.get("task_id") == result_task)  # last, as it is run last
    # Of very many the first, and the last: that may be the one that sums up.
    asked = instances if len(instances) <= MOST_ASKED else [*instances[: MOST_ASKED - 1], instances[-1]]
    found = [
        TaskFailure(_label(one), _error(api, run_path, one), one.get("task_id") == result_task)
        for one in asked
    ]
    for number in {0, _decisive(found)} if found else ():
        found[number] = _with_log(found[number], api, run_path, asked[number])
    return tuple(found), int(answer.get("total_entries", len(instances)))


def deciding(failures: Sequence[TaskFailure], failed: int, dag_id: str, url: str) -> RagctlError:
    """The error of a failed run: what ragctl said in the task that decides, if it said something."""
    if not failures:
        return AirflowRunFailed(
            f"the run of {dag_id!r} failed, and none of its tasks did",
            where=url,
            hint="somebody marked it as failed, or it took longer than the DAG allows",
        )
    decisive = failures[_decisive(failures)]
    if decisive.error is not None:
        return decisive.error
    others = f" and {failed - 1:,} more" if failed > 1 else ""
    return AirflowRunFailed(
        f"the task {decisive.task}{others} of {dag_id!r} failed without an error of ragctl",
        where=url,
        hint="its log says why; a worker that was killed, a time limit or a broken installation are likely",
    )


def _decisive(failures: Sequence[TaskFailure]) -> int:
    """The one that sums the run up, if it has an error; else the first that has one; else the first."""
    known = [number for number, failure in enumerate(failures) if failure.error is not None]
    return next((number for number in known if failures[number].sums_up), known[0] if known else 0)


def _error(api: Api, run_path: str, instance: dict[str, Any]) -> RagctlError | None:
    task, number = str(instance.get("task_id")), _map_index(instance)
    return error_of(xcom_of(api, run_path, task, FAILED_TASK_ERROR, map_index=number))


def _with_log(failure: TaskFailure, api: Api, run_path: str, instance: dict[str, Any]) -> TaskFailure:
    """The same with the end of its log, and the error that stands in it if none is known.

    A task that runs in a Python without Airflow can leave its error nowhere else.
    """
    path = f"{task_path(run_path, str(instance.get('task_id')))}/logs/{instance.get('try_number', 1)}"
    query: Query = {"map_index": _map_index(instance), "full_content": "true"}
    last: deque[str] = deque(maxlen=LOG_LINES)
    error = failure.error
    try:
        for line in api.lines(path, query):
            last.append(line)
            if failure.error is None and LOGGED_ERROR in line:
                error = _logged_error(_event(line)) or error
    except (AirflowUnavailable, AirflowDenied) as fault:
        return replace(failure, log=(f"(its log cannot be read: {fault.message})",))
    shown = [text[:LONGEST_LINE] for line in last for text in _log_lines(line)]
    return replace(failure, error=error, log=tuple(shown[-LOG_LINES:]))


def _logged_error(event: str) -> RagctlError | None:
    _, mark, document = event.partition(LOGGED_ERROR)
    try:
        return error_of(json.JSONDecoder().raw_decode(document)[0]) if mark else None
    except ValueError:
        return None


def _event(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("event", "")) if isinstance(entry, dict) else line


def _log_lines(line: str) -> list[str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(entry, dict):
        return [str(entry)]
    if str(entry.get("event", "")).startswith(_FOLDS):
        return []
    stamp = str(entry.get("timestamp") or "")[:19].replace("T", " ")
    level = str(entry.get("level") or "").upper()
    text = " ".join(part for part in (stamp, level, str(entry.get("event", ""))) if part)
    return [*text.splitlines(), *_raised(entry.get("error_detail"))]


def _raised(detail: object) -> list[str]:
    """The exceptions of a structured log entry, one a line, without their frames."""
    found = [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
    text = "\n".join(f"{one.get('exc_type')}: {one.get('exc_value')}" for one in found)
    return text.splitlines()


def _map_index(instance: dict[str, Any]) -> int:
    number = instance.get("map_index")
    return number if isinstance(number, int) else -1


def _label(instance: dict[str, Any]) -> str:
    number = _map_index(instance)
    name = str(instance.get("task_id"))
    return name if number < 0 else f"{name} [{number}]"
