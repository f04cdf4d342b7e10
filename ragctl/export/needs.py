"""What a deployment must have for a DAG to run: names that the file holds and Airflow does not make."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl import __version__
from ragctl.export.dag_parts import DagParts
from ragctl.export.options import ExportOptions, Kind
from ragctl.export.schedule_text import in_deployments_zone
from ragctl.export.steps import Step
from ragctl.spec.addresses import is_url
from ragctl.spec.model import Spec
from ragctl.spec.prompt_files import prompt_files


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must be there.

    Attributes:
        what: `pool`, `connection`, `environment variable`, …
        tasks: names of the tasks that need it; none if it is the DAG itself.
        advice: what happens without it, or how to make it; empty if it goes without saying.
    """

    what: str
    name: str
    tasks: tuple[str, ...] = ()
    advice: str = ""


def needs_of(spec: Spec, parts: DagParts, options: ExportOptions) -> list[Need]:
    """All needs of a DAG, none twice."""
    found = [
        *_packages(spec, parts, options),
        *_connections(spec, parts),
        *_variables(spec, parts),
        *_names(parts),
        *_places(parts, options),
        *_folders(spec, parts, options),
        *_prompts(spec, parts, options),
        *_questions(spec, parts, options),
        *_settings(spec, options),
    ]
    merged: dict[tuple[str, str], Need] = {}
    for need in found:
        before = merged.get((need.what, need.name))
        tasks = dict.fromkeys((*(before.tasks if before else ()), *need.tasks))
        merged[need.what, need.name] = Need(need.what, need.name, tuple(tasks), need.advice)
    return list(merged.values())


def variables_of(spec: Spec) -> list[str]:
    """Names of the environment variables that the spec reads, but for those of `--airflow URL`."""
    return list(dict.fromkeys(_named(spec.model_dump(mode="json", exclude={"airflow"}))))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key.endswith("_env") and isinstance(one, str):
                yield one
            else:
                yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def is_local(work_dir: str) -> bool:
    """Is it a directory, and no object storage?"""
    return not is_url(work_dir) or work_dir.startswith(("file:", "memory:"))


def _packages(spec: Spec, parts: DagParts, options: ExportOptions) -> Iterator[Need]:
    yield Need("package", f"apache-airflow>={options.airflow_version}")
    yield Need("package", "apache-airflow-providers-standard")
    inside, _ = _divided(parts.steps)
    if inside:
        extra = "[weaviate]" if spec.store.type == "weaviate" else "[sql]" if spec.asks_database else ""
        yield Need("package in Airflow's own Python", f"ragctl{extra}=={__version__}", inside)
    pods = tuple(step.name for step in parts.steps if step.settings.kubernetes is not None)
    if pods:
        name = "apache-airflow-providers-cncf-kubernetes"
        yield Need("package", name, pods, "no part of Airflow itself; without it the DAG is missing")


def _connections(spec: Spec, parts: DagParts) -> Iterator[Need]:
    inside, _ = _divided(parts.steps)
    read = variables_of(spec)
    for name, settings in spec.airflow.connections.items():
        stands_for = [one for one in (settings.dsn, settings.key, settings.base_url) if one is not None]
        advice = f"make it: airflow connections add {shlex.quote(name)} …; it stands for "
        advice += ", ".join(stands_for)
        if unread := [one for one in stands_for if one not in read]:
            advice += f" (nothing in the spec reads {', '.join(unread)})"
        if inside:
            yield Need("connection", name, inside, advice)


def _variables(spec: Spec, parts: DagParts) -> Iterator[Need]:
    _, outside = _divided(parts.steps)
    covered = {
        one
        for settings in spec.airflow.connections.values()
        for one in (settings.dsn, settings.key, settings.base_url)
    }
    for name in variables_of(spec):
        tasks = outside if name in covered else tuple(step.name for step in parts.steps)
        if tasks:
            advice = "every worker and pod that runs these tasks must have it set"
            yield Need("environment variable", name, tasks, advice)


def _names(parts: DagParts) -> Iterator[Need]:
    for step in parts.steps:
        own = (step.name,)
        settings = step.settings
        if settings.pool is not None:
            make = f"airflow pools set {shlex.quote(settings.pool)} SLOTS 'description'"
            advice = f"make it: {make}; a missing pool hangs a run in silence"
            yield Need("pool", settings.pool, own, advice)
        if settings.queue is not None:
            yield Need("queue", settings.queue, own, "a worker must serve it, or its tasks wait for ever")
        if settings.executor is not None:
            advice = "must be in [core] executors; with any other the DAG is missing"
            yield Need("executor", settings.executor, own, advice)


def _places(parts: DagParts, options: ExportOptions) -> Iterator[Need]:
    for step in parts.steps:
        own = (step.name,)
        settings = step.settings
        if settings.external_python is not None:
            advice = f"must be on the worker, with ragctl=={__version__} installed in it"
            yield Need("interpreter", settings.external_python, own, advice)
        if settings.virtualenv is not None:
            wanted = f"Python {settings.virtualenv.python_version or 'as Airflow has it'}"
            advice = "is made for every task: the worker needs virtualenv or uv, and a package index"
            yield Need("virtual environment", wanted, own, advice)
        if settings.kubernetes is not None:
            yield from _pod(step, options)


def _pod(step: Step, options: ExportOptions) -> Iterator[Need]:
    pod = step.settings.kubernetes
    assert pod is not None
    own = (step.name,)
    yield Need("image", pod.image, own, f"must have bash, Python and ragctl=={__version__}")
    if pod.namespace is not None:
        yield Need("namespace", pod.namespace, own, "Airflow must be allowed to make pods in it")
    for name in pod.env_from_secrets:
        yield Need("Kubernetes secret", name, own, "its keys become the pod's environment variables")
    if not options.embed_spec:
        advice = "must lie in the pod at the same path as on the worker: see --spec-path, or --embed-spec"
        yield Need("spec file", options.spec, own, advice)


def _folders(spec: Spec, parts: DagParts, options: ExportOptions) -> Iterator[Need]:
    tasks = [step for step in parts.steps if not spec.airflow.single_host or step.settings.kubernetes]
    if not tasks:
        return
    if is_local(spec.airflow.work_dir):
        advice = "every worker must see it"
        yield Need("work directory", spec.airflow.work_dir, tuple(step.name for step in tasks), advice)
    reading = {"plan", "extract", "publish", "ingest_variant"}
    readers = tuple(step.name for step in tasks if reading & set(step.stages))
    if readers and options.kind is not Kind.ASK:
        for source in spec.sources:
            given = getattr(source, "path", None) if "path" in source.path_keys else None
            if given is not None:
                yield Need("source directory", given, readers, "every worker must see it")


def _prompts(spec: Spec, parts: DagParts, options: ExportOptions) -> Iterator[Need]:
    """They lie beside the spec, wherever that is; in one that the DAG carries, they are with it."""
    if options.embed_spec or options.kind is Kind.INGEST:
        return
    tasks = tuple(step.name for step in parts.steps)
    for file in dict.fromkeys(prompt_files(spec).values()):
        advice = "must lie beside the spec wherever these tasks run; --embed-spec puts it into the file"
        yield Need("prompt file", file, tasks, advice)


def _questions(spec: Spec, parts: DagParts, options: ExportOptions) -> Iterator[Need]:
    if options.kind is not Kind.EXPERIMENT:
        return
    tasks = tuple(step.name for step in parts.steps)
    for file in (spec.experiment.queries, spec.experiment.qrels):
        if file is not None:
            yield Need("question file", file, tasks, "must lie beside the spec wherever these tasks run")


def _settings(spec: Spec, options: ExportOptions) -> Iterator[Need]:
    if options.kind is Kind.INGEST and in_deployments_zone(spec.airflow):
        # Airflow's own default, in which it reads a schedule that names no time zone.
        yield Need("setting", "[core] default_timezone = utc")


def _divided(steps: Sequence[Step]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the tasks that have Airflow, and of those that have not."""
    inside = tuple(step.name for step in steps if step.settings.has_airflow)
    return inside, tuple(step.name for step in steps if not step.settings.has_airflow)
