"""docs_changed: an example of what can follow an ingest. Written by hand.

It is scheduled on the index's asset, so it runs after each publish of `docs_ingest`, and reads what that
run has told about the index.
"""

from airflow.sdk import Asset, dag, task

INDEX = Asset(
    name="ragctl:pgvector:docs",
    uri="x-ragctl://pgvector/docs",
    group="ragctl",
)


@dag(dag_id="docs_changed", schedule=[INDEX], catchup=False, tags=["ragctl"])
def docs_changed():
    """Say what has changed, if anything has."""

    @task(multiple_outputs=False)
    def tell(*, triggering_asset_events) -> list[str]:
        """One line for each publish that changed something."""
        return [
            f"generation {event.extra['generation']}: {event.extra['documents']} documents"
            for event in triggering_asset_events[INDEX]
            if event.extra["changed"]
        ]

    tell()


docs_changed()
