"""What a valid spec may say and yet no DAG can be made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragctl.export.dag_parts import DagParts
from ragctl.export.options import ExportOptions, Kind
from ragctl.spec.load import LoadedSpec
from ragctl.spec.lock import read_lock
from ragctl.spec.mistakes import KeyPath, Mistake, looks_secret, spec_error
from ragctl.spec.prompt_files import prompt_files


def refuse(loaded: LoadedSpec, parts: DagParts, options: ExportOptions, prompts: Mapping[str, str]) -> None:
    """Sees that a DAG of the spec can run, and holds no secret.

    Args:
        prompts: those that are put into the file, by the files that the spec names.

    Raises:
        SpecError: with all that is in the way, each with its place.
    """
    problems = [
        *(_sql_only(loaded, options) if loaded.spec.asks_database else _one_machine_only(loaded, parts)),
        *_unpinned(loaded),
        *_no_experiment(loaded, options),
        *(_secrets(loaded) if options.embed_spec else ()),
        *_secret_prompts(loaded, prompts),
    ]
    if problems:
        mistakes = [Mistake(loaded.positions.value(path), path, text) for path, text in problems]
        error = spec_error(mistakes)
        error.hint = "the spec itself is valid; this is only in the way of export-dag"
        raise error


Problem = tuple[KeyPath, str]


def _sql_only(loaded: LoadedSpec, options: ExportOptions) -> Iterator[Problem]:
    if options.kind is not Kind.ASK:
        yield ("ask", "type"), "asks a database, and there is nothing to ingest: export it with --kind ask"
    elif loaded.spec.ask_of_file and not loaded.spec.airflow.single_host:
        text = "is a file of one machine; if all of Airflow runs on it, set airflow.single_host: true"
        yield ("ask", "database", "sqlite"), text


def _no_experiment(loaded: LoadedSpec, options: ExportOptions) -> Iterator[Problem]:
    experiment = loaded.spec.experiment
    if options.kind is not Kind.EXPERIMENT:
        return
    if not experiment.matrix and not experiment.include:
        yield ("experiment",), "names no variant: it has neither a matrix nor include"
    elif experiment.queries is None:
        yield ("experiment",), "names no questions: queries: FILE"


def _one_machine_only(loaded: LoadedSpec, parts: DagParts) -> Iterator[Problem]:
    variable, key = loaded.spec.database
    if variable is not None:
        return
    if not loaded.spec.airflow.single_host:
        text = (
            "is not given, and ragctl's own server is one machine's: name a database that every worker "
            "reaches; or, if all of Airflow runs on one machine, set airflow.single_host: true"
        )
        yield tuple(key.split(".")), text
    for stage in (stage for step in parts.steps for stage in step.stages if step.settings.kubernetes):
        text = f"a pod cannot reach ragctl's own server; name a database in {key}"
        yield ("airflow", "stages", stage, "kubernetes"), text


def _unpinned(loaded: LoadedSpec) -> Iterator[Problem]:
    """Tasks that each chose for themselves might not choose the same."""
    if loaded.spec.embed.provider != "auto":
        return
    lock = read_lock(loaded.path)
    if lock is None or not lock.selection:
        command = f"ragctl ingest {loaded.as_argument}"
        text = f"leaves the choice open, and no lock pins it: {command} chooses and writes the lock, ragctl "
        yield ("embed", "provider"), f"{text}plan shows the choice beforehand"


def _secrets(loaded: LoadedSpec) -> Iterator[Problem]:
    """The section `airflow` holds none by its own rules; embedded, all others are in the file too."""
    content = loaded.spec.model_dump(mode="json", exclude={"airflow"})
    for path, text in _texts(content, ()):
        if looks_secret(text):
            yield path, "looks as if a login or a key were in it, and a DAG file is read by many"


def _secret_prompts(loaded: LoadedSpec, prompts: Mapping[str, str]) -> Iterator[Problem]:
    for path, file in prompt_files(loaded.spec).items():
        if looks_secret(prompts.get(file, "")):
            yield path, f"{file}: looks as if a login or a key were in it, and a DAG file is read by many"


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*path, key))
    elif isinstance(value, Sequence):
        for number, one in enumerate(value):
            yield from _texts(one, (*path, number))
