"""One stage on a queue of its own, served by a worker of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from airflow_live.deployment import Deployment
from airflow_live.pages import sample
from airflow_live.pipeline import Pipeline
from airflow_live.results import Results, by_task

PAGES = 60
BATCHES = 6
QUEUES = ("default", "gpu")
STAGE, QUEUE = "embed", "gpu"


def run(deployment: Deployment, results: Results, pages: Path) -> None:
    """An ingest in a deployment with a Celery worker for each of QUEUES."""
    airflow = {"batch_tokens": 1_000, "max_batches": BATCHES, "stages": {STAGE: {"queue": QUEUE}}}
    some = sample(pages, PAGES, deployment.base / "queues-pages")
    pipeline = Pipeline(deployment.base / "queues", "queues", some, airflow)
    deployment.on_exit(pipeline.stop)
    twin = pipeline.twin(deployment.base / "queues-by-command-line")
    deployment.on_exit(twin.stop)
    dag = pipeline.export(deployment, "ingest")
    twin.ready()
    twin.ingest()
    pipeline.ready()
    seconds, _ = pipeline.ingest(deployment)
    [dag_run] = deployment.api.runs(dag)
    instances = deployment.api.task_instances(dag, dag_run["dag_run_id"])
    places = Counter((one["task_id"], one["queue"], one["hostname"]) for one in instances)
    rows = [
        {"task": task, "queue": queue, "worker": worker, "instances": count}
        for (task, queue, worker), count in sorted(places.items())
    ]
    results.table("queues", rows)
    results.table("queues_tasks", by_task(instances))
    results.say(f"\n## `{STAGE}` on its own queue: CeleryExecutor, Redis, two workers\n\n{seconds:.1f} s.")
    results.markdown(rows)
    own = {(one["queue"], one["hostname"]) for one in instances if _is_own(one["task_id"])}
    others = {(one["queue"], one["hostname"]) for one in instances if not _is_own(one["task_id"])}
    results.expect(own == {(QUEUE, f"worker-{QUEUE}")}, f"every {STAGE} ran in worker-{QUEUE}: {own}")
    results.expect(others == {("default", "worker-default")}, f"and nothing else did: {others}")
    received = _received(deployment)
    results.expect(
        received.get(f"worker-{QUEUE}") == sum(_is_own(one["task_id"]) for one in instances),
        f"the workers' own logs agree: tasks received {received}",
    )
    found = pipeline.differences(twin.contents())
    results.expect(not found, f"the same content as by command line {found[:3] if found else ''}")


def _is_own(task: str) -> bool:
    return task.rsplit(".", 1)[-1] == STAGE


def _received(deployment: Deployment) -> dict[str, int]:
    """How many tasks each worker says that it received."""
    return {
        name: deployment.component(name).log.read_text(encoding="utf-8", errors="replace").count("] received")
        for name in (f"worker-{queue}" for queue in QUEUES)
    }
