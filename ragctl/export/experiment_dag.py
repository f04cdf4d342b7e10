"""The experiment DAG: a mapped group of tasks for every variant, and their comparison."""

from __future__ import annotations

from ragctl.export.dag_parts import DagParts, Wanted
from ragctl.export.imports import Import, Imports
from ragctl.export.options import AirflowVersion
from ragctl.export.python_text import Call, Code, Value, indented, spelled
from ragctl.export.schedule_text import experiment_asset
from ragctl.export.steps import Step, make_step
from ragctl.export.task_text import call_of, decorated, decorator, imported, stage_call, stage_task
from ragctl.spec.airflow_settings import StageTask

_OUTLETS: dict[str, Value] = {"outlets": Code("[EXPERIMENT]")}
_TELL = 'outlet_events[EXPERIMENT].extra = summary["asset"]'
# One index has one writer: the second would only wait for the first.
_ONE_AT_A_TIME: dict[str, Value] = {"max_active_tis_per_dagrun": 1}
# What a task is called in Airflow's list of mapped tasks; `run_stage` says which variant it is.
_NAMED: dict[str, Value] = {"map_index_template": "{{ variant }}"}
_ALWAYS: dict[str, Value] = {"trigger_rule": "all_done"}


def experiment_parts(wanted: Wanted) -> DagParts:
    """The DAG that measures the variants of a spec.

    A variant's ingest has the settings of the stage `embed`, its questions those of `query`, the first task
    those of `plan` and the last those of `publish`.
    """
    settings, options = wanted.spec.airflow, wanted.options
    variants = make_step(settings, options, "plan", name="variants")
    ingest = make_step(settings, options, "embed", name="ingest_variant")
    evaluate = make_step(settings, options, "query", name="evaluate_variant")
    compare = make_step(settings, options, "publish", name="compare_variants")
    index = wanted.spec.store.index
    return DagParts(
        does=f"measures variants of the index {index} side by side",
        steps=[variants, ingest, evaluate, compare],
        arguments=_arguments(wanted),
        body=[
            '"""Name the variants, ingest and measure each apart from the live index, compare."""',
            "",
            *stage_task(variants, takes=None, returns="list[str]"),
            *stage_task(ingest, takes="str", keywords={**_ONE_AT_A_TIME, **_named(ingest)}),
            *_telling(evaluate, takes="dict"),
            *_telling(compare, takes=None),
            *_announce(evaluate, compare),
            *_group(ingest, evaluate),
            *_wiring(variants, compare),
        ],
        constants=["", *spelled("EXPERIMENT = ", experiment_asset(index))],
        imports=_IMPORTS,
    )


_IMPORTS: Imports = frozenset(
    {
        *(Import("airflow.sdk", name) for name in ("Asset", "Param", "dag", "task", "task_group")),
        Import("datetime", "timedelta"),
    }
)


def _arguments(wanted: Wanted) -> dict[str, Value]:
    settings = wanted.spec.airflow
    backoff: Value = True if wanted.options.airflow_version is AirflowVersion.V3_1 else 2.0
    return {
        "schedule": None,
        "catchup": False,
        "max_active_runs": 1,
        "params": {
            "max_cost": Call(
                "Param",
                (None,),
                {
                    "type": Code('["number", "null"]'),
                    "minimum": 0,
                    "description": "The most that each ingest, and each variant's questions, may cost.",
                },
            )
        },
        "default_args": {
            "retries": settings.retries,
            "retry_delay": Code(f"timedelta(seconds={settings.retry_delay})"),
            "retry_exponential_backoff": backoff,
        },
    }


def _telling(step: Step, *, takes: str | None) -> list[str]:
    """A task that gives Airflow an event of the experiment's asset, where it has Airflow to give it to."""
    always = _ALWAYS if takes is None else {}
    if not step.settings.has_airflow:
        return stage_task(step, takes=takes, keywords=always)
    named = {} if takes is None else _named(step)
    body = [*imported(step), "", *stage_call("summary = ", step, given=takes is not None), _TELL]
    parameters = [*([f"given: {takes}"] if takes else []), "*", "outlet_events"]
    return decorated(
        step, [*body, "return summary"], parameters=parameters, keywords={**_OUTLETS, **named, **always}
    )


def _named(step: Step) -> dict[str, Value]:
    return _NAMED if step.settings.has_airflow else {}


def _announce(*steps: Step) -> list[str]:
    if all(step.settings.has_airflow for step in steps):
        return []
    return [
        *decorator(StageTask(), _OUTLETS),
        "def announce(summary: dict, *, outlet_events) -> None:",
        '    """Tell Airflow what was measured."""',
        f"    {_TELL}",
        "",
    ]


def _group(ingest: Step, evaluate: Step) -> list[str]:
    lines = [f"reference = {call_of(ingest, 'variant')}"]
    if evaluate.settings.has_airflow:
        lines.append(f"return {call_of(evaluate, 'reference')}")
    else:
        lines += [f"measured = {call_of(evaluate, 'reference')}", "announce(measured)", "return measured"]
    return [
        "@task_group",
        "def per_variant(variant: str):",
        '    """What is done with each variant."""',
        *indented(lines),
        "",
    ]


def _wiring(variants: Step, compare: Step) -> list[str]:
    lines = [f"names = {call_of(variants)}", "measured = per_variant.expand(variant=names)"]
    if compare.settings.has_airflow:
        return [*lines, f"[names, measured] >> {call_of(compare)}"]
    return [*lines, f"compared = {call_of(compare)}", "[names, measured] >> compared", "announce(compared)"]
