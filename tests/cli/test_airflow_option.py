"""`ragctl ask --airflow` and `ragctl ingest --airflow` against a fake of Airflow's API on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_airflow import Answer, Dag, Ending, Failed, FakeAirflow, fake_airflow

from ragctl.errors import IncompleteIngest, NothingPublished, UsageError
from workspace import Called, Workspace, call

STAGES = ("rephrase", "query", "dedupe", "rank", "answer")
INGEST_TASKS = ("plan", "per_batch.extract_chunk_embed_store", "publish")
SECRET = "s3cr3t-token"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAirflow]:
    for name in ("AIRFLOW_USER", "AIRFLOW_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIRFLOW_TOKEN", SECRET)
    with fake_airflow() as served:
        served.tokens = {SECRET}
        yield served


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec whose source, store and model are nowhere: none of them is to be touched."""
    path = tmp_path / "far.yaml"
    source = {"type": "directory", "path": "not-there", "name": "docs"}
    store = {"type": "pgvector", "dsn_env": "RAGCTL_TEST_UNSET_DSN"}
    path.write_text(json.dumps({"name": "far", "sources": [source], "store": store}), encoding="utf-8")
    return path


def document(question: str, n: int = 0) -> dict[str, Any]:
    hit = {
        "rank": 1,
        "score": 0.5,
        "source": "docs",
        "document": f"ü{n}.md",
        "uri": "file:///a",
        "title": "T",
        "heading": "One > Two",
        "page": None,
        "sheet": None,
        "line": 7,
        "start": 0,
        "end": 4,
        "text": f"passage {n} \u001b[31m",
        "metadata": {},
        "duplicates": [],
        "trail": {"query": {"rank": 1, "score": 0.5}},
    }
    return {
        "schema_version": 1,
        "question": question,
        "rephrasings": [],
        "hits": [hit],
        "answer": None,
        "timings": {"total_ms": 1.0},
        "usage": {"tokens": 3, "cost_usd": 0.0},
    }


def answers(conf: dict[str, Any]) -> Ending:
    if "question" in conf:
        return Ending(results={"answer": document(conf["question"])})
    results = [
        {"question": one, "error": UsageError("the question is too long").as_json()}
        if one == "bad"
        else document(one, n)
        for n, one in enumerate(conf["questions"])
    ]
    return Ending(results={"answer": {"schema_version": 1, "results": results}})


def ask(fake: FakeAirflow, spec: Path, *arguments: str) -> Called:
    fake.dags.setdefault("far_ask", Dag(STAGES, answers))
    called = call("ask", str(spec), *arguments, "--airflow", fake.url)
    assert SECRET not in called.out + called.err
    return called


def ingest(fake: FakeAirflow, spec: Path, *arguments: str) -> Called:
    called = call("ingest", str(spec), *arguments, "--airflow", fake.url)
    assert SECRET not in called.out + called.err
    return called


def test_a_question_is_answered_with_the_same_json(fake: FakeAirflow, spec: Path) -> None:
    called = ask(fake, spec, "Wo ist \u2028 Ü?", "--format", "json")
    assert (called.code, called.err) == (0, "")
    assert called.json == document("Wo ist \u2028 Ü?")
    assert fake.confs == [{"question": "Wo ist \u2028 Ü?"}]


def test_top_is_handed_on_and_verbose_names_the_run(fake: FakeAirflow, spec: Path) -> None:
    called = ask(fake, spec, "why", "--top", "3", "-v")
    assert called.code == 0
    assert fake.confs == [{"question": "why", "top_n": 3}]
    assert re.search(r"started manual__\S+ of far_ask: http://127.0.0.1:\d+/dags/far_ask/runs/", called.err)


def test_conditions_and_a_conversation_are_handed_on(fake: FakeAirflow, spec: Path, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": f"turn {n}"} for n in range(24)]
    history = tmp_path / "history.jsonl"
    history.write_text("".join(json.dumps(turn) + "\n" for turn in turns), encoding="utf-8")
    conditions = ("--where", "year>=2024", "--where", "source=docs")
    assert ask(fake, spec, "why", *conditions, "--history", str(history)).code == 0
    assert fake.confs == [{"question": "why", "where": ["year>=2024", "source=docs"], "history": turns[-20:]}]
    wrong = ask(fake, spec, "why", "--where", "year")
    assert (wrong.code, "--where" in wrong.err) == (2, True)
    history.write_text(json.dumps({"role": "user", "content": "x" * 20_001}) + "\n", encoding="utf-8")
    long = ask(fake, spec, "why", "--history", str(history))
    assert (long.code, "'history' must be" in long.err) == (2, True)
    assert len(fake.confs) == 1


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--chat",), "--history hands a conversation to one question"),
        (("--questions", "{file}", "--out", "{file}.out"), "--format json > FILE keeps the results"),
        (("--questions", "{file}", "--parallel", "2"), "in its own tasks"),
        (("why", "--max-cost", "1"), "share no budget"),
    ],
)
def test_what_no_run_takes_is_refused_with_the_reason(
    fake: FakeAirflow, spec: Path, tmp_path: Path, option: tuple[str, ...], reason: str
) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("why\n", encoding="utf-8")
    called = ask(fake, spec, *(one.format(file=file) for one in option))
    assert called.code == 2
    assert "cannot be given together with --airflow" in called.err
    assert reason in called.err
    assert fake.confs == []


def test_the_table_is_that_of_a_local_run(fake: FakeAirflow, spec: Path) -> None:
    called = ask(fake, spec, "passage")
    assert called.code == 0
    assert "1. One > Two" in called.out
    assert "docs: ü0.md:7" in called.out
    assert "query #1 0.500" in called.out
    assert "\u001b" not in called.out


def test_many_questions_go_in_slices_and_come_back_in_order(
    fake: FakeAirflow, spec: Path, tmp_path: Path
) -> None:
    texts = [f"question {n}" for n in range(230)]
    texts[5], texts[120], texts[121] = "bad", "x" * 5_000, ""
    file = tmp_path / "questions.jsonl"
    lines = [json.dumps({"question": text}) for text in texts]
    file.write_text("\n".join(lines), encoding="utf-8")
    called = ask(fake, spec, "--questions", str(file), "--format", "json")
    assert called.code == 3
    assert "3 of 230 questions failed" in called.err
    found = [json.loads(line) for line in called.out.splitlines()]
    assert [one["question"] for one in found] == texts
    failed = {n: one["error"]["code"] for n, one in enumerate(found) if "error" in one}
    assert failed == {5: 2, 120: 2, 121: 2}
    assert [len(conf["questions"]) for conf in fake.confs] == [100, 98, 30]


def test_many_questions_as_a_table(fake: FakeAirflow, spec: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("good\nbad\n", encoding="utf-8")
    called = ask(fake, spec, "--questions", str(file))
    assert called.code == 3
    assert "ü0.md:7" in called.out
    assert "bad\n  error: the question is too long" in called.out


@pytest.mark.parametrize("question", ["", "  ", "x" * 4_001])
def test_a_question_that_the_dag_would_not_take_is_refused_before(
    fake: FakeAirflow, spec: Path, question: str
) -> None:
    called = ask(fake, spec, question)
    assert called.code == 2
    assert fake.confs == []


def test_an_error_of_the_run_is_that_of_a_local_run(fake: FakeAirflow, spec: Path) -> None:
    error = NothingPublished("nothing is published", where="index far", hint="ragctl ingest").as_json()
    failed = Failed("query", xcoms={"ragctl_error": error}, log=({"event": "the log's \u001b[31m end"},))
    fake.dags["far_ask"] = Dag(STAGES, lambda conf: Ending("failed", {}, (failed,)))
    called = ask(fake, spec, "why", "--format", "json")
    assert called.code == 5
    assert called.json == {"error": error}
    assert "failed in Airflow: query, whose log ends with\n  the log's \\x1b[31m end\n" in called.err
    assert "error: index far: nothing is published\nhint: ragctl ingest\n" in called.err


@pytest.mark.parametrize(
    ("result", "message"),
    [(None, "returned nothing"), ({"some": "thing"}, "something else"), ("s3://b/x", "object storage")],
)
def test_a_result_that_is_none_is_an_error_for_people(
    fake: FakeAirflow, spec: Path, result: object, message: str
) -> None:
    fake.dags["far_ask"] = Dag(STAGES, lambda conf: Ending(results={"answer": result}))
    called = ask(fake, spec, "why")
    assert called.code == 5
    assert message in called.err
    assert "hint: " in called.err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["ask", "why", "--set", "ask.rank.top_n=3"], "--set"),
        (["ingest", "--set", "max_failures=3"], "--set"),
        (["ingest", "--plan", "plan.json"], "--plan"),
        (["ingest", "--wait"], "--wait"),
        (["ingest", "--relock"], "--relock"),
    ],
)
def test_options_that_no_dag_takes_are_refused(
    fake: FakeAirflow, spec: Path, arguments: list[str], option: str
) -> None:
    command, *rest = arguments
    called = call(command, str(spec), *rest, "--airflow", fake.url)
    assert called.code == 2
    assert f"{option} cannot be given together with --airflow" in called.err
    assert fake.requests == []


def test_a_url_with_a_password_is_refused_without_showing_it(spec: Path) -> None:
    called = call("ask", str(spec), "why", "--airflow", "https://me:s3cr3t@host.example")
    assert called.code == 2
    assert "s3cr3t" not in called.out + called.err


def test_a_page_of_a_proxy_is_an_error_for_people(fake: FakeAirflow, spec: Path) -> None:
    fake.intercept("", Answer(200, "<html>Please log in</html>"))
    called = ask(fake, spec, "why", "--format", "json")
    assert called.code == 6
    assert called.json["error"]["kind"] == "airflow_unavailable"
    assert "text/html" in called.err


def report(**changed: object) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "run_id": "20261122T190000-abcdef",
        "pipeline": "far",
        "index": "far",
        "generation": 2,
        "recipe": "abc",
        "started_at": "2026-11-22T19:00:00+00:00",
        "seconds": 2.5,
        "counts": {
            "listed": 3,
            "added": 2,
            "changed": 0,
            "unchanged": 0,
            "deleted": 0,
            "skipped": 0,
            "failed": 0,
            "chunks": 9,
            "embedded": 9,
            "cached": 0,
            "truncated": 0,
        },
        "usage": {"tokens": 900, "cost_usd": 0.0},
        "failures": [],
        "published": True,
        "lacking": 0,
        "interrupted": False,
        **changed,
    }


FAILURE = {
    "source": "docs",
    "document": "bad.html",
    "stage": "extract",
    "error": "malformed",
    "message": "no text can be made of it",
    "retryable": False,
    "known": False,
    "ignored": False,
}


def test_an_ingest_prints_the_report_of_its_run(fake: FakeAirflow, spec: Path) -> None:
    returned = {**report(), "asset": {"generation": 2}}
    fake.dags["far_ingest"] = Dag(INGEST_TASKS, lambda conf: Ending(results={"publish": returned}))
    called = ingest(fake, spec, "--format", "json")
    assert called.code == 0
    assert called.json == report()
    assert fake.confs == [{}]
    assert "started manual__" in called.err
    table = ingest(fake, spec)
    assert "far → index far, generation 2" in table.out
    assert "chunks     9 written: 9 embedded (900 tokens), 0 cached" in table.out


def test_the_options_that_a_dag_takes_are_handed_on(fake: FakeAirflow, spec: Path) -> None:
    fake.dags["far_ingest"] = Dag(INGEST_TASKS, lambda conf: Ending(results={"publish": report()}))
    options = ["--allow-delete", "0", "--allow-partial", "--retry-failed", "--yes", "--max-cost", "0"]
    assert ingest(fake, spec, *options).code == 0
    assert fake.confs == [
        {
            "allow_delete": 0,
            "allow_partial": True,
            "retry_failed": True,
            "undo_rollback": True,
            "max_cost": 0.0,
        }
    ]


def test_too_many_failures_print_the_report_and_give_the_same_exit_code(
    fake: FakeAirflow, spec: Path
) -> None:
    partial = report(failures=[FAILURE])
    error = IncompleteIngest("1 document failed, the spec allows 0", where="max_failures", report=partial)
    failed = Failed("publish", xcoms={"ragctl_error": error.as_json()}, log=("the end",))
    fake.dags["far_ingest"] = Dag(
        INGEST_TASKS, lambda conf: Ending("failed", {"publish": {**partial, "asset": {}}}, (failed,))
    )
    called = ingest(fake, spec, "--format", "json")
    assert called.code == 3
    assert called.json == partial
    assert "error: max_failures: 1 document failed, the spec allows 0" in called.err
    assert "failed     docs: bad.html: extract: no text" in ingest(fake, spec).out


def test_a_run_that_only_warned_of_failures_has_the_exit_code_of_a_local_one(
    fake: FakeAirflow, spec: Path
) -> None:
    fake.dags["far_ingest"] = Dag(
        INGEST_TASKS, lambda conf: Ending(results={"publish": report(failures=[FAILURE])})
    )
    called = ingest(fake, spec)
    assert called.code == 3
    assert "1 document failed, the spec allows 0" in called.err
    assert f"ragctl show {spec} --failed" in called.err


def test_an_ingest_that_fails_before_it_has_a_report(fake: FakeAirflow, spec: Path) -> None:
    error = {"code": 4, "kind": "deletion_refused", "message": "too many", "where": "docs", "hint": None}
    failed = Failed("plan", xcoms={"ragctl_error": error}, log=("the end",))
    unknown = [Failed("per_batch.extract", n) for n in range(9)]
    fake.dags["far_ingest"] = Dag(
        INGEST_TASKS, lambda conf: Ending("failed", {}, (failed, *unknown, Failed("publish")))
    )
    called = ingest(fake, spec, "--format", "json")
    assert called.code == 4
    assert called.json == {"error": error}
    assert "failed in Airflow: plan, whose log ends with\n  the end\n" in called.err
    assert "failed in Airflow: 6 more tasks" in called.err


def test_the_report_of_a_real_ingest_is_printed_as_the_ingest_itself_did(
    fake: FakeAirflow, workspace: Workspace
) -> None:
    workspace.write("good.md", "# Title\n\nSome text about ingesting.\n")
    workspace.write("bad.html", "<html></html>")
    workspace.write("picture.bin", "\0\0")
    here = workspace.call("ingest", "--format", "json")
    assert here.code == 3
    fake.dags[f"{workspace.name}_ingest"] = Dag(
        INGEST_TASKS, lambda conf: Ending(results={"publish": here.json})
    )
    asked = workspace.call("ask", "text about ingesting", "--format", "json").json
    fake.dags[f"{workspace.name}_ask"] = Dag(STAGES, lambda conf: Ending(results={"answer": asked}))
    there = workspace.call("ingest", "--airflow", fake.url, "--format", "json")
    assert (there.code, there.json) == (3, here.json)
    verdict = [line for line in here.err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line for line in there.err.splitlines() if line.startswith(("error:", "hint:"))] == verdict
    local = workspace.call("ask", "text about ingesting").out
    assert workspace.call("ask", "text about ingesting", "--airflow", fake.url).out == local


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process of its own")
def test_ctrl_c_ends_the_waiting_and_names_the_run_that_goes_on(fake: FakeAirflow, spec: Path) -> None:
    fake.dags["far_ask"] = Dag(STAGES, answers, looks=10_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "ragctl", "ask", str(spec), "why", "--airflow", fake.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    deadline = time.monotonic() + 60
    while not fake.asked("/wait$") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    [trigger] = fake.asked("/dagRuns$", "POST")
    assert (process.returncode, out) == (130, "")
    assert f"the run goes on in Airflow: {trigger.body['dag_run_id']} of far_ask" in err
    assert "Traceback" not in err
