"""What a task of a DAG run left behind, over REST."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from ragctl.airflow.answers import NotThere
from ragctl.airflow.rest import Api


def task_path(run_path: str, task: str) -> str:
    """Of a task instance, below `/api/v2`; which of the mapped ones is a matter of the query."""
    return f"{run_path}/taskInstances/{quote(task, safe='')}"


def xcom_of(api: Api, run_path: str, task: str, key: str, *, map_index: int = -1) -> Any:
    """A value that a task instance left; None if it left none."""
    try:
        entry = api.get(f"{task_path(run_path, task)}/xcomEntries/{key}", {"map_index": map_index})
    except NotThere:
        return None
    value = entry.get("value")
    if isinstance(value, str):
        with suppress(ValueError):  # a text is a value, too
            return json.loads(value)
    return value
