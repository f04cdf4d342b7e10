"""The ask DAG: one question, or several, from wording to answer."""

from __future__ import annotations

from collections.abc import Collection

from ragctl.export.dag_parts import DagParts, Wanted
from ragctl.export.imports import Import, Imports
from ragctl.export.options import AirflowVersion
from ragctl.export.python_text import Call, Code, Value
from ragctl.export.steps import make_steps
from ragctl.export.task_text import SQL_WORK, WORK, call_of, stage_task
from ragctl.spec.airflow_settings import StageName

ASK_STAGES: tuple[StageName, ...] = ("rephrase", "query", "dedupe", "rank", "answer")

LONGEST_QUESTION = 4_000
MOST_QUESTIONS = 100
MOST_PASSAGES = 1_000
MOST_CONDITIONS, LONGEST_CONDITION = 20, 1_000
MOST_TURNS, LONGEST_TURN = 20, 20_000


def ask_parts(wanted: Wanted) -> DagParts:
    """The DAG that answers questions from an index's documents, or from a database."""
    asks_database = wanted.spec.asks_database
    version = wanted.options.airflow_version
    steps = make_steps(wanted.spec.airflow, wanted.options, ASK_STAGES)
    last = steps[-1]
    # Before Airflow 3.3 no DAG has a result; whoever waits for the run names the task.
    has_result = version is AirflowVersion.V3_3
    # The decorator would be left in the source of a task that runs elsewhere.
    decorate = has_result and last.settings.has_airflow
    does = "Answer a question" if asks_database else "Find the passages that answer a question, and answer it"
    body = [f'"""{does}{" from a database" * asks_database}."""', ""]
    work = SQL_WORK if asks_database else WORK
    for step in steps:
        takes = None if step is steps[0] else "dict"
        on_top = ["@result"] if decorate and step is last else []
        body += stage_task(step, takes=takes, on_top=on_top, work=work)
    given, index = None, wanted.spec.store.index
    for step in steps[:-1]:
        body.append(f"reference = {call_of(step, given)}")
        given = "reference"
    body.append(f"{'return ' if has_result and not decorate else ''}{call_of(last, given)}")
    return DagParts(
        does=f"answers questions from {'a database' if asks_database else f'the index {index}'}",
        steps=steps,
        arguments=_without_parameters(_OF_DOCUMENTS) if asks_database else _ARGUMENTS,
        body=body,
        constants=[],
        imports=_IMPORTS | ({Import("airflow.sdk", "result")} if decorate else frozenset()),
    )


def _without_parameters(names: Collection[str]) -> dict[str, Value]:
    params = _ARGUMENTS["params"]
    assert isinstance(params, dict)
    kept: dict[str, Value] = {name: one for name, one in params.items() if name not in names}
    return {**_ARGUMENTS, "params": kept}


_OF_DOCUMENTS = frozenset({"where", "history", "top_n"})
_IMPORTS: Imports = frozenset(
    {
        *(Import("airflow.sdk", name) for name in ("Param", "dag", "task")),
        Import("datetime", "timedelta"),
    }
)

_ARGUMENTS: dict[str, Value] = {
    "schedule": None,
    "catchup": False,
    "max_active_runs": 64,
    "dagrun_timeout": Code("timedelta(minutes=10)"),
    "params": {
        "question": Call(
            "Param",
            (None,),
            {
                "type": Code('["string", "null"]'),
                "minLength": 1,
                "maxLength": LONGEST_QUESTION,
                "description": "A question.",
            },
        ),
        "questions": Call(
            "Param",
            (None,),
            {
                "type": Code('["array", "null"]'),
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUESTION},
                "maxItems": MOST_QUESTIONS,
                "description": "Several questions, in place of one.",
            },
        ),
        "sensitive": Call(
            "Param",
            (False,),
            {
                "type": "boolean",
                "description": "The questions are sensitive: no model outside this machine and the allowed "
                "hosts may read them.",
            },
        ),
        "where": Call(
            "Param",
            (None,),
            {
                "type": Code('["array", "null"]'),
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_CONDITION},
                "maxItems": MOST_CONDITIONS,
                "description": "Conditions on the documents, such as year>=2024.",
            },
        ),
        "history": Call(
            "Param",
            (None,),
            {
                "type": Code('["array", "null"]'),
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {"enum": Code('["user", "assistant"]')},
                        "content": {"type": "string", "maxLength": LONGEST_TURN},
                    },
                    "required": Code('["role", "content"]'),
                },
                "maxItems": MOST_TURNS,
                "description": "The conversation before the one question, oldest turn first.",
            },
        ),
        "top_n": Call(
            "Param",
            (None,),
            {
                "type": Code('["integer", "null"]'),
                "minimum": 1,
                "maximum": MOST_PASSAGES,
                "description": "Passages to show; as the spec says, if left out.",
            },
        ),
    },
    # Somebody waits for the answer.
    "default_args": {"retries": 1, "retry_delay": Code("timedelta(seconds=1)")},
}
