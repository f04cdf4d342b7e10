"""Inside an Airflow task: what an exported DAG calls.

Stages are run by `ragctl.run.tasks`, which knows nothing of Airflow. Here their surroundings are made
of the task's context, and their errors are put so that Airflow does what fits: it tries again what
trying again may mend, and fails at once what it cannot.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from ragctl.airflow.connections import environment_of
from ragctl.airflow.faults import FAILED_TASK_ERROR, RETURN_VALUE
from ragctl.errors import IncompleteIngest, RagctlError

log = logging.getLogger("ragctl")

OF_A_VARIANT = ("ingest_variant", "evaluate_variant")
"""Stages of an experiment's mapped tasks, which Airflow calls by their variant."""

OVER = frozenset({"success", "failed"})
"""States in which a DAG run stays, unless somebody clears it."""


def run_stage(*stages: str, spec: Mapping[str, Any], given: Any = None) -> Any:
    """Runs one stage, or neighbours one after another, of the DAG run that the calling task belongs to.

    Args:
        stages: names of stages, in order.
        spec: what the exported file says of its spec.
        given: what the task before returned.

    Returns:
        Plain JSON values.

    Raises:
        AirflowFailException: of a RagctlError that trying again cannot mend.
        AirflowException: of one that it may.
        Exception: a bug in ragctl, as it came.

    The error itself, and the report of an ingest with too many failures, are left as XComs
    (`ragctl_error`, `return_value`) for whoever triggered the run over REST.
    """
    from airflow.sdk import get_current_context

    from ragctl.run.tasks import load_exported_spec
    from ragctl.run.tasks import run_stage as run_stage_anywhere

    context = get_current_context()
    if stages[0] in OF_A_VARIANT:
        context["variant"] = given if isinstance(given, str) else given["variant"]
    task = context["ti"]
    try:
        settings = load_exported_spec(spec).spec.airflow
        result = run_stage_anywhere(
            *stages,
            spec=spec,
            run=f"{task.dag_id}/{task.run_id}",
            conf=context["dag_run"].conf or {},
            given=given,
            environment={**os.environ, **environment_of(settings.connections)},
            is_over=_is_over(task),
            note=log.info,
        )
    except RagctlError as error:
        _leave(task, error)
        raise _as_airflow_exception(error) from None
    if stages[-1] == "publish":
        _warn_of_failures(result)
    return result


def _as_airflow_exception(error: RagctlError) -> Exception:
    try:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException
    except ImportError:  # Airflow 3.1
        from airflow.exceptions import AirflowException, AirflowFailException

    message = f"{error}\nhint: {error.hint}" if error.hint else str(error)
    exception: Exception = (AirflowException if error.may_pass else AirflowFailException)(message)
    return exception


def _leave(task: Any, error: RagctlError) -> None:
    left: dict[str, Any] = {FAILED_TASK_ERROR: error.as_json()}
    if isinstance(error, IncompleteIngest):
        left[RETURN_VALUE] = dict(error.report)
    for key, value in left.items():
        try:
            task.xcom_push(key=key, value=value)
        except Exception as fault:
            # The task fails with its own error, which matters more than that nobody can read it over REST.
            log.warning("the XCom %s could not be left: %s", key, type(fault).__name__)


def _is_over(task: Any) -> Callable[[str], bool]:
    """Says of "<dag_id>/<run_id>" whether that DAG run has ended, or was deleted.

    While Airflow's API gives no answer a run is taken to go on: a live run is never pushed aside.
    """

    def is_over(run: str) -> bool:
        dag_id, slash, run_id = run.partition("/")
        if not slash:
            return False  # not one of Airflow's
        try:
            state = task.get_dagrun_state(dag_id, run_id)
        except Exception as error:
            if _status(error) == 404:
                return True
            log.warning("Airflow does not say whether %s is over: %s", run, error)
            return False
        return str(getattr(state, "value", state)) in OVER

    return is_over


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error of the API: as a worker hears of it, or as `dag.test()` does."""
    detail = getattr(getattr(error, "error", None), "detail", None)
    if isinstance(detail, dict):
        status = detail.get("status_code")
    else:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _warn_of_failures(report: object) -> None:
    failures = report.get("failures") if isinstance(report, Mapping) else None
    if failures:
        log.warning("%s documents failed in this run; the task's result lists them", len(failures))
