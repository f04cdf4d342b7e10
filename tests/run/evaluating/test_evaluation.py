"""ragctl eval over a real index: metrics, gates, baselines, and what is kept of them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from run.answering.chat_script import ChatScript, openai

from model_server import ModelServer
from workspace import Called, Workspace

PAGES = {
    "lease.md": "# Leases\n\nA lease is held by one run at a time, and renewed every ten seconds.\n",
    "tea.md": "# Tea\n\nGreen tea is brewed at eighty degrees for two minutes.\n",
    "bread.md": "# Bread\n\nSourdough rests overnight before it is baked.\n",
}
QUESTIONS: list[dict[str, Any]] = [
    {"id": "lease", "question": "How often is a lease renewed?", "documents": ["lease.md"]},
    {"id": "tea", "question": "How hot is green tea brewed?", "quotes": ["brewed at eighty degrees"]},
    {"id": "bread", "question": "When is sourdough baked?", "documents": ["docs/bread.md"]},
    {"id": "open", "question": "Why?"},
]


@pytest.fixture
def ingested(workspace: Workspace) -> Workspace:
    for name, text in PAGES.items():
        workspace.write(name, text)
    workspace.ingest()
    return workspace


def questions(workspace: Workspace, *records: dict[str, Any]) -> str:
    file = workspace.base / f"{workspace.name}-questions.jsonl"
    text = "".join(json.dumps(one) + "\n" for one in records or QUESTIONS)
    file.write_text(text, encoding="utf-8")
    return str(file)


def evaluate(workspace: Workspace, *arguments: str) -> Called:
    return workspace.call("eval", "--queries", questions(workspace), "--format", "json", *arguments)


def test_questions_are_asked_and_measured(ingested: Workspace) -> None:
    called = evaluate(ingested, "--metric", "mrr@10", "--metric", "recall@5")
    assert called.code == 0, called.err
    result = called.json
    assert result["metrics"]["mrr@10"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 3}
    assert result["judgements"]["level"] == "span"
    assert result["judgements"]["left_out"] == 1
    assert (result["index_facts"]["documents"], result["cost_usd_per_question"]) == (3, 0.0)
    (tea,) = [one for one in result["per_question"] if one["id"] == "tea"]
    assert tea["top"][0]["document"] == "tea.md"
    assert [one["relevant"] for one in tea["top"]] == [True, False, False]
    assert result["latency_ms"]["p50"] > 0


def test_the_result_is_kept_and_comes_back_as_it_was(ingested: Workspace) -> None:
    from ragctl.run.composition import Composition
    from ragctl.run.evaluating.kept import kept_result
    from ragctl.spec.load import load_spec

    result = evaluate(ingested).json
    shown = ingested.call("runs", "show", "last", "--format", "json").json
    assert (shown["command"], shown["status"]) == ("eval", "done")
    assert "per_question" not in shown["evaluation"]
    with Composition(load_spec(ingested.spec_path)) as composition:
        kept = kept_result(composition, result["run"])
    assert {**kept, "gates": []} == result
    assert next(iter(kept["metrics"])) == "ndcg@10"


def test_a_gate_that_is_not_met_fails_the_build(ingested: Workspace) -> None:
    met = evaluate(ingested, "--gate", "mrr@10>=0.9", "--gate", "p95_ms<=60000")
    assert met.code == 0, met.err
    assert [one["met"] for one in met.json["gates"]] == [True, True]
    missed = evaluate(ingested, "--gate", "mrr@10>=0.9", "--gate", "precision@10>=0.9")
    assert missed.code == 7
    assert "precision@10>=0.9: 0.1" in missed.err
    wrong = evaluate(ingested, "--gate", "mrr@10")
    assert (wrong.code, "no gate" in wrong.err) == (2, True)


def test_a_drop_below_the_baseline_fails_the_build(ingested: Workspace) -> None:
    first = evaluate(ingested, "--metric", "mrr@10").json["run"]
    ingested.write("lease.md", "# Leases\n\nNothing is said of them any more.\n")
    ingested.settle()
    ingested.ingest()
    ingested.write(
        "other.md", "# Renewal\n\nA lease is renewed every ten seconds, and how often it is renewed.\n"
    )
    ingested.ingest()
    worse = evaluate(ingested, "--metric", "mrr@10", "--baseline", first, "--max-drop", "0.05")
    assert worse.code == 7, worse.out
    compared = ingested.call("runs", "compare", first, "last", "--format", "json").json
    (difference,) = compared["differences"]
    assert (difference["better"], difference["worse"]) == (0, 1)
    assert difference["most_worse"][0]["id"] == "lease"
    assert ingested.call("eval", "--queries", questions(ingested), "--baseline", first).code == 2
    table = ingested.call("runs", "compare", first, "last")
    assert (table.code, "1 worse" in table.out) == (0, True)
    assert max(map(len, table.out.splitlines())) <= 80


def test_what_is_no_evaluation_cannot_be_compared(ingested: Workspace) -> None:
    run = ingested.call("runs", "list", "--format", "json").json["runs"][0]["run_id"]
    called = ingested.call("runs", "compare", run, run)
    assert (called.code, "is no evaluation" in called.err) == (2, True)
    assert ingested.call("runs", "compare", "last", "last").code == 2
    assert ingested.call("runs", "compare", "last").code == 2
    assert ingested.call("runs", "list", "--metric", "ndcg@10").code == 2


def test_evaluations_are_exported(ingested: Workspace, tmp_path: Path) -> None:
    runs = [evaluate(ingested).json["run"] for _ in range(2)]
    rows = list(csv.DictReader(io.StringIO(ingested.call("runs", "export").out)))
    assert [row["run"] for row in rows] == runs
    assert float(rows[0]["ndcg@10"]) == 1.0
    assert rows[0]["index.chunks"] == "3"
    file = tmp_path / "runs.csv"
    assert ingested.call("runs", "export", runs[1], "--out", str(file)).code == 0
    assert [row["run"] for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))] == [runs[1]]
    assert ingested.call("runs", "export", "--out", "runs.xlsx").code == 2
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert ingested.call("runs", "export", "--out", str(tmp_path / "runs.parquet")).code == 0
    assert parquet.read_table(tmp_path / "runs.parquet").column("run").to_pylist() == runs


def test_a_question_that_fails_counts_as_nothing_found(ingested: Workspace) -> None:
    records = [*QUESTIONS[:2], {"id": "long", "question": "word " * 3000, "documents": ["tea.md"]}]
    called = ingested.call(
        "eval", "--queries", questions(ingested, *records), "--metric", "hit@1", "--format", "json"
    )
    assert called.code == 3
    assert called.json["metrics"]["hit@1"]["mean"] == pytest.approx(2 / 3)
    assert [one["id"] for one in called.json["failures"]] == ["long"]


def test_answers_are_measured_with_their_citations(ingested: Workspace) -> None:
    records = [{**QUESTIONS[1], "answers": ["eighty degrees"]}]
    with ModelServer(replies=ChatScript()) as server:
        ingested.spec(ask={"answer": openai(server), "rank": {"top_n": 3}})
        called = ingested.call("eval", "--queries", questions(ingested, *records), "--format", "json")
        assert called.code == 0, called.err
        deep = ingested.call("eval", "--queries", questions(ingested, *records), "--metric", "recall@100")
    metrics = called.json["metrics"]
    assert metrics["answered"]["mean"] == 1.0
    assert metrics["citation_precision"]["mean"] == 1.0
    assert 0 < metrics["token_f1"]["mean"] <= 1
    assert "ndcg@3" in metrics
    assert (deep.code, "looks further down" in deep.err) == (2, True)


def all_supported(user: str) -> str:
    numbers = re.findall(r"^(\d+): ", user.partition("Statements:")[2], re.MULTILINE)
    return "\n".join(f"{number}: SUPPORTED" for number in numbers)


def test_answers_are_judged_by_a_model_that_is_named(ingested: Workspace) -> None:
    script = ChatScript(faithfulness=all_supported, relevance="PART")
    with ModelServer(replies=script) as server:
        priced = openai(server, usd_per_million_tokens=1.0, usd_per_million_output_tokens=1.0)
        judge = {**priced, "model": "strict-judge"}
        ingested.spec(ask={"answer": priced, "rank": {"top_n": 3}}, eval={"judge": judge})
        called = evaluate(ingested)
        table = ingested.call("eval", "--queries", questions(ingested))
        free = ("usd_per_million_tokens", "usd_per_million_output_tokens")
        unpriced = {key: value for key, value in judge.items() if key not in free}
        ingested.spec(ask={"answer": priced, "rank": {"top_n": 3}}, eval={"judge": unpriced})
        limited = evaluate(ingested, "--max-cost", "1")
    assert called.code == 0, called.err
    result = called.json
    assert result["metrics"]["relevance"]["judge"] == "strict-judge"
    assert (result["metrics"]["relevance"]["mean"], result["metrics"]["faithfulness"]["mean"]) == (0.5, 1.0)
    assert (
        result["judge"]["answers"] == script.count("faithfulness") / 2 == script.count("relevance") / 2 == 3
    )
    assert result["judge"]["usage"]["cost_usd"] > 0
    run = ingested.call("runs", "show", result["run"], "--format", "json").json
    assert run["usage"]["cost_usd"] == pytest.approx(
        result["cost_usd"] + result["judge"]["usage"]["cost_usd"]
    )
    assert "relevance (strict-judge)" in table.out
    assert (limited.code, "price of strict-judge is not known" in limited.err) == (4, True), limited.err


def test_a_judge_that_says_nothing_judges_nothing(ingested: Workspace) -> None:
    with ModelServer(replies=ChatScript(relevance="perhaps")) as server:
        ingested.spec(ask={"answer": openai(server), "rank": {"top_n": 3}}, eval={"judge": openai(server)})
        called = evaluate(ingested)
    assert called.code == 0, called.err
    assert not {"relevance", "faithfulness"} & set(called.json["metrics"])
    assert called.json["judge"]["unread"] == called.json["judge"]["answers"] > 0


def test_an_evaluation_goes_on_beside_an_ingest(ingested: Workspace) -> None:
    from ragctl.run.composition import Composition
    from ragctl.spec.load import load_spec
    from ragctl.state.runs import Runs

    with Composition(load_spec(ingested.spec_path)) as composition:
        connection = composition.connect()
        runs = Runs(connection, composition.index)
        runs.start("20990101T000000-aaaaaa", pipeline="x", command="eval")
        ingested.write("new.md", "# New\n\nA page more.\n")
        ingested.ingest()
        found = runs.find("20990101T000000-aaaaaa")
    assert found is not None
    assert found.status == "running"


def test_before_the_first_ingest_there_is_nothing_to_measure(workspace: Workspace) -> None:
    called = evaluate(workspace)
    assert called.code == 5
    assert "nothing to query" in called.err


LONG_PAGES = {
    "lease.md": "# Leases\n\n## How a lease is renewed\n\nA lease is renewed by its holder alone.\n",
    "tea.md": "# Tea\n\nGreen tea leaves are brewed at eighty degrees for about two minutes.\n",
}


def make(workspace: Workspace, *arguments: str) -> tuple[Called, list[dict[str, Any]]]:
    file = workspace.base / f"{workspace.name}-made-{len(arguments)}.jsonl"
    called = workspace.call("eval", "make", "--out", str(file), *arguments)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return called, [json.loads(line) for line in text.splitlines()]


def test_questions_are_made_of_the_documents_and_can_be_asked(workspace: Workspace) -> None:
    for name, text in LONG_PAGES.items():
        workspace.write(name, text)
    workspace.ingest()
    called, made = make(workspace, "--count", "2")
    assert called.code == 0, called.err
    assert {one["documents"][0]["document"] for one in made} == {"docs/lease.md", "docs/tea.md"}
    again, _ = make(workspace, "--count", "2")
    assert (again.code, "there already" in again.err) == (2, True)
    result = workspace.call("eval", "--queries", questions(workspace, *made), "--format", "json")
    assert result.json["metrics"]["mrr@10"]["mean"] == 1.0


def test_a_model_makes_questions_and_only_such_with_a_quote_are_kept(workspace: Workspace) -> None:
    for name, text in LONG_PAGES.items():
        workspace.write(name, text)
    workspace.ingest()
    said = '{"question": "How hot is tea brewed?", "quote": "eighty degrees"}'
    with ModelServer(replies=ChatScript(make_question=said)) as server:
        workspace.spec(ask={"answer": openai(server)})
        called, made = make(workspace, "--by-model", "--count", "1")
    assert called.code == 0, called.err
    assert [one["documents"][0]["quote"] for one in made] == ["eighty degrees"], called.err
    workspace.spec()
    called, _ = make(workspace, "--by-model")
    assert (called.code, "ask.answer" in called.err) == (2, True)
