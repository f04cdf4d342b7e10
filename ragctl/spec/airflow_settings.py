"""The part of the spec's model that only an exported DAG reads: `airflow`.

Nothing here belongs to the recipe: none of it changes which chunks and vectors a document gives.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ragctl.spec.names import CONNECTION, ENVIRONMENT_VARIABLE
from ragctl.spec.section import Section, wrong

MOST_BATCHES = 1024
"""Airflow's `[core] max_map_length` unless a deployment says other: a longer list fails its task."""

StageName = Literal[
    "plan", "extract", "chunk", "embed", "store", "publish", "rephrase", "query", "dedupe", "rank", "answer"
]

_PRESETS = ("@once", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "@continuous")
_CRON = re.compile(r"[0-9A-Za-z*,/#?-]+( [0-9A-Za-z*,/#?-]+){4}")


def _schedule(value: Any) -> Any:
    """A cron expression of five fields, or one of Airflow's presets; Airflow checks its numbers."""
    if not isinstance(value, str):
        return value
    if value in _PRESETS or _CRON.fullmatch(value):
        return value
    presets = ", ".join(_PRESETS)
    raise wrong(("", f"must be a cron expression of five fields, such as '0 5 * * 2', or one of {presets}"))


def _plain_text(value: str) -> str:
    """Text that may stand in a line of Python, and names something."""
    if not value.strip() or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise wrong(("", "must be one line of text, and not empty"))
    return value


Text = Annotated[str, Field(max_length=500), AfterValidator(_plain_text)]
Schedule = Annotated[str, BeforeValidator(_schedule)]
ConnectionId = Annotated[str, Field(pattern=CONNECTION)]
Seconds = Annotated[int, Field(ge=1, le=7 * 24 * 3600)]
Retries = Annotated[int, Field(ge=0, le=100)]
EnvironmentVariable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)]


class VirtualenvSettings(Section):
    """A virtual environment that Airflow makes for the task."""

    example = "{requirements: ['ragctl==0.1.0']}"

    requirements: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        description="What pip installs, ragctl itself among it: a version, or the path or URL of its wheel.",
        examples=["['ragctl==0.1.0']"],
    )
    python_version: Annotated[str, Field(pattern=r"^3\.(1[1-3])$")] | None = Field(
        default=None, description="The Python to make it with, such as `3.12`; Airflow's own if left out."
    )


class KubernetesSettings(Section):
    """A pod that the task runs in."""

    example = "{image: registry.example/ragctl:0.1.0}"

    image: Text = Field(
        description="The image, with ragctl in it.", examples=["registry.example/ragctl:0.1.0"]
    )
    namespace: Text | None = Field(
        default=None, description="The namespace; the one that Airflow's own settings name if left out."
    )
    requests: dict[Text, Text] = Field(
        default={}, description="Resources that the pod asks for, such as `{cpu: '2', memory: 4Gi}`."
    )
    limits: dict[Text, Text] = Field(
        default={}, description="Resources that it may not exceed, such as `{nvidia.com/gpu: '1'}`."
    )
    env_from_secrets: tuple[Text, ...] = Field(
        default=(), description="Names of the Kubernetes secrets whose keys become environment variables."
    )


class StageTask(Section):
    """How one stage's task is run."""

    example = "{queue: gpu}"

    queue: Text | None = Field(
        default=None, description="The queue, for executors that have queues (Celery, Kubernetes)."
    )
    pool: Text | None = Field(
        default=None, description="The pool. A pool that does not exist hangs the run without a word."
    )
    executor: Text | None = Field(
        default=None,
        description="The executor, one of those in Airflow's `[core] executors`; with any other the DAG is "
        "missing altogether.",
    )
    retries: Retries | None = Field(
        default=None, description="How often it is tried again; `airflow.retries` if left out."
    )
    timeout: Seconds | None = Field(
        default=None, description="The longest that one try may take, in seconds. None: no limit."
    )
    parallel: Annotated[int, Field(ge=1, le=MOST_BATCHES)] | None = Field(
        default=None, description="The most of this stage's tasks at once, over all runs of the DAG."
    )
    external_python: Text | None = Field(
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


class AirflowSettings(Section):
    """What `ragctl export-dag` makes of the spec. Changing it makes no new generation."""

    example = "{schedule: '0 5 * * 2'}"

    schedule: Schedule | None = Field(
        default=None,
        description="When the ingest DAG runs: a cron expression such as `0 5 * * 2`, or one of Airflow's "
        "presets such as `@daily`. None: only when it is triggered.",
    )
    timezone: Text = Field(default="UTC", description="The time zone of `schedule`, such as `Europe/Berlin`.")
    assets: tuple[Text, ...] = Field(
        default=(),
        description="URIs of assets: the ingest DAG runs when all of them have been updated. Not together "
        "with `schedule`.",
    )
    tags: tuple[Text, ...] = Field(default=("ragctl",), description="Tags of the DAGs.")
    single_host: bool = Field(
        default=False,
        description="All of Airflow runs on one machine, so that the embedded server and a local "
        "`work_dir` can be reached from every task.",
    )
    work_dir: Text = Field(
        default=".ragctl/work",
        description="Where tasks leave what they hand on: a directory that every worker sees, relative to "
        "the spec file, or the URL of object storage, such as `s3://bucket/ragctl`.",
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
        description="What an ingest run is that published, and in which more documents failed than "
        "`max_failures` allows, or a whole batch did: a failed one, or one that succeeded with a warning.",
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
    def _one_schedule(self) -> AirflowSettings:
        if self.assets and self.schedule is not None:
            raise wrong(("assets", "cannot be given together with schedule"))
        return self

    def task_of(self, stage: StageName) -> StageTask:
        """How a stage is run; all defaults if the spec says nothing of it."""
        return self.stages.get(stage, StageTask())
