"""The functions of an exported DAG that become tasks: their decorators, signatures and bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragctl.export.python_text import Call, Code, Value, fitting, literal, spelled
from ragctl.export.steps import Step
from ragctl.spec.airflow_settings import KubernetesSettings, StageTask, VirtualenvSettings

WITHOUT_AIRFLOW = "WITHOUT_AIRFLOW"
"""Name of the constant that a task without Airflow is called with."""

WORK = {
    "plan": "List the documents, and divide those to be read into batches.",
    "extract": "Read the documents of a batch.",
    "chunk": "Cut them into chunks.",
    "embed": "Make the chunks' vectors.",
    "store": "Put the documents into the index, each whole.",
    "publish": "Delete what is gone, check, publish; also after a batch that failed.",
    "rephrase": "Take the questions, and say them in other words.",
    "query": "Find passages for every wording.",
    "dedupe": "Fuse the lists of passages, and drop those that say the same.",
    "rank": "Put the passages in order.",
    "answer": "Write the answer, with its sources.",
    "variants": "Check the variants of the experiment, and name them.",
    "ingest_variant": "Bring a variant's own generation up to date; the live index stays.",
    "evaluate_variant": "Ask a variant the experiment's questions, and measure.",
    "compare_variants": "Put the variants side by side; also after one that failed.",
}
"""What each stage does; the docstring of its task."""

SQL_WORK = {
    **WORK,
    "query": "Write SQL for every wording.",
    "dedupe": "Check the statements, and fold those that say the same.",
    "rank": "Run them, read-only, and count which results agree.",
    "answer": "Decide, and put the answer into words.",
}
"""The same where a database is asked."""


FOR_GOOD = "FAILS_FOR_GOOD"
"""Name of the constant with the retry policy of tasks in another Python."""


def decorated(
    step: Step,
    body: Sequence[str],
    *,
    parameters: Sequence[str] = (),
    returns: str = "dict",
    keywords: Mapping[str, Value] | None = None,
    on_top: Sequence[str] = (),
    work: Mapping[str, str] = WORK,
) -> list[str]:
    """A task function, as it stands one level inside the function of the DAG.

    Args:
        body: its lines after the docstring.
        keywords: further arguments of the decorator.
        on_top: lines above the decorator.
        work: what each stage does.
    """
    return [
        *on_top,
        *decorator(step.settings, {**(keywords or {}), **_retry_policy(step)}),
        *fitting(f"def {step.name}(", parameters, f") -> {returns}:", depth=1),
        f'    """{_work(step, work)}"""',
        *(f"    {line}" if line else "" for line in body),
        "",
    ]


def stage_task(
    step: Step,
    *,
    takes: str | None,
    returns: str = "dict",
    keywords: Mapping[str, Value] | None = None,
    on_top: Sequence[str] = (),
    work: Mapping[str, str] = WORK,
) -> list[str]:
    """A task that returns what its stages do.

    Args:
        takes: type of what the task before hands on; None for a first task.
    """
    given = [f"given: {takes}"] if takes else []
    own = step.settings.has_airflow
    return decorated(
        step,
        [*imported(step), "", *stage_call("return ", step, given=bool(given))],
        parameters=given if own else [*given, "spec: dict", "run: str", "run_conf: str"],
        returns=returns,
        keywords=keywords,
        on_top=on_top,
        work=work,
    )


def imported(step: Step) -> list[str]:
    """Where `run_stage` comes from, in the Python that the step runs in."""
    module = "ragctl.airflow.tasks" if step.settings.has_airflow else "ragctl.run.tasks.without_airflow"
    return [f"from {module} import run_stage"]


def stage_call(before: str, step: Step, *, given: bool) -> list[str]:
    """`before` and the call of `run_stage`, as it stands in a function of the DAG's function."""
    arguments = [literal(stage) for stage in step.stages]
    arguments.append("spec=SPEC" if step.settings.has_airflow else "spec=spec")
    if given:
        arguments.append("given=given")
    if not step.settings.has_airflow:
        arguments += ["run=run", "conf=run_conf"]
    return fitting(f"{before}run_stage(", arguments, ")", depth=2)


def call_of(step: Step, given: str | None = None) -> str:
    """The step's function called with what the task before handed on."""
    arguments = [given] if given else []
    if not step.settings.has_airflow:
        arguments.append(f"**{WITHOUT_AIRFLOW}")
    return f"{step.name}({', '.join(arguments)})"


def _retry_policy(step: Step) -> dict[str, Value]:
    return {"retry_policy": Code(FOR_GOOD)} if step.has_retry_policy else {}


def decorator(settings: StageTask, keywords: Mapping[str, Value]) -> list[str]:
    """`@task(…)`, or the one for the place that the settings name."""
    name, place = _place(settings)
    # A task that says `-> dict` would push every key as an XCom of its own.
    arguments = {"multiple_outputs": False, **keywords, **_airflow_settings(settings), **place}
    if len(arguments) == 1:
        return [f"@{name}(multiple_outputs=False)"]
    return spelled("@", Call(name, keywords=arguments))


def _airflow_settings(settings: StageTask) -> dict[str, Value]:
    timeout = settings.timeout
    named: dict[str, Value] = {
        "queue": settings.queue,
        "pool": settings.pool,
        "executor": settings.executor,
        "retries": settings.retries,
        "execution_timeout": None if timeout is None else Code(f"timedelta(seconds={timeout})"),
        "max_active_tis_per_dag": settings.parallel,
    }
    return {name: value for name, value in named.items() if value is not None}


def _place(settings: StageTask) -> tuple[str, dict[str, Value]]:
    if settings.external_python is not None:
        return "task.external_python", {"python": settings.external_python, "expect_airflow": False}
    if settings.virtualenv is not None:
        return "task.virtualenv", _virtualenv(settings.virtualenv)
    if settings.kubernetes is not None:
        return "task.kubernetes", _kubernetes(settings.kubernetes)
    return "task", {}


def _virtualenv(settings: VirtualenvSettings) -> dict[str, Value]:
    arguments: dict[str, Value] = {"requirements": list(settings.requirements)}
    if settings.python_version is not None:
        arguments["python_version"] = settings.python_version
    return {**arguments, "system_site_packages": False, "expect_airflow": False}


def _kubernetes(settings: KubernetesSettings) -> dict[str, Value]:
    # Unlike any other operator, that of a pod returns nothing unless it is told to.
    arguments: dict[str, Value] = {"image": settings.image, "do_xcom_push": True}
    if settings.namespace is not None:
        arguments["namespace"] = settings.namespace
    resources: dict[str, Value] = {
        name: dict(amounts)
        for name, amounts in (("requests", settings.requests), ("limits", settings.limits))
        if amounts
    }
    if resources:
        arguments["container_resources"] = Call("k8s.V1ResourceRequirements", keywords=resources)
    if settings.env_from_secrets:
        arguments["env_from"] = [
            Call(
                "k8s.V1EnvFromSource",
                keywords={"secret_ref": Call("k8s.V1SecretEnvSource", keywords={"name": name})},
            )
            for name in settings.env_from_secrets
        ]
    return arguments


def _work(step: Step, work: Mapping[str, str]) -> str:
    if len(step.stages) == 1:
        return work[step.stages[0]]
    return f"{', '.join(step.stages[:-1])} and {step.stages[-1]}, in one process.".capitalize()
