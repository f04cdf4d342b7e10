"""What the tasks of an exported DAG do, in any Python that has ragctl, with or without Airflow."""

from ragctl.run.tasks.exported_spec import load_exported_spec
from ragctl.run.tasks.stage_task import run_stage

__all__ = ["load_exported_spec", "run_stage"]
