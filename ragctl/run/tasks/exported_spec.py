"""The spec that an exported DAG names or carries, and whether it is still the one that was exported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragctl.errors import Mismatch
from ragctl.spec.embedded_spec import load_embedded
from ragctl.spec.load import LoadedSpec, load_spec


def load_exported_spec(spec: Mapping[str, Any]) -> LoadedSpec:
    """The spec behind `SPEC` in an exported DAG.

    Args:
        spec: `path` and `sha256` of the spec file; with `--embed-spec` also `embedded`, the resolved
            spec, `lock`, its lock, and of a DAG that asks `prompts`, the texts of the prompts that it names.

    Raises:
        SpecError: it is not there, or wrong.
        Mismatch: it has changed since the DAG was exported.
    """
    path = Path(spec["path"])
    if spec.get("embedded") is not None:
        return load_embedded(
            spec["embedded"],
            path=path,
            sha256=spec["sha256"],
            lock=spec.get("lock"),
            prompts=spec.get("prompts"),
        )
    loaded = load_spec(path)
    if loaded.digest != spec["sha256"]:
        raise Mismatch(
            "the spec is not the one that this DAG was exported from: its SHA-256 was "
            f"{spec['sha256'][:12]}…, and is {loaded.digest[:12]}…",
            where=str(path),
            hint="export the DAG again: ragctl export-dag SPEC -o FILE; or export it with --embed-spec",
        )
    return loaded
