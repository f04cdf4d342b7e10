"""One task of an exported DAG: the stages that it names, on what the task before handed on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.models.choice import refuse_unpinned
from ragctl.run.models.retry_notes import RetryNotes
from ragctl.run.tasks.ask_task import STAGES as ASK_STAGES
from ragctl.run.tasks.ask_task import run_questions
from ragctl.run.tasks.exported_spec import load_exported_spec
from ragctl.run.tasks.work_directory import work_directory

EXPERIMENT_STAGES = ("variants", "ingest_variant", "evaluate_variant", "compare_variants")
_LOG = logging.getLogger("ragctl")


def run_stage(
    *stages: str,
    spec: Mapping[str, Any],
    run: str,
    conf: Mapping[str, Any] | str | None = None,
    given: Any = None,
    environment: Mapping[str, str] | None = None,
    is_over: Callable[[str], bool] = lambda run: False,
    note: Callable[[str], None] = _LOG.info,
) -> Any:
    """Carries out one stage, or several neighbours, as one task of a DAG run.

    Args:
        stages: `plan`, `publish`, neighbours of extract, chunk, embed, store, neighbours of
            rephrase, query, dedupe, rank, answer, or one of an experiment's, see `experiment_task`.
        spec: `SPEC` of the exported DAG, see `load_exported_spec`.
        run: `<dag_id>/<run_id>`; what the index is held by.
        conf: the parameters that the run was triggered with, also as JSON.
        given: what the task before returned.
        environment: values in place of environment variables; the process's own if None.
        is_over: has this other DAG run, which holds the index, come to its end?
        note: told what a person who reads the task's log wants to know.

    Returns:
        Plain JSON values: a reference to the next task's input, or the run's result.

    Raises:
        RagctlError: trying again may help where it is `Unavailable` or `RunInProgress`.
    """
    loaded = load_exported_spec(spec)
    refuse_unpinned(loaded)
    if stages[0] in EXPERIMENT_STAGES:
        from ragctl.run.tasks.experiment_task import run_experiment_stage

        return run_experiment_stage(loaded, stages, given, conf, environment=environment, note=note)
    with Composition(loaded, environment) as composition, database_errors():
        composition.tell = RetryNotes(note)
        if stages[0] in ASK_STAGES:
            _check_neighbours(stages, ASK_STAGES)
            if composition.spec.asks_database:
                from ragctl.run.tasks.sql_ask_task import run_sql_questions

                work = work_directory(loaded, "ask")
                return run_sql_questions(composition, stages, given, conf, run, work)
            return run_questions(composition, stages, given, conf, run, work_directory(loaded, "ask"))
        return _run_ingest_stages(composition, stages, given, conf, run, is_over=is_over, note=note)


def _run_ingest_stages(
    composition: Composition,
    stages: tuple[str, ...],
    given: Any,
    conf: Mapping[str, Any] | str | None,
    run: str,
    *,
    is_over: Callable[[str], bool],
    note: Callable[[str], None],
) -> Any:
    # Not imported for a question, whose asker waits.
    from ragctl.run.tasks.batch_task import STAGES, run_batch
    from ragctl.run.tasks.parameters import ingest_parameters
    from ragctl.run.tasks.plan_task import plan_ingest
    from ragctl.run.tasks.publish_task import publish_ingest

    parameters = ingest_parameters(conf)  # a wrong one is refused by whichever task comes first
    work = work_directory(composition.loaded, "ingest")
    if stages == ("plan",):
        return plan_ingest(composition, run, parameters, work, is_over=is_over, note=note)
    if stages == ("publish",):
        asks = work_directory(composition.loaded, "ask")
        return publish_ingest(composition, run, work, asks, note=note)
    _check_neighbours(stages, STAGES)
    return run_batch(composition, stages, given, work, note=note)


def _check_neighbours(stages: tuple[str, ...], order: tuple[str, ...]) -> None:
    first = order.index(stages[0]) if stages[0] in order else 0
    if stages != order[first : first + len(stages)]:
        raise UsageError(
            f"{', '.join(stages)} are no neighbouring stages of {', '.join(order)}",
            hint="export the DAG again: ragctl export-dag SPEC -o FILE",
        )
