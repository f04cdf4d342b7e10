"""Evaluations that the index's record of runs holds, found by name and given back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.evaluating.eval_run import COMMAND
from ragctl.state.evaluations import questions_of
from ragctl.state.runs import RunRow, Runs

LAST = "last"


def kept_result(composition: Composition, name: str) -> dict[str, Any]:
    """The result of one evaluation, with its questions.

    Args:
        name: of its run, the beginning of that, or `last`.

    Raises:
        UsageError: there is none of that name, or several begin so.
        NothingPublished: no ingest has run here yet.
    """
    with database_errors():
        connection = composition.connect_to_existing()
        row = _found(Runs(connection, composition.index), name)
        questions = questions_of(connection, row.id)
    return {**in_order(row.record["evaluation"]), "per_question": questions}


def in_order(result: Mapping[str, Any]) -> dict[str, Any]:
    """The database keeps an object's keys in an order of its own; the first metric is the main one."""
    metrics = {name: result["metrics"][name] for name in result.get("metric_names", result["metrics"])}
    return {**result, "metrics": metrics}


def kept_evaluations(composition: Composition) -> list[RunRow]:
    """Runs that hold a result, the newest first.

    Raises:
        NothingPublished: no ingest has run here yet.
    """
    with database_errors():
        runs = Runs(composition.connect_to_existing(), composition.index)
        return [one for one in runs.latest() if "evaluation" in one.record]


def _found(runs: Runs, name: str) -> RunRow:
    rows = runs.latest() if name == LAST else runs.beginning_with(name)
    found = [one for one in rows if "evaluation" in one.record]
    if found and (name == LAST or len(found) == 1 or found[0].id == name):
        return found[0]
    if len(found) > 1:
        names = ", ".join(one.id for one in found[:3])
        raise UsageError(f"{len(found)} evaluations begin with {name!r}", hint=f"such as {names}")
    if rows and name != LAST:
        what = f"{rows[0].id} is no evaluation" + ("" if rows[0].command != COMMAND else " that has ended")
        raise UsageError(what, hint="ragctl eval SPEC --queries FILE makes one")
    raise UsageError(f"there is no evaluation {name!r}", hint="ragctl runs SPEC list names the runs")
