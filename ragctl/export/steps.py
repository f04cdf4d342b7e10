"""The tasks of a DAG: stages one by one, or neighbours with the same settings together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragctl.export.options import AirflowVersion, ExportOptions, Layout
from ragctl.spec.airflow_settings import AirflowSettings, StageName, StageTask


@dataclass(frozen=True, slots=True)
class Step:
    """One task: the stages that it runs, in their order, and the settings that they share.

    `has_retry_policy`: it runs in another Python, and Airflow can be told which of its failures are final.
    """

    stages: tuple[str, ...]
    settings: StageTask
    has_retry_policy: bool = False

    @property
    def name(self) -> str:
        """The task's id, without that of its group."""
        return "_".join(self.stages)


def make_step(
    settings: AirflowSettings, options: ExportOptions, stage: StageName, *, name: str | None = None
) -> Step:
    """The task for one stage; or for the stage `name`, which the spec does not know, with its settings."""
    own = settings.task_of(stage)
    in_another_python = own.external_python is not None or own.virtualenv is not None
    # Retry policies came with Airflow 3.3; a pod's failures all look the same to it.
    return Step((name or stage,), own, in_another_python and options.airflow_version is AirflowVersion.V3_3)


def make_steps(settings: AirflowSettings, options: ExportOptions, stages: Sequence[StageName]) -> list[Step]:
    """The tasks for neighbouring stages, in their order."""
    steps: list[Step] = []
    for stage in stages:
        step = make_step(settings, options, stage)
        if options.layout is Layout.FUSED and steps and steps[-1].settings == step.settings:
            steps[-1] = replace(step, stages=(*steps[-1].stages, stage))
        else:
            steps.append(step)
    return steps
