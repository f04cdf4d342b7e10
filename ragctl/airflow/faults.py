"""What can go wrong between ragctl and an Airflow, and errors that come back from a run there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ragctl.errors import (
    Drift,
    ExitCode,
    ExportDrift,
    GuardRefused,
    LockDrift,
    Mismatch,
    RagctlError,
    SpecError,
    Unavailable,
)

FAILED_TASK_ERROR = "ragctl_error"
"""XCom key under which a task that fails leaves its error, in the form of `RagctlError.as_json`."""

RETURN_VALUE = "return_value"
"""XCom key of a task's result, Airflow's own."""


class AirflowUnavailable(Unavailable):
    """Airflow's API cannot be reached, or what answers is not it."""

    kind = "airflow_unavailable"


class AirflowDenied(Unavailable):
    """Airflow does not know who asks, or does not let them."""

    kind = "airflow_denied"


class DagMissing(Unavailable):
    """Airflow does not have the DAG."""

    kind = "airflow_dag_missing"


class DagPaused(GuardRefused):
    """The DAG is paused: a run of it would wait for ever."""

    kind = "airflow_dag_paused"


class AirflowRunFailed(Unavailable):
    """A run failed in Airflow and left no error of ragctl: a worker was lost, a time limit was reached."""

    kind = "airflow_run_failed"


class StrangeResult(Mismatch):
    """A run in Airflow returned something that this ragctl does not understand."""

    kind = "airflow_result"


def error_of(document: object) -> RagctlError | None:
    """The error that `RagctlError.as_json` made this of: the same kind, exit code, message and hint.

    None if it is no such document. A kind that this version does not know keeps its name and code.
    """
    if not isinstance(document, Mapping):
        return None
    kind, message, code = document.get("kind"), document.get("message"), document.get("code")
    if not (isinstance(kind, str) and isinstance(message, str)) or code not in list(ExitCode):
        return None
    where, hint = _text(document.get("where")), _text(document.get("hint"))
    if kind == SpecError.kind:
        mistakes = [str(one) for one in _items(document.get("mistakes"))]
        return SpecError(message, where=where, hint=hint, mistakes=mistakes)
    for drift in (Drift, LockDrift, ExportDrift):
        if kind == drift.kind:
            moved = [(str(one.get("what")), one.get("was"), one.get("is")) for one in _moves(document)]
            return drift(message, where=where, hint=hint, moved=moved)
    return _class_of(kind, ExitCode(code))(message, where=where, hint=hint)


def _class_of(kind: str, code: ExitCode) -> type[RagctlError]:
    for known in _subclasses(RagctlError):
        if known.kind == kind and known.exit_code == code:
            return known
    return type("ForeignError", (RagctlError,), {"kind": kind, "exit_code": code})


def _subclasses(base: type[RagctlError]) -> Iterator[type[RagctlError]]:
    """Those that take the arguments of `RagctlError` and no others, the base of each kind first."""
    for one in base.__subclasses__():
        if one.__init__ is RagctlError.__init__:
            yield one
        yield from _subclasses(one)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _moves(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _items(document.get("moved")) if isinstance(one, Mapping)]
