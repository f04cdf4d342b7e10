"""Command line and DAG do the same thing: the example's corpus by `ragctl` and by `dag.test()`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow_runs import RunOutcome
from chaos.contents import contents, differences, inconsistencies

from workspace import Workspace, call

if TYPE_CHECKING:
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
# A Python that has ragctl and no Airflow: what `make setup` makes.
OTHER_PYTHON = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
QUESTIONS = (
    "What happens to my index when an update of a document fails?",
    "How do I stop the embedded database server?",
    "Which exit code tells a script that a deletion was refused?",
)
ALL_STAGES = ("plan", "extract", "chunk", "embed", "store", "publish")

DagOf = Callable[[str | Path], "DAG"]
RunDag = Callable[..., RunOutcome]


@dataclass
class Twins:
    """The example's corpus twice: one copy for the command line, one for Airflow."""

    local: Workspace
    dag: Workspace
    connection: psycopg.Connection[Any]
    dags_folder: Path
    dag_of: DagOf
    run_dag: RunDag

    def both(self) -> tuple[Workspace, Workspace]:
        return self.local, self.dag

    def spec(self, **sections: Any) -> None:
        airflow = {"single_host": True, "batch_tokens": 4000, **sections.pop("airflow", {})}
        for one in self.both():
            one.spec(airflow=airflow, **sections)

    def exported(self, *options: str) -> DAG:
        file = self.dags_folder / f"exported_{len(list(self.dags_folder.iterdir()))}.py"
        called = self.dag.call("export-dag", "-o", str(file), *options)
        assert called.code == 0, called.err
        return self.dag_of(file)

    def ingest_dag(self, *options: str, conf: Any = None) -> RunOutcome:
        return self.run_dag(self.exported(*options), conf)

    def assert_equal(self) -> None:
        local, dag = (contents(self.connection, one.name) for one in self.both())
        assert local.chunks
        assert differences(local, dag) == []
        assert list(inconsistencies(self.connection, self.dag.name)) == []


@pytest.fixture
def twins(
    server_base: Path,
    connection: psycopg.Connection[Any],
    dags_folder: Path,
    dag_of: DagOf,
    run_dag: RunDag,
) -> Twins:
    taken = sum(1 for _ in server_base.glob("*.yaml"))
    local, dag = (Workspace(server_base, f"w{taken + number}") for number in (0, 1))
    made = Twins(local, dag, connection, dags_folder, dag_of, run_dag)
    for one in made.both():
        shutil.copytree(ROOT / "docs", one.documents / "docs")
        shutil.copytree(ROOT / "examples" / "quickstart" / "pages", one.documents / "pages")
    made.spec()
    return made


def counts(document: Any) -> Any:
    """Without those that depend on which copy was embedded first: they share one cache of vectors."""
    return {name: value for name, value in document["counts"].items() if name not in ("embedded", "cached")}


@pytest.mark.parametrize("layout", ["stages", "fused"])
def test_a_first_ingest(twins: Twins, layout: str) -> None:
    outcome = twins.ingest_dag("--layout", layout)
    assert outcome.state == "success", outcome.states
    report = outcome.returned("publish")
    assert counts(report) == counts(twins.local.ingest())
    assert report["counts"]["added"] > 10
    twins.assert_equal()
    [event] = outcome.events
    assert event.uri == f"x-ragctl://pgvector/{twins.dag.name}"
    assert event.extra == report["asset"]
    assert event.extra["documents"] == report["counts"]["added"]
    mapped = [task for task in outcome.states if task.map_index >= 0]
    assert len({task.map_index for task in mapped}) > 2


def test_an_incremental_ingest_with_a_failing_document(twins: Twins) -> None:
    twins.spec(max_failures=1)
    dag = twins.exported()
    twins.run_dag(dag)
    twins.local.ingest()
    for one in twins.both():
        one.write("docs/exit-codes.md", "# Exit codes\n\nThere is only one exit code left.\n")
        one.write("new.rst", "New\n===\n\nThis page came later.\n")
        one.write("hollow.html", "<html><body></body></html>\n")
        (one.documents / "docs" / "plan.md").unlink()
    outcome = twins.run_dag(dag)
    assert outcome.state == "success", outcome.states
    report = outcome.returned("publish")
    local = twins.local.ingest()
    assert counts(report) == counts(local)
    assert [report["counts"][name] for name in ("added", "changed", "deleted", "failed")] == [1, 1, 1, 1]
    assert [one["document"] for one in report["failures"]] == ["hollow.html"]
    twins.assert_equal()


def test_more_failures_than_the_spec_allows(twins: Twins) -> None:
    for one in twins.both():
        one.write("hollow.html", "<html><body></body></html>\n")
    outcome = twins.ingest_dag()
    assert outcome.state == "failed"
    assert outcome.state_of("publish") == "failed"
    assert outcome.events == []
    local = twins.local.call("ingest", "--format", "json")
    assert local.code == 3
    report = outcome.returned("publish")
    assert counts(report) == counts(local.json)
    [error] = [pushed["ragctl_error"] for pushed in outcome.xcoms.values() if "ragctl_error" in pushed]
    assert error["code"] == 3
    twins.assert_equal()
    assert all(tries == 1 for tries in outcome.tries.values() if tries)  # retrying could not mend it


def test_a_refused_plan_is_not_tried_again(twins: Twins) -> None:
    twins.spec(airflow={"retries": 3})
    dag = twins.exported()
    twins.run_dag(dag)
    shutil.rmtree(twins.dag.documents / "docs")
    outcome = twins.run_dag(dag)
    assert (outcome.state, outcome.state_of("plan")) == ("failed", "failed")
    assert tries_of(outcome, "plan") == 1
    error = next(pushed["ragctl_error"] for task, pushed in outcome.xcoms.items() if task.task_id == "plan")
    assert (error["code"], error["kind"]) == (4, "deletion_refused")
    allowed = twins.run_dag(dag, {"allow_delete": 1_000})
    assert allowed.state == "success", allowed.states


def test_an_unknown_parameter_is_refused(twins: Twins) -> None:
    outcome = twins.ingest_dag(conf={"chunk_size": 40})
    assert outcome.state == "failed"
    assert any("no parameter 'chunk_size'" in str(pushed) for pushed in outcome.xcoms.values())


@pytest.mark.parametrize("layout", ["stages", "fused"])
def test_the_hits_of_an_ask(twins: Twins, layout: str) -> None:
    twins.dag.ingest()
    twins.local.ingest()
    dag = twins.exported("--kind", "ask", "--layout", layout)
    one = twins.run_dag(dag, {"question": QUESTIONS[0], "top_n": 3})
    assert one.state == "success", one.states
    several = twins.run_dag(dag, {"questions": list(QUESTIONS)})
    results = [one.result, *several.result["results"]]
    asked = [(QUESTIONS[0], "3"), *((question, "8") for question in QUESTIONS)]
    for result, (question, top) in zip(results, asked, strict=True):
        local = twins.local.call("ask", question, "--top", top, "--format", "json").json
        assert [places(hit) for hit in result["hits"]] == [places(hit) for hit in local["hits"]]
        assert set(result) == set(local)


def places(hit: Any) -> Any:
    return hit["rank"], hit["document"], hit["start"], hit["end"], hit["text"], round(hit["score"], 4)


def test_an_embed_stage_in_a_python_without_airflow(twins: Twins) -> None:
    if not OTHER_PYTHON.exists():
        pytest.fail(f"needs {OTHER_PYTHON}, which `make setup` makes")
    twins.spec(airflow={"stages": {"embed": {"external_python": str(OTHER_PYTHON), "queue": "gpu"}}})
    outcome = twins.ingest_dag("--layout", "fused")
    assert outcome.state == "success", outcome.states
    named = {task.task_id for task in outcome.states}
    assert named == {"plan", "per_batch.extract_chunk", "per_batch.embed", "per_batch.store", "publish"}
    assert counts(outcome.returned("publish")) == counts(twins.local.ingest())
    twins.assert_equal()


def test_all_of_it_in_a_python_without_airflow(twins: Twins) -> None:
    other = {"external_python": str(OTHER_PYTHON)}
    twins.spec(airflow={"batch_tokens": 100_000, "stages": dict.fromkeys(ALL_STAGES, other)})
    outcome = twins.ingest_dag("--layout", "fused", conf={"allow_partial": True})
    assert outcome.state == "success", outcome.states
    [event] = outcome.events
    assert event.task_id == "announce"
    assert event.extra["documents"] > 10
    twins.local.ingest()
    twins.assert_equal()


def test_a_stage_in_another_python_is_tried_again_only_where_that_may_help(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {stage: {"external_python": str(OTHER_PYTHON)} for stage in ALL_STAGES}
    store = {"type": "pgvector", "dsn_env": "PARITY_DSN"}
    twins.dag.spec(store=store, airflow={"single_host": True, "retries": 1, "stages": stages})
    monkeypatch.setenv("PARITY_DSN", "postgresql://nobody@127.0.0.1:1/nowhere")
    unreachable = twins.ingest_dag()
    assert tries_of(unreachable, "plan") == 2
    monkeypatch.delenv("PARITY_DSN")
    not_set = twins.ingest_dag()
    assert (not_set.state, tries_of(not_set, "plan")) == ("failed", 1)


def tries_of(outcome: RunOutcome, task_id: str) -> int:
    return next(tries for task, tries in outcome.tries.items() if task.task_id == task_id)


def test_an_embedded_spec_needs_no_file(twins: Twins) -> None:
    dag = twins.exported("--embed-spec")
    text = twins.dag.spec_path.read_text(encoding="utf-8")
    twins.dag.spec_path.unlink()
    assert twins.run_dag(dag).state == "success"
    twins.dag.spec_path.write_text(text, encoding="utf-8")
    twins.local.ingest()
    twins.assert_equal()


def test_a_spec_that_moved_on_is_refused(twins: Twins) -> None:
    dag = twins.exported()
    twins.spec(chunk={"max_tokens": 128})
    outcome = twins.run_dag(dag)
    assert outcome.state_of("plan") == "failed"
    assert (
        outcome.xcoms[next(task for task in outcome.xcoms if task.task_id == "plan")]["ragctl_error"]["code"]
        == 5
    )


def test_a_connection_takes_the_place_of_a_variable(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    info = twins.connection.info
    monkeypatch.setenv("AIRFLOW_CONN_RAG_PG", _connection_uri(info))
    monkeypatch.delenv("PARITY_DSN", raising=False)
    twins.dag.spec(
        store={"type": "pgvector", "dsn_env": "PARITY_DSN"},
        airflow={"single_host": True, "connections": {"rag_pg": {"dsn": "PARITY_DSN"}}},
    )
    outcome = twins.ingest_dag()
    assert outcome.state == "success", outcome.states
    twins.local.ingest()
    twins.assert_equal()
    assert not info.password or info.password not in str(outcome)


def _connection_uri(info: psycopg.ConnectionInfo) -> str:
    from urllib.parse import quote

    host, password = (quote(one or "", safe="") for one in (info.host, info.password))
    place = f"@:{info.port}/{info.dbname}?host={host}" if info.host.startswith("/") else (
        f"@{host}:{info.port}/{info.dbname}")  # fmt: skip
    return f"postgres://{info.user}:{password}{place}"


def test_runs_are_listed_by_their_airflow_names(twins: Twins) -> None:
    outcome = twins.ingest_dag()
    listed = call("runs", str(twins.dag.spec_path), "list", "--format", "json").json["runs"]
    assert listed[0]["run_id"] == f"{twins.dag.name}_ingest/{outcome.run_id}"
