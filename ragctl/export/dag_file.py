"""The text of a DAG file. The same spec, lock and options give the same bytes, on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragctl.export.dag_parts import DagParts, Wanted
from ragctl.export.head import LockFile, constant, head
from ragctl.export.imports import Import, import_lines
from ragctl.export.kinds import dag_id, parts_of
from ragctl.export.needs import Need, needs_of
from ragctl.export.options import ExportOptions, Kind
from ragctl.export.python_text import Call, Code, Value, indented, spelled, with_long_lines_marked
from ragctl.export.refusals import refuse
from ragctl.export.task_text import FOR_GOOD, WITHOUT_AIRFLOW
from ragctl.spec.embedded_spec import lock_to_embed, prompts_to_embed
from ragctl.spec.load import LoadedSpec
from ragctl.spec.lock import lock_path


@dataclass(frozen=True, slots=True)
class DagFile:
    """An exported DAG.

    Attributes:
        text: the Python source, with \\n at the end of every line.
        tasks: how many functions become tasks.
        needs: what the deployment must have.
    """

    dag_id: str
    text: str
    tasks: int
    needs: list[Need]


def export_dag(loaded: LoadedSpec, options: ExportOptions) -> DagFile:
    """The DAG of a spec and of the lock beside it.

    Raises:
        SpecError: no DAG can be made of it, see `refuse`; or a prompt that goes with it cannot be read.
        LockBroken: the lock cannot be read, or is another spec's.
    """
    lock, prompts = lock_file(loaded), embedded_prompts(loaded, options)
    parts = parts_of(Wanted(loaded.spec, options))
    refuse(loaded, parts, options, prompts)
    needs = needs_of(loaded.spec, parts, options)
    name = dag_id(loaded.spec.name, options.kind)
    code = [
        *import_lines(parts.imports | _imports(parts, options)),
        *_constants(loaded, options, lock, prompts, parts),
        "",
        "",
        *_function(name, loaded, options, parts),
    ]
    lines = [*head(name, parts.does, options, loaded.digest, lock, needs), "", *with_long_lines_marked(code)]
    return DagFile(name, "\n".join(lines) + "\n", len(parts.steps), needs)


def lock_file(loaded: LoadedSpec) -> LockFile | None:
    """The lock beside the spec; None if there is none.

    Raises:
        LockBroken: it cannot be read, or is another spec's.
    """
    content = lock_to_embed(loaded)
    if content is None:
        return None
    data = lock_path(loaded.path).read_bytes()
    return LockFile(hashlib.sha256(data).hexdigest(), content)


def embedded_prompts(loaded: LoadedSpec, options: ExportOptions) -> dict[str, str]:
    """The prompts that go with an embedded spec, by their files: those of a DAG that asks
    or experiments.

    Raises:
        SpecError: one cannot be read.
    """
    return prompts_to_embed(loaded) if options.embed_spec and options.kind is not Kind.INGEST else {}


def _imports(parts: DagParts, options: ExportOptions) -> set[Import]:
    found = set()
    if options.base == "file":
        found.add(Import("pathlib", "Path"))
    if _any_without_airflow(parts):
        found.add(Import("airflow.sdk", "literal"))
    if any(step.has_retry_policy for step in parts.steps):
        found |= {
            Import("airflow.sdk", name) for name in ("ExceptionRetryPolicy", "RetryAction", "RetryRule")
        }
    pods = [step.settings.kubernetes for step in parts.steps if step.settings.kubernetes is not None]
    if any(pod.requests or pod.limits or pod.env_from_secrets for pod in pods):
        found.add(Import("kubernetes.client", "models as k8s"))
    return found


def _left_out(loaded: LoadedSpec) -> set[str]:
    """Of an embedded spec: sources that a spec without any may not name."""
    return set() if loaded.spec.sources else {"sources"}


def _constants(
    loaded: LoadedSpec,
    options: ExportOptions,
    lock: LockFile | None,
    prompts: Mapping[str, str],
    parts: DagParts,
) -> list[str]:
    path = 'str(Path(__file__).resolve().parent / EXPORTED["spec"])'
    spec: dict[str, Value] = {
        "path": Code(path if options.base == "file" else 'EXPORTED["spec"]'),
        "sha256": Code('EXPORTED["spec_sha256"]'),
    }
    if options.embed_spec:
        spec["embedded"] = _plain(loaded.spec.model_dump(mode="json", exclude=_left_out(loaded)))
        spec["lock"] = None if lock is None else _plain(lock.content)
    if prompts:
        spec["prompts"] = dict(prompts)
    lines = [
        "# What this file was made of and with; `ragctl export-dag SPEC --check` reads it.",
        *spelled("EXPORTED = ", constant(options, loaded.digest, lock, prompts)),
        *spelled("SPEC = ", spec),
        *parts.constants,
    ]
    if _any_without_airflow(parts):
        lines += [
            "",
            "# A task that has no Airflow cannot ask for its surroundings; it is told.",
            *spelled(f"{WITHOUT_AIRFLOW} = ", _SURROUNDINGS),
        ]
    if any(step.has_retry_policy for step in parts.steps):
        lines += [
            "",
            "# What such a task raises is not tried again; it ends its process where that may help.",
            *spelled(f"{FOR_GOOD} = ", _RETRY_POLICY),
        ]
    return lines


# The spec is passed by as it is: Airflow would take braces in it for templates.
_SURROUNDINGS: dict[str, Value] = {
    "spec": Code("literal(SPEC)"),
    "run": "{{ dag.dag_id }}/{{ run_id }}",
    "run_conf": "{{ dag_run.conf | tojson }}",
}


_RETRY_POLICY = Call(
    "ExceptionRetryPolicy",
    keywords={
        "rules": [
            Call(
                "RetryRule",
                keywords={
                    "exception": "airflow.sdk.exceptions.AirflowException",
                    "action": Code("RetryAction.FAIL"),
                    "match_subclasses": False,
                },
            )
        ]
    },
)


def _function(name: str, loaded: LoadedSpec, options: ExportOptions, parts: DagParts) -> list[str]:
    arguments: dict[str, Value] = {
        "dag_id": name,
        **parts.arguments,
        "tags": list(loaded.spec.airflow.tags),
        "doc_md": Code("__doc__"),
    }
    return [
        *spelled("@", Call("dag", keywords=arguments)),
        f"def {options.kind}():",
        *indented(parts.body),
        "",
        "",
        f"{options.kind}()",
    ]


def _any_without_airflow(parts: DagParts) -> bool:
    return any(not step.settings.has_airflow for step in parts.steps)


def _plain(value: Any) -> Value:
    """JSON values, with lists for tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    scalar: Value = value
    return scalar
