"""A DAG run without Airflow: the tasks of an exported DAG, called one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ragctl.run.tasks import run_stage

STAGED = (("extract",), ("chunk",), ("embed",), ("store",))
FUSED = (("extract", "chunk", "embed", "store"),)
ASKED = (("rephrase",), ("query",), ("dedupe",), ("rank",), ("answer",))
ASKED_AT_ONCE = (("rephrase", "query", "dedupe", "rank", "answer"),)


def as_xcom(value: Any) -> Any:
    """What the next task gets of what a task returned: JSON."""
    return json.loads(json.dumps(value))


class StagedRun:
    """One run of a spec's DAG by its name."""

    def __init__(self, spec: Path, run: str, conf: Mapping[str, Any] | None = None) -> None:
        self.spec: dict[str, Any] = {
            "path": str(spec),
            "sha256": hashlib.sha256(spec.read_bytes()).hexdigest(),
        }
        self.run = run
        self.conf = conf
        self.notes: list[str] = []

    def task(self, *stages: str, given: Any = None, **options: Any) -> Any:
        made = run_stage(
            *stages,
            spec=self.spec,
            run=self.run,
            conf=self.conf,
            given=given,
            note=self.notes.append,
            **options,
        )
        return as_xcom(made)

    def batch(self, reference: Any, layout: Sequence[Sequence[str]] = STAGED) -> Any:
        for stages in layout:
            reference = self.task(*stages, given=reference)
        return reference

    def ingest(self, layout: Sequence[Sequence[str]] = STAGED) -> Any:
        """The whole run; what `publish` returned."""
        for reference in self.task("plan"):
            self.batch(reference, layout)
        return self.task("publish")

    def ask(self, layout: Sequence[Sequence[str]] = ASKED) -> Any:
        given = None
        for stages in layout:
            given = self.task(*stages, given=given)
        return given
