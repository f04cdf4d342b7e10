"""A DAG of one task that does nothing: what a run in this Airflow costs at the least."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(dag_id="live_nothing", schedule=None, catchup=False, max_active_runs=16)
def nothing() -> object:
    @task
    def rest() -> int:
        return 0

    return rest()


nothing()
