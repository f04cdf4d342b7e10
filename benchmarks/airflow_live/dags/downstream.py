"""A DAG that runs when the index of `live_docs` was published, and reads what the publish said of it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, dag, task

INDEX = Asset(name="ragctl:pgvector:live_docs", uri="x-ragctl://pgvector/live_docs", group="ragctl")


@dag(dag_id="live_downstream", schedule=[INDEX], catchup=False)
def downstream() -> object:
    @task(multiple_outputs=False)
    def look(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        events = triggering_asset_events[INDEX]
        return [{"run": event.source_run_id, "extra": event.extra} for event in events]

    return look()


downstream()
