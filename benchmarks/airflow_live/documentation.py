"""Airflow's documentation by its own DAGs: an ingest over REST, its asset event, and questions."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow_live.deployment import Deployment
from airflow_live.pages import QUESTIONS
from airflow_live.pipeline import Pipeline
from airflow_live.results import Results, by_task

DAGS = Path(__file__).resolve().parent / "dags"
NAME = "live_docs"
ASSET = f"ragctl:pgvector:{NAME}"
AT_ONCE = 8
DOWNSTREAM_S = 60.0
LAYOUTS = ("stages", "fused")


def run(deployment: Deployment, results: Results, pages: Path) -> None:
    """The whole scenario."""
    pipeline = Pipeline(deployment.base / "docs", NAME, pages)
    deployment.on_exit(pipeline.stop)
    twin = pipeline.twin(deployment.base / "docs-by-command-line")
    deployment.on_exit(twin.stop)
    deployment.add_dag("live_downstream", DAGS / "downstream.py")
    dag = pipeline.export(deployment, "ingest")
    results.say("## Airflow's documentation over REST\n")
    _ingest(deployment, results, pipeline, twin, dag)
    _asset_events(deployment, results, dag)
    specs = {"stages": pipeline.spec, "fused": pipeline.write_spec(f"{NAME}_fused")}
    asks = {layout: pipeline.export(deployment, "ask", layout, spec=spec) for layout, spec in specs.items()}
    for layout in LAYOUTS:
        _ask(deployment, results, pipeline, layout, specs[layout], asks[layout])


def _ingest(deployment: Deployment, results: Results, pipeline: Pipeline, twin: Pipeline, dag: str) -> None:
    twin.ready()
    local, expected = twin.ingest()
    twin.stop()
    pipeline.ready()
    remote, report = pipeline.ingest(deployment)
    [run] = deployment.api.runs(dag)
    instances = deployment.api.task_instances(dag, run["dag_run_id"])
    rows = by_task(instances)
    results.table("docs_ingest_tasks", rows)
    results.table(
        "docs_ingest",
        [
            {"way": "command line", "seconds": round(local, 1), **expected["counts"]},
            {"way": "dag, stages", "seconds": round(remote, 1), **report["counts"]},
        ],
    )
    results.say(
        f"`ragctl ingest SPEC --airflow URL`, layout stages, LocalExecutor: {remote:.1f} s; "
        f"the same by command line: {local:.1f} s; {report['counts']['chunks']:,} chunks."
    )
    results.markdown(rows)
    results.expect(
        _comparable(report["counts"]) == _comparable(expected["counts"]),
        "the report counts what the command line's does",
    )
    twice = report["counts"]["embedded"] - expected["counts"]["embedded"]
    results.say(
        f"- texts embedded twice, because they are in two batches that ran at once: {twice:,} of "
        f"{report['counts']['embedded']:,}"
    )
    found = pipeline.differences(twin.contents())
    results.expect(not found, f"the same content as by command line{_first(found)}")


def _comparable(counts: dict[str, int]) -> dict[str, int]:
    """Batches at the same time do not see one another's vectors: only the sum of both numbers is fixed."""
    rest = {name: number for name, number in counts.items() if name not in ("embedded", "cached")}
    return {**rest, "embedded or cached": counts["embedded"] + counts["cached"]}


def _first(lines: list[str]) -> str:
    return f": {len(lines)} differences, such as {lines[:3]}" if lines else ""


def _asset_events(deployment: Deployment, results: Results, dag: str) -> None:
    """The event is there, with what the publish said of it, and started the DAG that waits for it."""
    events = deployment.api.asset_events(ASSET)
    mine = [one for one in events if one["source_dag_id"] == dag]
    results.expect(len(mine) == 1, f"one asset event after one publish (seen: {len(mine)})")
    if not mine:
        return
    extra = mine[0]["extra"]
    results.table("docs_asset_event", [{"key": key, "value": extra[key]} for key in sorted(extra)])
    results.say(f"\nMetadata of the event: `{json.dumps(extra, sort_keys=True)}`\n")
    wanted = {"generation", "recipe", "model", "documents", "chunks", "failures", "cost_usd"}
    results.expect(wanted <= extra.keys(), f"the event says {', '.join(sorted(wanted))}")
    run = _downstream_run(deployment)
    if run is None:
        results.expect(False, "a DAG scheduled on the asset ran")
        return
    ended = deployment.api.until_ended("live_downstream", run)
    seen = deployment.api.xcom("live_downstream", run, "look")
    read = ended["state"] == "success" and [one["extra"] for one in seen] == [extra]
    results.expect(read, "a DAG scheduled on the asset ran and read the same metadata")
    results.expect(ended["run_type"] == "asset_triggered", f"its run is {ended['run_type']}")


def _downstream_run(deployment: Deployment) -> str | None:
    deadline = time.monotonic() + DOWNSTREAM_S
    while time.monotonic() < deadline:
        if runs := deployment.api.runs("live_downstream"):
            return str(runs[0]["dag_run_id"])
        time.sleep(0.5)
    return None


def _hits(answer: dict[str, Any]) -> list[Any]:
    return [(hit["rank"], hit["document"], hit["text"]) for hit in answer["hits"]]


def _ask(
    deployment: Deployment, results: Results, pipeline: Pipeline, layout: str, spec: Path, dag: str
) -> None:
    questions = [json.loads(line)["question"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    questions = questions[:AT_ONCE]
    _, expected = pipeline.command("ask", "--questions", str(QUESTIONS), spec=spec)
    expected = expected[:AT_ONCE]
    alone = [_raw(deployment, dag, question)[0] for question in questions[:3]]
    command, _ = pipeline.command("ask", questions[0], spec=spec, airflow=deployment)
    batch, batched = pipeline.command("ask", "--questions", str(QUESTIONS), spec=spec, airflow=deployment)
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answered = list(pool.map(lambda question: _raw(deployment, dag, question), questions))
    whole = time.perf_counter() - started
    seconds = [one for one, _ in answered]
    row = {
        "layout": layout,
        "one alone (fastest of 3)": min(alone),
        "ragctl ask --airflow": command,
        "all ten in one run": batch,
        f"{AT_ONCE} at once, fastest": min(seconds),
        f"{AT_ONCE} at once, slowest": max(seconds),
        "until the last": whole,
    }
    results.table("docs_asks", [{key: _round(value) for key, value in row.items()}])
    results.say(f"\nAsks, layout {layout}, in seconds (POST dagRuns to the end of `wait`):")
    results.markdown([row])
    same = [_hits(one) for _, one in answered] == [_hits(one) for one in expected]
    results.expect(same, f"{AT_ONCE} asks at once ({layout}): hits, ranks and texts of a local ask")
    same = [_hits(one) for one in batched[:AT_ONCE]] == [_hits(one) for one in expected]
    results.expect(same, f"--questions FILE --airflow URL ({layout}): the same hits")
    runs = [one for one in deployment.api.runs(dag) if one["run_type"] == "manual"]
    results.expect(
        all(one["state"] == "success" and one["logical_date"] is None for one in runs),
        f"{len(runs)} runs of {dag}, all without a logical date, succeeded",
    )
    results.table(f"docs_ask_tasks_{layout}", by_task(deployment.api.task_instances(dag, _newest(runs))))


def _newest(runs: list[dict[str, Any]]) -> str:
    return str(max(runs, key=lambda one: one["start_date"])["dag_run_id"])


def _round(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def _raw(deployment: Deployment, dag: str, question: str) -> tuple[float, dict[str, Any]]:
    """Seconds of a bare POST and wait, and the answer.

    Raises:
        RuntimeError: the run did not succeed.
    """
    started = time.perf_counter()
    run = deployment.api.trigger(dag, {"question": question})
    answer = deployment.api.wait(dag, run)
    seconds = time.perf_counter() - started
    if answer["state"] != "success":
        raise RuntimeError(f"{dag}/{run}: {answer}")
    [result] = answer["results"].values()
    return seconds, result
