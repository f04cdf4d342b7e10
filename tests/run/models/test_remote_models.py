"""ingest and ask by models of servers, over a real connection to a stand-in on loopback."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from run.tasks.staged_run import FUSED, StagedRun

from model_server import Fault, ModelServer
from ragctl.errors import IncompleteIngest, OverBudget
from workspace import Workspace

KEY = "sk-stand-in-0123456789"
DOCUMENTS = {
    "hours.md": "# Opening hours\n\nThe office is open from nine to five.\n",
    "install.md": "# Installing\n\nDownload the archive, unpack it and run the installer.\n",
    "retry.md": "# Retries\n\nA failed task is tried again after a pause.\n",
}


@pytest.fixture
def filled(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STAND_IN_KEY", KEY)
    for path, text in DOCUMENTS.items():
        workspace.write(path, text)
    return workspace


def openai(server: ModelServer, **settings: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "model": "text-embedding-3-small",
        "base_url": f"{server.url}/v1",
        "api_key_env": "STAND_IN_KEY",
        "usd_per_million_tokens": 20.0,
        **settings,
    }


def cohere(server: ModelServer, **settings: Any) -> dict[str, Any]:
    return {
        "provider": "cohere",
        "base_url": server.url,
        "api_key_env": "STAND_IN_KEY",
        "usd_per_million_tokens": 100.0,
        **settings,
    }


def embed_requests(server: ModelServer) -> int:
    return sum("embed" in request.path for request in server.requests)


@pytest.mark.parametrize("made", [openai, cohere], ids=["openai", "cohere"])
def test_what_a_server_has_embedded_is_asked_by_the_same_server(filled: Workspace, made: Any) -> None:
    with ModelServer(key=KEY) as server:
        filled.spec(embed=made(server))
        first = filled.ingest("--yes")
        assert (first["counts"]["added"], first["counts"]["embedded"]) == (3, 3)
        assert first["published"] is True
        assert all(count == 1 for count in server.texts_embedded.values())
        before = embed_requests(server)
        second = filled.ingest()  # nobody need agree to nothing
        assert (second["counts"]["unchanged"], second["usage"]["requests"]) == (3, 0)
        assert embed_requests(server) == before
        answer = filled.call("ask", "when is the office open", "--format", "json")
        assert answer.code == 0, answer.err
        assert embed_requests(server) == before + 1
        assert answer.json["hits"][0]["document"] == "hours.md"
        usage = answer.json["usage"]["stages"]["query"]
        assert (usage["requests"], usage["retries"]) == (1, 0)
        assert usage["tokens"] > 0


def test_usage_is_in_the_report_and_in_the_record(filled: Workspace) -> None:
    with ModelServer(faults=["server_error"], key=KEY) as server:
        filled.spec(embed=openai(server))
        report = filled.ingest("--yes")
        stage = report["usage"]["stages"]["embed"]
        # A request that failed with 500 may have been done, and is counted as paid for.
        assert (stage["requests"], stage["retries"]) == (2, 1)
        assert stage["tokens"] > 0, "as the server counts"
        assert report["usage"]["tokens"] > 0, "as ragctl does"
        assert stage["seconds"] > 0
        assert stage["cost_usd"] == report["usage"]["cost_usd"] >= stage["tokens"] * 20 / 1e6
        shown = filled.call("runs", "show", report["run_id"], "--format", "json")
        assert shown.code == 0, shown.err
        record = shown.json
        assert record["usage"] == report["usage"]
    assert KEY not in json.dumps(record)


def test_a_local_model_has_its_stage_too(filled: Workspace) -> None:
    report = filled.ingest()
    stage = report["usage"]["stages"]["embed"]
    assert (stage["requests"], stage["cost_usd"], report["usage"]["cost_usd"]) == (0, 0.0, 0.0)
    assert stage["seconds"] > 0


# Keys.


def test_a_missing_key_is_named_with_its_place_when_it_is_needed(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server))
        monkeypatch.delenv("STAND_IN_KEY")
        for command in ("check", "plan"):
            assert filled.call(command).code == 0, command
        refused = filled.call("ingest", "--yes", "--format", "json")
        assert refused.code == 2
        error = refused.json["error"]
        assert "STAND_IN_KEY" in error["message"]
        assert f"{filled.name}.yaml:1:" in error["where"]
        assert server.requests == []
        monkeypatch.setenv("STAND_IN_KEY", KEY)
        filled.ingest("--yes")
        monkeypatch.delenv("STAND_IN_KEY")
        asked = len(server.requests)
        assert filled.ingest()["counts"]["unchanged"] == 3  # nothing to embed
        assert filled.call("show").code == 0
        assert filled.call("ask", "anything").code == 2
        lexical = filled.call("ask", "office", "--set", "ask.query.mode=lexical", "--format", "json")
        assert lexical.code == 0, lexical.err
        assert len(server.requests) == asked


def test_a_rejected_key_is_told_apart_and_not_shown(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-wrong-9876543210")
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server))
        refused = filled.call("ingest", "--yes", "--format", "json")
        assert refused.code == 6
        assert refused.json["error"]["kind"] == "key_rejected"
        assert len(server.requests) == 1
    assert "sk-wrong" not in refused.out + refused.err


# Faults.


def test_a_storm_of_refusals_loses_no_work(filled: Workspace) -> None:
    for number in range(40):
        filled.write(f"more/{number}.md", f"# Number {number}\n\nThis is the text number {number}.\n")
    with ModelServer(faults=[Fault("rate_limit", retry_after=0.0)] * 12, key=KEY) as server:
        filled.spec(embed=openai(server, max_in_flight=4, retries=12))
        report = filled.ingest("--yes")
        assert report["counts"]["embedded"] == 43
        assert report["usage"]["retries"] == 12
        assert all(count == 1 for count in server.texts_embedded.values())
        assert report["usage"]["stages"]["embed"]["cost_usd"] == pytest.approx(
            report["usage"]["stages"]["embed"]["tokens"] * 20 / 1e6
        )


def test_a_text_that_is_refused_fails_with_its_document_alone(filled: Workspace) -> None:
    filled.write("refused.md", "# Refused\n\nThis holds the forbidden word xyzzy.\n")
    with ModelServer(key=KEY, rejects="xyzzy") as server:
        filled.spec(embed=openai(server), max_failures=1)
        report = filled.ingest("--yes")
        assert (report["counts"]["added"], report["counts"]["failed"]) == (3, 1)
        [failure] = report["failures"]
        assert (failure["document"], failure["stage"]) == ("refused.md", "embed")
        assert failure["error"] == "rejected_text"


# Cost.


def test_what_costs_money_needs_somebody_who_agrees(filled: Workspace, tmp_path: Path) -> None:
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server))
        refused = filled.call("ingest", "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (4, "over_budget")
        assert "$0.00" in refused.json["error"]["message"]
        assert "--yes" in refused.json["error"]["hint"]
        assert filled.call("ask", "anything").code == 5, "nothing was written"
        assert server.requests == []
        plan = tmp_path / "docs.plan"
        assert filled.call("plan", "--out", str(plan)).code == 0
        assert filled.ingest("--plan", str(plan))["counts"]["embedded"] == 3


def test_an_unknown_price_needs_consent_and_cannot_be_limited(filled: Workspace) -> None:
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server, usd_per_million_tokens=None))
        refused = filled.call("ingest", "--format", "json")
        assert refused.code == 4
        assert "not known" in refused.json["error"]["message"]
        limited = filled.call("ingest", "--max-cost", "1", "--format", "json")
        assert (limited.code, limited.json["error"]["kind"]) == (4, "over_budget")
        assert "usd_per_million_tokens" in limited.json["error"]["hint"]
        assert server.requests == []
        report = filled.ingest("--yes")
        assert report["usage"]["cost_usd"] is None


def test_a_server_that_costs_nothing_needs_no_consent(filled: Workspace) -> None:
    with ModelServer() as server:
        filled.spec(embed=openai(server, usd_per_million_tokens=0, api_key_env=None))
        report = filled.ingest()
        assert (report["counts"]["embedded"], report["usage"]["cost_usd"]) == (3, 0.0)


def test_the_run_stops_before_it_would_cost_more_and_goes_on_with_more(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise all texts may be ready at once, for one request that costs too much by itself.
    monkeypatch.setattr("ragctl.providers.openai.embedder.INPUTS_A_REQUEST", 8)
    for number in range(60):
        filled.write(f"more/{number}.md", f"# Number {number}\n\n" + f"This is text {number}. " * 40)
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server, max_in_flight=2))
        cost = json.loads(filled.call("plan", "--format", "json").out)["total"]["cost_usd"]
        half = cost / 2
        stopped = filled.call("ingest", "--max-cost", f"{half:.9f}", "--format", "json")
        assert (stopped.code, stopped.json["error"]["kind"]) == (4, "over_budget")
        assert "--max-cost" in stopped.json["error"]["hint"]
        paid = dict(server.texts_embedded)
        assert 0 < len(paid) < 63
        run = filled.call("runs", "--format", "json").json["runs"][0]
        record = filled.call("runs", "show", run["run_id"], "--format", "json").json
        assert record["spending"]["max_usd"] == pytest.approx(half)
        assert 0 < record["spending"]["spent_usd"] <= half
        assert record["usage"]["cost_usd"] == pytest.approx(record["spending"]["spent_usd"])
        report = filled.ingest("--max-cost", f"{cost:.9f}")
        assert report["counts"]["embedded"] == 63 - len(paid)
        assert set(server.texts_embedded.values()) == {1}, "what was paid for is not asked for again"


@pytest.mark.skipif(os.name == "nt", reason="a process is killed by a signal")
def test_what_a_killed_run_has_spent_is_found_out_by_the_next(filled: Workspace) -> None:
    with ModelServer(faults=["hang"], key=KEY) as server:
        filled.spec(embed=openai(server))
        process = filled.process("ingest", "--yes")
        while not server.requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=30)
        assert filled.ingest("--yes")["counts"]["embedded"] == 3
        [_, killed] = filled.call("runs", "--format", "json").json["runs"]
        record = filled.call("runs", "show", killed["run_id"], "--format", "json").json
        assert record["spending"]["spent_usd"] == 0
        assert record["spending"]["unsettled_usd"] > 0, "the request that nobody knows the end of"


@pytest.mark.skipif(os.name == "nt", reason="a process is interrupted by a signal")
def test_who_waits_for_a_limit_can_be_interrupted(filled: Workspace) -> None:
    for number in range(20):
        filled.write(f"more/{number}.md", f"# Waiting {number}\n\n" + f"This is the one {number}. " * 40)
    with ModelServer(key=KEY) as server:
        # The first request goes at once, the second would in ten minutes.
        filled.spec(embed=openai(server, tokens_per_minute=100))
        process = filled.process("ingest", "--yes")
        while not server.requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        for _ in range(2):
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert len(server.requests) == 1


def test_bringing_an_older_generation_up_to_date_needs_consent_too(filled: Workspace) -> None:
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server))
        filled.ingest("--yes")
        filled.spec(embed=openai(server, passage_prefix="passage: "))
        filled.write("new.md", "# New\n\nThis came later.\n")
        assert filled.ingest("--yes")["generation"] == 2
        asked = embed_requests(server)
        refused = filled.call("index", "rollback", "--catch-up", "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (4, "over_budget")
        assert embed_requests(server) == asked
        done = filled.call("index", "rollback", "--catch-up", "--max-cost", "1", "--format", "json")
        assert done.code == 0, done.err
        assert (done.json["active"], done.json["caught_up"]["counts"]["embedded"]) == (1, 1)
        assert filled.call("index", "list", "--yes").code == 2


# DAGs.


def test_the_tasks_of_a_dag_share_budget_usage_and_limits(filled: Workspace) -> None:
    for number in range(30):
        filled.write(f"more/{number}.md", f"# Number {number}\n\n" + f"This is part {number}. " * 40)
    airflow = {"single_host": True, "batch_tokens": 1000}
    with ModelServer(key=KEY) as server:
        filled.spec(embed=openai(server, requests_per_minute=6000), airflow=airflow)
        cost = json.loads(filled.call("plan", "--format", "json").out)["total"]["cost_usd"]
        run = StagedRun(filled.spec_path, f"{filled.name}_ingest/manual__1", {"max_cost": cost / 2})
        batches = run.task("plan")
        assert len(batches) > 3
        with pytest.raises(OverBudget):
            for reference in batches:
                run.batch(reference, FUSED)
        paid = len(server.texts_embedded)
        assert 0 < paid < 33
        with pytest.raises(IncompleteIngest) as incomplete:
            run.task("publish")
        run_id = str(incomplete.value.report["run_id"])
        record = filled.call("runs", "show", run_id, "--format", "json").json
        assert record["spending"]["max_usd"] == pytest.approx(cost / 2)
        assert 0 < record["spending"]["spent_usd"] <= cost / 2

        before = embed_requests(server)
        whole = StagedRun(filled.spec_path, f"{filled.name}_ingest/manual__2", {"max_cost": cost})
        report = whole.ingest()
        assert report["published"] is True
        stage = report["usage"]["stages"]["embed"]
        assert stage["requests"] == embed_requests(server) - before
        assert report["usage"]["cost_usd"] == pytest.approx(stage["tokens"] * 20 / 1e6)
        assert set(server.texts_embedded.values()) == {1}


# Reranking.


def test_a_server_reranks(filled: Workspace) -> None:
    with ModelServer(key=KEY) as server:
        rank = {
            "provider": "cohere",
            "base_url": server.url,
            "api_key_env": "STAND_IN_KEY",
            "candidates": 3,
            "top_n": 2,
        }
        filled.spec(ask={"rank": rank})
        filled.ingest()
        answer = filled.call("ask", "failed task tried again", "--format", "json")
        assert answer.code == 0, answer.err
        assert answer.json["hits"][0]["document"] == "retry.md"
        assert "rerank" in answer.json["hits"][0]["trail"]
        stage = answer.json["usage"]["stages"]["rank"]
        assert (stage["requests"], stage["cost_usd"]) == (1, None)
        assert [request.path for request in server.requests] == ["/v2/rerank"]
