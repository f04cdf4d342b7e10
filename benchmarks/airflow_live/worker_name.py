"""The name by which a Celery worker is noted as the host of its task instances.

All workers share one machine: by its name alone nobody could tell which of them ran a task.
"""

from __future__ import annotations

import os

VARIABLE = "AIRFLOW_LIVE_WORKER"


def worker_name() -> str:
    """Called by Airflow in the worker's process, as its `hostname_callable`."""
    return os.environ[VARIABLE]
