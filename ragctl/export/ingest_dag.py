"""The ingest DAG: plan, a mapped group of tasks for every batch of documents, publish."""

from __future__ import annotations

from ragctl.export.dag_parts import DagParts, Wanted
from ragctl.export.imports import Import, Imports
from ragctl.export.options import AirflowVersion
from ragctl.export.python_text import Call, Code, Value, indented, literal, spelled
from ragctl.export.schedule_text import Schedule, index_asset, schedule_of
from ragctl.export.steps import Step, make_step, make_steps
from ragctl.export.task_text import call_of, decorated, decorator, imported, stage_call, stage_task
from ragctl.spec.airflow_settings import StageName, StageTask

BATCH_STAGES: tuple[StageName, ...] = ("extract", "chunk", "embed", "store")

_OUTLETS: dict[str, Value] = {"outlets": Code("[INDEX]")}
# publish looks itself at what became of the batches.
_ALWAYS: dict[str, Value] = {"trigger_rule": "all_done"}
_TELL = 'outlet_events[INDEX].extra = summary["asset"]'


def ingest_parts(wanted: Wanted) -> DagParts:
    """The DAG that brings an index up to date."""
    settings, version = wanted.spec.airflow, wanted.options.airflow_version
    plan = make_step(settings, wanted.options, "plan")
    batch = make_steps(settings, wanted.options, BATCH_STAGES)
    publish = make_step(settings, wanted.options, "publish")
    schedule = schedule_of(settings, version)
    store = wanted.spec.store
    return DagParts(
        does=f"keeps the index {store.index} up to date",
        steps=[plan, *batch, publish],
        arguments=_arguments(wanted, schedule, version),
        body=[
            '"""Plan, read what is new or has changed in batches, publish."""',
            "",
            *stage_task(plan, takes=None, returns="list[dict]"),
            *(line for step in batch for line in stage_task(step, takes="dict")),
            *_publish(publish),
            *_group(batch),
            *_wiring(plan, publish),
        ],
        constants=["", *spelled("INDEX = ", index_asset(store.type, store.index))],
        imports=_IMPORTS | schedule.imports,
    )


_IMPORTS: Imports = frozenset(
    {
        *(Import("airflow.sdk", name) for name in ("Asset", "Param", "dag", "task", "task_group")),
        Import("datetime", "timedelta"),
    }
)


def _arguments(wanted: Wanted, schedule: Schedule, version: AirflowVersion) -> dict[str, Value]:
    settings = wanted.spec.airflow
    # A number since Airflow 3.2, by which the delay is multiplied; before, a switch for doubling it.
    backoff: Value = True if version is AirflowVersion.V3_1 else 2.0
    return {
        **schedule.arguments,
        "catchup": False,
        "max_active_runs": 1,  # an index has one writer
        "params": _PARAMS,
        "default_args": {
            "retries": settings.retries,
            "retry_delay": Code(f"timedelta(seconds={settings.retry_delay})"),
            "retry_exponential_backoff": backoff,
        },
    }


def _param(default: Value, types: str | list[str], description: str, **rules: Value) -> Call:
    kinds: Value = types if isinstance(types, str) else Code(f"[{', '.join(map(literal, types))}]")
    return Call("Param", (default,), {"type": kinds, **rules, "description": description})


_PARAMS: dict[str, Value] = {
    "allow_delete": _param(
        None, ["integer", "null"], "Let up to so many documents be deleted, whatever their share.", minimum=0
    ),
    "allow_partial": _param(False, "boolean", "Publish a new generation although documents failed in it."),
    "retry_failed": _param(False, "boolean", "Try again what failed for good, too."),
    "undo_rollback": _param(False, "boolean", "Build a new generation although its recipe was rolled back."),
    "max_cost": _param(None, ["number", "null"], "Spend no more than this, in US dollars.", minimum=0),
}


def _publish(step: Step) -> list[str]:
    if not step.settings.has_airflow:
        return [*stage_task(step, takes=None, keywords=_ALWAYS), *_announce()]
    body = [*imported(step), "", *stage_call("summary = ", step, given=False), _TELL, "return summary"]
    return decorated(step, body, parameters=["*", "outlet_events"], keywords={**_OUTLETS, **_ALWAYS})


def _announce() -> list[str]:
    """The asset event, where publish itself has no Airflow to give it to."""
    return [
        *decorator(StageTask(), _OUTLETS),
        "def announce(summary: dict, *, outlet_events) -> None:",
        '    """Tell Airflow what was published."""',
        f"    {_TELL}",
        "",
    ]


def _group(batch: list[Step]) -> list[str]:
    given, lines = "batch", []
    for step in batch[:-1]:
        lines.append(f"reference = {call_of(step, given)}")
        given = "reference"
    return [
        "@task_group",
        "def per_batch(batch: dict):",
        '    """What is done with each batch of documents."""',
        *indented([*lines, f"return {call_of(batch[-1], given)}"]),
        "",
    ]


def _wiring(plan: Step, publish: Step) -> list[str]:
    lines = [f"batches = {call_of(plan)}", "stored = per_batch.expand(batch=batches)"]
    if publish.settings.has_airflow:
        return [*lines, f"[batches, stored] >> {call_of(publish)}"]
    return [
        *lines,
        f"published = {call_of(publish)}",
        "[batches, stored] >> published",
        "announce(published)",
    ]
