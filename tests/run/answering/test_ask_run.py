"""Questions as a run: its record, and what it may cost."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from run.answering.chat_script import ChatScript, fill, openai

from model_server import ModelServer
from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from ragctl.state.asking import close_dead, hold
from ragctl.state.runs import Runs, new_run_id
from workspace import Called, Workspace

QUESTIONS = ["When is the office open?", "How is it installed?", "What is retried?", "Where is espresso?"]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


def write(path: Path, questions: list[str]) -> str:
    path.write_text("".join(json.dumps({"question": one}) + "\n" for one in questions), encoding="utf-8")
    return str(path)


def shown(workspace: Workspace, run: str = "last") -> Any:
    return workspace.call("runs", "show", run, "--format", "json").json


def listed(workspace: Workspace) -> list[Any]:
    found: list[Any] = workspace.call("runs", "list", "--format", "json").json["runs"]
    return found


def test_a_batch_leaves_a_record(filled: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "q.jsonl", [*QUESTIONS, "long " * 400])
    with ModelServer(replies=ChatScript(rephrase="1. What are the hours?")) as server:
        filled.spec(ask={"rephrase": openai(server), "verify": openai(server), "answer": openai(server)})
        called = filled.call("ask", "--questions", file, "--format", "json", "--parallel", "2")
    assert called.code == 3
    results = [json.loads(line) for line in called.out.splitlines()]
    record = shown(filled)
    assert (record["command"], record["status"]) == ("ask", "done")
    assert record["counts"] == {"questions": 5, "asked": 5, "failed": 1, "grounded": 4}
    (failure,) = record["failures"]
    assert (failure["document"], failure["error"]) == ("5", "usage")
    assert record["prompts"].items() >= results[0]["prompts"].items()
    assert record["models"]["answer"].startswith("openai-chat:gpt-4o-mini")
    for stage in ("rephrase", "verify", "answer"):
        each = [one["usage"]["stages"].get(stage, {"requests": 0, "cost_usd": 0.0}) for one in results]
        there = record["usage"]["stages"][stage]
        assert there["requests"] == sum(one["requests"] for one in each)
        assert there["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in each))
    assert record["spending"]["spent_usd"] == pytest.approx(record["usage"]["cost_usd"])
    assert set(record["timings"]) == {"rephrase", "query", "dedupe", "rank", "verify", "answer"}
    assert record["spec"]["ask"]["answer"]["model"] == "gpt-4o-mini"
    assert not any(question in json.dumps(record) for question in QUESTIONS)


def test_it_is_listed_and_shown_to_people(filled: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "q.jsonl", [*QUESTIONS, "long " * 400])
    assert filled.call("ask", "--questions", file).code == 3
    lines = filled.call("runs", "list").out.splitlines()
    (line,) = [one for one in lines if "  ask " in one]
    assert "5 questions, 1 failed" in line
    assert (
        "failed         questions: 5: ask: the question is too long"
        in filled.call("runs", "show", "last").out
    )


def test_one_question_leaves_none(filled: Workspace) -> None:
    assert filled.call("ask", QUESTIONS[0]).code == 0
    assert [run["command"] for run in listed(filled)] == ["ingest"]


def test_a_failure_of_all_is_in_the_record(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-wrong")
    with ModelServer(key="sk-right", replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server, api_key_env="STAND_IN_KEY")})
        assert filled.call("ask", "--questions", write(tmp_path / "q.jsonl", QUESTIONS)).code == 6
    record = shown(filled)
    assert (record["status"], record["error"]["kind"]) == ("failed", "key_rejected")


def test_what_a_question_that_failed_has_cost_is_counted(filled: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    file = write(tmp_path / "q.jsonl", QUESTIONS[:2])
    with ModelServer(replies=ChatScript(rephrase="1. Hours?"), faults=[None, "cut_in_body"]) as server:
        model = openai(server, max_in_flight=1)
        filled.spec(ask={"rephrase": model, "answer": model})
        assert filled.call("ask", "--questions", file, "--out", str(out)).code == 3
    first, second = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    assert first["error"]["kind"] == "provider"
    stages = first["usage"]["stages"]
    assert stages["rephrase"]["requests"] == 1
    # Nobody knows whether the request that failed was paid for, so it counts with what it might have cost.
    assert stages["answer"]["requests"] == 1
    assert stages["answer"]["cost_usd"] > 0
    total = shown(filled)["usage"]["stages"]
    assert total["answer"]["requests"] == 1 + second["usage"]["stages"]["answer"]["requests"] == 2


# Beside other runs


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_record_of_a_batch_that_was_killed_is_closed_by_the_next(
    filled: Workspace, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    arguments = ("--questions", write(tmp_path / "q.jsonl", QUESTIONS * 4), "--out", str(out))
    with ModelServer(replies=ChatScript(), latency=0.1) as server:
        filled.spec(ask={"answer": openai(server), "query": {"mode": "lexical"}})
        process = filled.process("ask", *arguments)
        watch = threading.Timer(60, process.kill)
        watch.start()
        while not out.exists() or not out.read_bytes():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        # An ingest closes the records of dead ingests, and leaves that of a live batch alone.
        filled.write("new.md", "# New\n\nSomething else is here.\n")
        filled.ingest()
        assert next(run["status"] for run in listed(filled) if run["command"] == "ask") == "running"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        watch.cancel()
        deadline = time.monotonic() + 30  # until the server has noticed that the session is gone
        while True:
            assert filled.call("ask", *arguments).code == 0
            newest, *others = [run for run in listed(filled) if run["command"] == "ask"]
            if others[-1]["status"] != "running" or time.monotonic() > deadline:
                break
            time.sleep(0.2)
    assert others[-1]["status"] == "interrupted"
    assert others[-1]["error"]["kind"] == "died"
    assert newest["status"] == "done"
    counts = [shown(filled, run["run_id"])["counts"] for run in others[:-1]] or [newest["counts"]]
    assert counts[-1]["before"] >= 1
    assert counts[-1]["questions"] == 16


def test_a_batch_does_not_stand_in_the_way_of_a_writer(filled: Workspace) -> None:
    with Composition(load_spec(filled.spec_path)) as one, Composition(load_spec(filled.spec_path)) as other:
        runs, beside = Runs(one.connect(), one.index), Runs(other.connect(), other.index)
        run = new_run_id()
        hold(one.connect(), run)
        runs.start(run, pipeline=filled.name, command="ask")
        assert beside.running() is None
        close_dead(other.connect(), beside)
        beside.close_dead()
        assert beside.asking() == [run]
        abandoned = filled.call("runs", "abandon", run)
        assert (abandoned.code, "only asks" in abandoned.err) == (2, True)
        one.connect().close()
        deadline = time.monotonic() + 10
        while beside.asking() and time.monotonic() < deadline:
            close_dead(other.connect(), beside)
        assert beside.asking() == []
        row = beside.find(run)
    assert row is not None
    assert (row.status, row.record["error"]["kind"]) == ("interrupted", "died")


# Budgets


def test_a_batch_stops_at_its_limit_and_goes_on_with_another(filled: Workspace, tmp_path: Path) -> None:
    script, out = ChatScript(), tmp_path / "out.jsonl"
    arguments = ("--questions", write(tmp_path / "q.jsonl", QUESTIONS), "--out", str(out))
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server, usd_per_million_output_tokens=20.0, max_tokens=100)})
        # The reserve for a reply is 0.002 USD; what it comes to is less.
        stopped = filled.call("ask", *arguments, "--max-cost", "0.004", "--format", "json")
        assert (stopped.code, stopped.json["error"]["kind"]) == (4, "over_budget")
        some = out.read_bytes().count(b"\n")
        assert 1 <= some < 4
        record = shown(filled)
        assert (record["status"], record["error"]["kind"]) == ("failed", "over_budget")
        assert record["spending"]["max_usd"] == 0.004
        assert 0 < record["spending"]["spent_usd"] <= 0.004
        assert filled.call("ask", *arguments, "--max-cost", "1").code == 0
    assert script.count("answer") == 4
    assert shown(filled)["counts"] == {
        "questions": 4,
        "before": some,
        "asked": 4 - some,
        "grounded": 4 - some,
    }


def test_a_question_and_a_conversation_have_limits_too(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ChatScript()
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server, max_tokens=100)})
        assert refused(filled.call("ask", QUESTIONS[0], "--max-cost", "0.00001")) == "over_budget"
        assert script.count("answer") == 0
        assert filled.call("ask", QUESTIONS[0], "--max-cost", "1").code == 0
        assert shown(filled)["counts"] == {"questions": 1, "asked": 1, "grounded": 1}


def test_a_model_of_unknown_price_cannot_be_held_to_a_limit(filled: Workspace) -> None:
    script = ChatScript()
    with ModelServer(replies=script) as server:
        model = openai(server)
        del model["usd_per_million_output_tokens"]
        filled.spec(ask={"answer": model})
        called = filled.call("ask", QUESTIONS[0], "--max-cost", "5")
        assert called.code == 4
        assert "the price of gpt-4o-mini is not known" in called.err
        assert script.count("answer") == 0
        assert filled.call("ask", QUESTIONS[0]).code == 0  # without a limit nobody needs to know it


def refused(called: Called) -> str:
    assert called.code == 4, called.err
    return "over_budget" if "it was not sent" in called.err else called.err
