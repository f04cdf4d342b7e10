"""Three variants of a spec over Airflow's documentation: mapped, measured, told as events of an asset."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from airflow_live.deployment import Deployment
from airflow_live.pages import QUESTIONS
from airflow_live.pipeline import Pipeline
from airflow_live.results import Results, by_task

NAME = "live_experiment"
ASSET = f"ragctl:experiment:{NAME}"
VALUES = {"chunk.max_tokens": [256], "ask.query.mode": ["dense", "lexical", "hybrid"]}


def run(deployment: Deployment, results: Results, pages: Path) -> None:
    """The whole scenario."""
    pipeline = Pipeline(deployment.base / "experiment", NAME, pages)
    deployment.on_exit(pipeline.stop)
    twin = pipeline.twin(deployment.base / "experiment-by-command-line")
    deployment.on_exit(twin.stop)
    for one in (pipeline, twin):
        _with_experiment(one)
    results.say("## An experiment of three variants\n")
    twin.ready()
    local, [expected] = twin.command("experiment", "run")
    twin.stop()
    pipeline.ready()
    dag = pipeline.export(deployment, "experiment")
    started = time.perf_counter()
    name = deployment.api.trigger(dag)
    ended = deployment.api.until_ended(dag, name)
    seconds = time.perf_counter() - started
    results.expect(ended["state"] == "success", f"the run's state is {ended['state']}")
    document = deployment.api.xcom(dag, name, "compare_variants")
    instances = deployment.api.task_instances(dag, name)
    results.say(f"by its DAG {seconds:.1f} s, by command line {local:.1f} s")
    results.markdown(by_task(instances))
    results.expect(_figures(document) == _figures(expected), "the numbers are those of the command line")
    _expect_mapped(results, instances)
    _expect_events(results, deployment, dag, document)


def _with_experiment(pipeline: Pipeline) -> None:
    questions = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    rows = [{"id": str(number), **one} for number, one in enumerate(questions, start=1)]
    file = pipeline.base / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = json.loads(pipeline.spec.read_text(encoding="utf-8"))
    spec["experiment"] = {"matrix": VALUES, "queries": file.name, "metrics": ["hit@5", "ndcg@10"]}
    pipeline.spec.write_text(json.dumps(spec), encoding="utf-8")


def _figures(document: dict[str, Any]) -> Any:
    return {one["name"]: one.get("metrics") for one in document["variants"]}


def _expect_mapped(results: Results, instances: list[dict[str, Any]]) -> None:
    for task in ("per_variant.ingest_variant", "per_variant.evaluate_variant"):
        mine = [one for one in instances if one["task_id"] == task]
        states = {one["map_index"]: one["state"] for one in mine}
        results.expect(
            states == {0: "success", 1: "success", 2: "success"}, f"{task}: three copies, {states}"
        )
        names = sorted(str(one["rendered_map_index"]) for one in mine)
        wanted = [f"max_tokens-256_mode-{mode}" for mode in ("dense", "hybrid", "lexical")]
        results.expect(names == wanted, f"{task}: called by their variants: {', '.join(names)}")


def _expect_events(results: Results, deployment: Deployment, dag: str, document: dict[str, Any]) -> None:
    events = [one["extra"] for one in deployment.api.asset_events(ASSET) if one["source_dag_id"] == dag]
    variants = {one["variant"]: one["metrics"] for one in events if "variant" in one}
    means = {
        one["name"]: {name: found["mean"] for name, found in one["metrics"].items()}
        for one in document["variants"]
    }
    results.expect(variants == means, f"{len(variants)} asset events, each with its variant's numbers")
    told = [one for one in events if "winner" in one]
    same = [one["winner"] for one in told] == [document["winner"]]
    results.expect(same, f"an event of the comparison; the best is {document['winner']}")
    hidden = [one for one in events if "***" in json.dumps(one)]
    results.expect(not hidden, "Airflow shows all of each event")
    for one in events:
        results.say(f"\n`{json.dumps(one, sort_keys=True)}`\n")
