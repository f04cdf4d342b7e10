"""An experiment by `ragctl` and by `dag.test()`: the same variants, the same numbers, and what failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_runs import RunOutcome

from workspace import Workspace

if TYPE_CHECKING:
    from airflow.sdk import DAG

PAGES = {
    "lease.md": "# Leases\n\nA lease is held by one run at a time, and renewed every ten seconds.\n",
    "tea.md": "# Tea\n\nGreen tea is brewed at eighty degrees for two minutes.\n",
    "bread.md": "# Bread\n\nSourdough rests overnight before it is baked.\n",
}
QUESTIONS: list[dict[str, Any]] = [
    {"id": "lease", "question": "How often is a lease renewed?", "documents": ["lease.md"]},
    {"id": "tea", "question": "Who rests overnight?", "documents": ["bread.md"]},
    {"id": "cake", "question": "Is a lease baked at eighty degrees?", "documents": ["lease.md"]},
]
MATRIX = {"chunk.max_tokens": [64], "ask.query.mode": ["dense", "lexical", "hybrid"]}

DagOf = Callable[[str | Path], "DAG"]
RunDag = Callable[..., RunOutcome]


class Pair:
    """The same documents and experiment for the command line and for Airflow."""

    def __init__(self, base: Path, dags_folder: Path, dag_of: DagOf, run_dag: RunDag) -> None:
        taken = sum(1 for _ in base.glob("*.yaml"))
        self.local, self.dag = (Workspace(base, f"w{taken + number}") for number in (0, 1))
        self.dags_folder, self.dag_of, self.run_dag = dags_folder, dag_of, run_dag
        for one in (self.local, self.dag):
            for name, text in PAGES.items():
                one.write(name, text)
        self.spec()

    def spec(self, *, include: Any = (), airflow: Any = None) -> None:
        for one in (self.local, self.dag):
            file = one.base / f"{one.name}-questions.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS), encoding="utf-8")
            experiment = {"matrix": MATRIX, "include": list(include), "queries": file.name}
            one.spec(experiment=experiment, airflow={"single_host": True, "retries": 0, **(airflow or {})})

    def run(self, *options: str, conf: Any = None) -> RunOutcome:
        file = self.dags_folder / f"exported_{len(list(self.dags_folder.iterdir()))}.py"
        called = self.dag.call("export-dag", "--kind", "experiment", "-o", str(file), *options)
        assert called.code == 0, called.err
        return self.run_dag(self.dag_of(file), conf)


@pytest.fixture
def pair(server_base: Path, dags_folder: Path, dag_of: DagOf, run_dag: RunDag) -> Pair:
    return Pair(server_base, dags_folder, dag_of, run_dag)


def figures(document: Any) -> Any:
    return {one["name"]: (one["values"], one.get("metrics")) for one in document["variants"]}


@pytest.mark.parametrize("embedded", [False, True])
def test_variants_are_mapped_and_their_numbers_are_the_command_lines(pair: Pair, embedded: bool) -> None:
    pair.dag.ingest()
    outcome = pair.run(*(["--embed-spec"] if embedded else []))
    assert outcome.state == "success", outcome.states
    document = outcome.returned("compare_variants")
    local = pair.local.call("experiment", "run", "--format", "json")
    assert local.code == 0, local.err
    assert figures(document) == figures(local.json)
    names = [one["name"] for one in document["variants"]]
    assert [one["index_facts"]["chunks"] for one in document["variants"]] == [3, 3, 3]
    mapped = [task for task in outcome.states if task.map_index >= 0]
    assert {task.map_index for task in mapped} == {0, 1, 2}
    *measured, compared = [event.extra for event in outcome.events]
    by_name = {event["variant"]: event for event in measured}  # mapped tasks run in no fixed order
    assert sorted(by_name) == sorted(names)
    assert {event.uri for event in outcome.events} == {f"x-ragctl://experiment/{pair.dag.name}"}
    for one in document["variants"]:
        assert by_name[one["name"]]["metrics"]["ndcg@10"] == one["metrics"]["ndcg@10"]["mean"]
        assert by_name[one["name"]]["run_id"] == one["run"]
    assert compared["winner"] == document["winner"]
    told = compared["variants"]
    assert [one["variant"] for one in told] == names
    assert [one["run_id"] for one in told] == [one["run"] for one in document["variants"]]
    assert {len(one["documents"]) for one in told} == {64}  # a SHA-256 of what was asked
    listed = pair.dag.call("index", "list", "--format", "json").json["generations"]
    assert [one["status"] for one in listed] == ["active", "trial"]
    shown = pair.dag.call("experiment", "show", "--format", "json").json
    assert figures(shown) == figures(document)


def test_a_failed_variant_stops_no_other_and_fails_the_comparison(pair: Pair) -> None:
    wrong = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "retries": 0}
    pair.spec(include=[{"embed": wrong}])
    outcome = pair.run()
    assert outcome.state == "failed"
    document = outcome.returned("compare_variants")
    assert [one["status"] for one in document["variants"]] == ["done"] * 3 + ["failed"]
    assert document["variants"][3]["error"]["message"]
    assert outcome.state_of("per_variant.ingest_variant") == ["success"] * 3 + ["failed"]
    assert outcome.state_of("per_variant.evaluate_variant") == ["success"] * 3 + ["upstream_failed"]
    assert len([event for event in outcome.events if "variant" in event.extra]) == 3
    pair.spec(include=[{"embed": wrong}], airflow={"on_partial": "warn"})
    assert pair.run().state == "success"


def test_parameters_are_checked(pair: Pair) -> None:
    assert pair.run(conf={"max_cots": 1}).state == "failed"
    assert pair.run(conf={"max_cost": 0}).state == "success"  # the local model costs nothing


def test_a_spec_without_an_experiment_is_no_such_dag(pair: Pair) -> None:
    pair.dag.spec(airflow={"single_host": True})
    called = pair.dag.call("export-dag", "--kind", "experiment")
    assert called.code == 2
    assert "names no variant" in called.err
