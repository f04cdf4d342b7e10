"""The part of the spec's model that only an exported DAG reads: `airflow`.

Nothing here belongs to the recipe: none of it changes which chunks and vectors a document gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ragctl.spec.addresses import (
    asset_problem,
    interpreter_problem,
    names_ragctl,
    requirement_problem,
    work_dir_problem,
)
from ragctl.spec.cron import schedule_problem
from ragctl.spec.names import (
    AIRFLOW_NAME,
    CONNECTION,
    ENVIRONMENT_VARIABLE,
    EXECUTOR,
    IMAGE,
    KUBERNETES_LABEL,
    KUBERNETES_NAME,
    KUBERNETES_QUANTITY,
    KUBERNETES_RESOURCE,
)
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.time_zones import time_zone_problem

MOST_BATCHES = 1024
"""Airflow's `[core] max_map_length` unless a deployment says other: a longer list fails its task."""

StageName = Literal[
    "plan", "extract", "chunk", "embed", "store", "publish", "rephrase", "query", "dedupe", "rank", "answer"
]


def _without(problem: Callable[[str], str | None]) -> AfterValidator:
    """Refuses a text of which `problem` says something."""

    def check(value: str) -> str:
        if text := problem(value):
            raise wrong(("", text))
        return value

    return AfterValidator(check)


def _line_problem(value: str) -> str | None:
    """Text that may stand in a line of Python, in a template too, and names something."""
    if not value.strip() or not value.isprintable():
        return "must be one line of text, and not empty"
    if value != value.strip():
        return "begins or ends with a space"
    if any(mark in value for mark in ("{{", "{%", "{#")):
        return "holds a template ({{, {% or {#), and Airflow would fill it in; write the value"
    return None


def _amount(value: Any) -> Any:
    """The text of a plain number: `{cpu: 2}` is what everybody writes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return value


def _words(value: Any) -> Any:
    """The fields of a cron expression with one space between them."""
    return " ".join(value.split()) if isinstance(value, str) else value


Line = Annotated[str, Field(max_length=500), _without(_line_problem)]
Tag = Annotated[str, Field(max_length=100), _without(_line_problem)]
Name = Annotated[str, Field(pattern=AIRFLOW_NAME)]
Schedule = Annotated[str, BeforeValidator(_words), _without(schedule_problem)]
TimeZone = Annotated[str, _without(time_zone_problem)]
Asset = Annotated[Line, _without(asset_problem)]
WorkDirectory = Annotated[Line, _without(work_dir_problem)]
Interpreter = Annotated[Line, _without(interpreter_problem)]
Requirement = Annotated[Line, _without(requirement_problem)]
Resource = Annotated[str, Field(pattern=KUBERNETES_RESOURCE)]
_AmountText = Annotated[str, Field(pattern=KUBERNETES_QUANTITY)]
Amount = Annotated[_AmountText, BeforeValidator(_amount, json_schema_input_type=_AmountText | float)]
SecretName = Annotated[str, Field(pattern=KUBERNETES_NAME)]
ConnectionId = Annotated[str, Field(pattern=CONNECTION)]
Seconds = Annotated[int, Field(ge=1, le=7 * 24 * 3600)]
Retries = Annotated[int, Field(ge=0, le=100)]
EnvironmentVariable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)]


class VirtualenvSettings(Section):
    """A virtual environment that Airflow makes for the task."""

    example = "{requirements: ['ragctl==0.1.0']}"

    requirements: Annotated[tuple[Requirement, ...], Field(min_length=1)] = Field(
        description="What pip installs, ragctl itself among it: a version, or the path or URL of its wheel.",
        examples=["['ragctl==0.1.0']"],
    )
    python_version: Literal["3.11", "3.12", "3.13"] | None = Field(
        default=None, description="The Python to make it with, in quotes; Airflow's own if left out."
    )

    @model_validator(mode="after")
    def _ragctl_is_in_it(self) -> VirtualenvSettings:
        if not names_ragctl(self.requirements):
            raise wrong(("requirements", "must name ragctl itself, such as 'ragctl==0.1.0' or its wheel"))
        return self


class KubernetesSettings(Section):
    """A pod that the task runs in."""

    example = "{image: registry.example/ragctl:0.1.0}"

    image: Annotated[str, Field(pattern=IMAGE)] = Field(
        description="The image, with ragctl in it.", examples=["registry.example/ragctl:0.1.0"]
    )
    namespace: Annotated[str, Field(pattern=KUBERNETES_LABEL)] | None = Field(
        default=None, description="The namespace; the one that Airflow's own settings name if left out."
    )
    requests: dict[Resource, Amount] = Field(
        default={}, description="Resources that the pod asks for, such as `{cpu: 2, memory: 4Gi}`."
    )
    limits: dict[Resource, Amount] = Field(
        default={}, description="Resources that it may not exceed, such as `{nvidia.com/gpu: 1}`."
    )
    env_from_secrets: tuple[SecretName, ...] = Field(
        default=(), description="Names of the Kubernetes secrets whose keys become environment variables."
    )


class StageTask(Section):
    """How one stage's task is run: in Airflow's own Python, unless one of `external_python`, `virtualenv`
    and `kubernetes` is given."""

    example = "{queue: gpu}"

    queue: Name | None = Field(
        default=None, description="The queue, for executors that have queues (Celery, Kubernetes)."
    )
    pool: Name | None = Field(
        default=None, description="The pool. A pool that does not exist hangs the run without a word."
    )
    executor: Annotated[str, Field(pattern=EXECUTOR)] | None = Field(
        default=None,
        description="The executor, one of those in Airflow's `[core] executors`; with any other the DAG is "
        "missing altogether.",
    )
    retries: Retries | None = Field(
        default=None,
        description="How often it is tried again.",
        json_schema_extra={"default_is": "`airflow.retries`"},
    )
    timeout: Seconds | None = Field(
        default=None, description="The longest that one try may take, in seconds; any time if left out."
    )
    parallel: Annotated[int, Field(ge=1, le=MOST_BATCHES)] | None = Field(
        default=None, description="The most of this stage's tasks at once, over all runs of the DAG."
    )
    external_python: Interpreter | None = Field(
        default=None,
        description="Path of a Python interpreter on the worker that has ragctl and need not have Airflow.",
    )
    virtualenv: VirtualenvSettings | None = None
    kubernetes: KubernetesSettings | None = None

    @model_validator(mode="after")
    def _one_place(self) -> StageTask:
        chosen = [
            name
            for name in ("external_python", "virtualenv", "kubernetes")
            if getattr(self, name) is not None
        ]
        if len(chosen) > 1:
            raise wrong((chosen[1], f"cannot be given together with {chosen[0]}: a task runs in one place"))
        return self

    @property
    def has_airflow(self) -> bool:
        """Does the task run in Airflow's own Python?"""
        return self.external_python is None and self.virtualenv is None and self.kubernetes is None


class ConnectionSettings(Section):
    """What an Airflow connection stands for, by the names of the variables that the spec reads it from."""

    example = "{dsn: RAGCTL_DSN}"

    dsn: EnvironmentVariable | None = Field(
        default=None,
        description="Takes the place of this environment variable: a connection string made of the "
        "connection's host, port, login, password, schema and extras.",
    )
    key: EnvironmentVariable | None = Field(
        default=None, description="Takes the place of this one: the connection's password."
    )
    base_url: EnvironmentVariable | None = Field(
        default=None, description="Takes the place of this one: the connection's host, as a URL."
    )

    @model_validator(mode="after")
    def _stands_for_something(self) -> ConnectionSettings:
        if self.dsn is None and self.key is None and self.base_url is None:
            raise wrong(("", "must say what the connection stands for: dsn, key or base_url"))
        return self


class ApiSettings(Section):
    """How `--airflow URL` proves who it is: by a token, or by a user and a password."""

    example = "{token_env: AIRFLOW_TOKEN}"

    token_env: EnvironmentVariable = Field(
        default="AIRFLOW_TOKEN", description="Name of the environment variable that holds a token."
    )
    user_env: EnvironmentVariable = Field(
        default="AIRFLOW_USER",
        description="Name of the one that holds a user, who is asked for where there is no token.",
    )
    password_env: EnvironmentVariable = Field(
        default="AIRFLOW_PASSWORD", description="Name of the one that holds that user's password."
    )

    @model_validator(mode="after")
    def _three_variables(self) -> ApiSettings:
        keys = list(ApiSettings.model_fields)
        for number, key in enumerate(keys):
            for earlier in keys[:number]:
                if getattr(self, key) == getattr(self, earlier):
                    raise wrong((key, f"names the same variable as {earlier}"))
        return self


class AirflowSettings(Section):
    """What `ragctl export-dag` makes of the spec. Changing it makes no new generation."""

    example = "{schedule: '0 5 * * 2'}"

    schedule: Schedule | None = Field(
        default=None,
        description="When the ingest DAG runs: a cron expression such as `0 5 * * 2`, or one of Airflow's "
        "presets such as `@daily`. None: only when it is triggered.",
    )
    timezone: TimeZone = Field(
        default="UTC", description="The time zone of `schedule`, such as `Europe/Berlin`."
    )
    assets: tuple[Asset, ...] = Field(
        default=(),
        description="Assets, each by its URI (`s3://bucket/docs`) or by its name: the ingest DAG runs when "
        "all of them have been updated. Not together with `schedule`.",
    )
    tags: tuple[Tag, ...] = Field(default=("ragctl",), description="Tags of the DAGs.")
    single_host: bool = Field(
        default=False,
        description="All of Airflow runs on one machine, so that the embedded server and a local "
        "`work_dir` can be reached from every task.",
    )
    work_dir: WorkDirectory = Field(
        default=".ragctl/work",
        description="Where tasks leave what they hand on: a directory that every worker sees, relative to "
        "the spec file, or the URL of object storage, such as `s3://bucket/ragctl` (`gs`, `az` and `file` "
        "as well), without a login in it.",
    )
    batch_tokens: Annotated[int, Field(ge=1_000, le=1_000_000_000)] = Field(
        default=200_000,
        description="Tokens of a batch of documents, estimated from their sizes. Larger where there would be "
        "more than `max_batches`.",
    )
    max_batches: Annotated[int, Field(ge=1, le=MOST_BATCHES)] = Field(
        default=1_000,
        description="The most batches of a run; no more than the deployment's `[core] max_map_length`.",
    )
    on_partial: Literal["fail", "warn"] = Field(
        default="fail",
        description="What becomes of an ingest that published although more documents failed than "
        "`max_failures` allows, or a whole batch did: its DAG run fails, or succeeds with a warning.",
    )
    retries: Retries = Field(
        default=2, description="How often a task is tried again, if trying again may help."
    )
    retry_delay: Seconds = Field(
        default=30, description="Seconds before the second try; each further one waits longer."
    )
    stages: dict[StageName, StageTask] = Field(
        default={}, description="How single stages are run, by name: `{embed: {queue: gpu}}`."
    )
    connections: dict[ConnectionId, ConnectionSettings] = Field(
        default={},
        description="Airflow connections that take the place of environment variables, by their id: "
        "`{rag_pg: {dsn: RAGCTL_DSN}}`. Read in tasks that have Airflow.",
    )
    api: ApiSettings = ApiSettings()

    @model_validator(mode="after")
    def _keys_fit_together(self) -> AirflowSettings:
        problems: list[Problem] = []
        if self.assets and self.schedule is not None:
            problems.append(("assets", "cannot be given together with schedule"))
        problems += [
            (key, "names something twice") for key in ("assets", "tags") if _twice(getattr(self, key))
        ]
        problems += _one_variable_twice(self.connections)
        if problems:
            raise wrong(*problems)
        return self

    def task_of(self, stage: StageName) -> StageTask:
        """How a stage is run; all defaults if the spec says nothing of it."""
        return self.stages.get(stage, StageTask())


def index_asset(store: str, index: str) -> tuple[str, str]:
    """Name and URI of the asset that stands for an index. Airflow leaves `x-` schemes as they are."""
    return f"ragctl:{store}:{index}", f"x-ragctl://{store}/{index}"


def _twice(texts: Iterable[str]) -> bool:
    listed = list(texts)
    return len(set(listed)) < len(listed)


def _one_variable_twice(connections: Mapping[str, ConnectionSettings]) -> Iterator[Problem]:
    """Every place of a variable that several stand for. Its name may be a secret by mistake: not shown."""
    places: dict[str, list[tuple[str, str]]] = {}
    for connection, settings in connections.items():
        for key in ConnectionSettings.model_fields:
            if variable := getattr(settings, key):
                places.setdefault(variable, []).append((connection, key))
    for found in places.values():
        for place in found if len(found) > 1 else ():
            others = ", ".join(".".join(other) for other in found if other != place)
            yield ("connections", *place), f"takes the place of the same variable as {others}"
