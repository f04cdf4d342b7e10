"""The tasks of a DAG: stages one by one, or neighbours with the same settings together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragctl.export.options import Layout
from ragctl.spec.airflow_settings import AirflowSettings, StageName, StageTask


@dataclass(frozen=True, slots=True)
class Step:
    """One task: the stages that it runs, in their order, and the settings that they share."""

    stages: tuple[StageName, ...]
    settings: StageTask

    @property
    def name(self) -> str:
        """The task's id, without that of its group."""
        return "_".join(self.stages)


def make_steps(settings: AirflowSettings, stages: Sequence[StageName], layout: Layout) -> list[Step]:
    """The tasks for neighbouring stages, in their order."""
    steps: list[Step] = []
    for stage in stages:
        own = settings.task_of(stage)
        if layout is Layout.FUSED and steps and steps[-1].settings == own:
            steps[-1] = Step((*steps[-1].stages, stage), own)
        else:
            steps.append(Step((stage,), own))
    return steps
