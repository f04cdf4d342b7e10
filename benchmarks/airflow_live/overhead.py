"""What a DAG costs beyond the same work by command line: by number of batches, and for one question."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from airflow_live.deployment import Deployment
from airflow_live.documentation import DAGS, LAYOUTS
from airflow_live.pages import sample, shortest
from airflow_live.pipeline import Pipeline
from airflow_live.results import Results, by_task

PAGES = 64
BATCHES = (1, 4, 16, 64)
SHARE = 0.10  # of a batch's own work that its tasks may cost besides
SMALLEST_BATCH = 1_000  # tokens: the spec allows no less, so that `max_batches` decides
ASKS = 12
BAR = 1.5
QUESTION = "How can one task hand a small value to another task?"


def ingests(deployment: Deployment, results: Results, pages: Path) -> None:
    """Seconds of an ingest by DAG and by command line, in turns, by layout and number of batches.

    The pages are the shortest ones: what a DAG costs besides does not depend on how much there is to embed,
    and would be lost in the noise of minutes of embedding.
    """
    some = shortest(pages, PAGES, deployment.base / "overhead-pages")
    deployment.add_dag("live_nothing", DAGS / "nothing.py")
    _nothing(deployment)
    rows = []
    results.say("\n## Seconds beyond the same ingest by command line\n")
    for layout in LAYOUTS:
        for batches in BATCHES:
            rows.append(_one(deployment, results, some, layout, batches))
            results.table("overhead", rows[-1:])
    results.markdown(rows)
    rate = _rate(deployment, pages)
    for layout in LAYOUTS:
        _advise(results, layout, [row for row in rows if row["layout"] == layout], rate)


def _rate(deployment: Deployment, pages: Path) -> float:
    """Tokens a second of an ingest by command line, start and end of the process not counted."""
    seen = []
    for name, count in (("rate_few", PAGES // 8), ("rate_many", PAGES)):
        some = sample(pages, count, deployment.base / f"{name}-pages")
        pipeline = Pipeline(deployment.base / name, name, some)
        try:
            pipeline.ready()
            seconds, report = pipeline.ingest()
            seen.append((report["usage"]["tokens"], seconds))
        finally:
            pipeline.stop()
    (few, short), (many, long) = seen
    return float((many - few) / (long - short))


def _one(deployment: Deployment, results: Results, pages: Path, layout: str, batches: int) -> dict[str, Any]:
    name = f"overhead_{layout}_{batches}"
    airflow = {"batch_tokens": SMALLEST_BATCH, "max_batches": batches}
    pipeline = Pipeline(deployment.base / name, name, pages, airflow)
    twin = pipeline.twin(deployment.base / f"{name}-by-command-line")
    try:
        dag = pipeline.export(deployment, "ingest", layout)
        twin.ready()
        local, expected = twin.ingest()
        pipeline.ready()
        remote, report = pipeline.ingest(deployment)
        [run] = deployment.api.runs(dag)
        instances = deployment.api.task_instances(dag, run["dag_run_id"])
        results.table("overhead_tasks", ({"run": name, **row} for row in by_task(instances)))
        found = pipeline.differences(twin.contents())
        results.expect(not found, f"{name}: the same content as by command line {found[:3] if found else ''}")
        return {
            "layout": layout,
            "batches": 1 + max(one["map_index"] for one in instances),
            "tasks": len(instances),
            "tokens": report["usage"]["tokens"],
            "command line": round(local, 2),
            "dag": round(remote, 2),
            "beyond": round(remote - local, 2),
            "chunks": expected["counts"]["chunks"],
        }
    finally:
        pipeline.stop()
        twin.stop()
        (deployment.dags / f"{name}_ingest.py").unlink(missing_ok=True)


def _advise(results: Results, layout: str, rows: list[dict[str, Any]], rate: float) -> None:
    """The straight line through the seconds beyond, and the batch at which they are a small share."""
    batches = np.array([row["batches"] for row in rows], float)
    beyond = np.array([row["beyond"] for row in rows], float)
    slope, base = (float(value) for value in np.polyfit(batches, beyond, 1))
    tokens = max(0.0, slope) * rate / SHARE
    results.say(
        f"- {layout}: {base:.1f} s a run and {slope:.2f} s a batch; at {rate:,.0f} tokens a second by "
        f"command line, {SHARE:.0%} a batch is reached at {tokens:,.0f} tokens a batch"
    )
    results.table(
        "overhead_fit",
        [{"layout": layout, "per_run": base, "per_batch": slope, "tokens_per_second": rate, "batch": tokens}],
    )


def asks(deployment: Deployment, results: Results, pages: Path) -> None:
    """A fused ask beside a DAG of one task that does nothing, in turns."""
    some = sample(pages, 40, deployment.base / "quick-pages")
    pipeline = Pipeline(deployment.base / "quick", "quick", some)
    deployment.on_exit(pipeline.stop)
    pipeline.ready()
    pipeline.ingest()
    dag = pipeline.export(deployment, "ask", "fused")
    deployment.add_dag("live_nothing", DAGS / "nothing.py")
    rows = []
    for number in range(ASKS + 1):
        row = {
            "number": number,
            "nothing": _nothing(deployment),
            "ask": _seconds(deployment, dag, {"question": QUESTION}),
        }
        if number:  # the first of each only warms up
            rows.append(row)
    ahead = deployment.layout.ahead
    results.table("ask_beside_nothing" if ahead else "ask_alone_beside_nothing", rows)
    nothing, ask = (statistics.median(row[name] for row in rows) for name in ("nothing", "ask"))
    results.say(
        f"\nFused ask: median {ask:.2f} s; a DAG of one task that does nothing: {nothing:.2f} s "
        f"({ASKS} of each, in turns; workers {'load' if ahead else 'do not load'} ragctl ahead)."
    )
    if not ahead:
        results.say(f"{ask / nothing:.2f} times the empty DAG")
        return
    results.expect(ask <= BAR * nothing, f"{ask / nothing:.2f} times the empty DAG, at most {BAR} wanted")


def _nothing(deployment: Deployment) -> float:
    return _seconds(deployment, "live_nothing", {})


def _seconds(deployment: Deployment, dag: str, conf: dict[str, Any]) -> float:
    started = time.perf_counter()
    answer = deployment.api.wait(dag, deployment.api.trigger(dag, conf))
    seconds = time.perf_counter() - started
    if answer["state"] != "success":
        raise RuntimeError(f"{dag}: {answer}")
    return seconds
