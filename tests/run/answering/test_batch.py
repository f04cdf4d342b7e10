"""Many questions: at the same time, and into a file that can be gone on with."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from run.answering.chat_script import ChatScript, fill, openai

from model_server import ModelServer
from ragctl.run.answering.ask import Asker
from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.answering.batch import answer_each
from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from workspace import Workspace

QUESTIONS = ["When is the office open?", "How is it installed?", "What is retried?", "Where is espresso?"]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


def write(path: Path, questions: list[str]) -> Path:
    path.write_text("".join(json.dumps({"question": one}) + "\n" for one in questions), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def many(count: int) -> list[str]:
    return [f"{QUESTIONS[number % 4]} ({number})" for number in range(count)]


def test_fifty_questions_at_once(filled: Workspace) -> None:
    script = ChatScript(rephrase="1. What are the hours?")
    with ModelServer(replies=script, latency=0.05) as server:
        filled.spec(ask={"rephrase": openai(server), "verify": openai(server), "answer": openai(server)})
        with Composition(load_spec(filled.spec_path)) as composition:
            asker = Asker(composition, top_n=2)
            alone = asker.ask(QUESTIONS[0])
            results = list(answer_each(asker, many(50), parallel=50))
        at_once = server.most_at_once
    assert [result.question for result in results] == many(50)
    assert not [result for result in results if isinstance(result, Unanswered)]
    good = [result for result in results if isinstance(result, AskResult)]
    assert all(result.answer is not None and result.answer.citations for result in good)
    # What each is said to have cost is its own: one question, two verdicts, one answer.
    counts = {tuple(usage.requests for usage in result.stages.values()) for result in good}
    assert counts == {tuple(usage.requests for usage in alone.stages.values())} == {(1, 0, 2, 1)}
    assert script.count("answer") == 51
    assert at_once > 8


def test_the_hits_are_those_of_one_after_the_other(filled: Workspace) -> None:
    with Composition(load_spec(filled.spec_path)) as composition:
        asker = Asker(composition)
        apart = [result.as_json()["hits"] for result in answer_each(asker, QUESTIONS)]
        together = [result.as_json()["hits"] for result in answer_each(asker, QUESTIONS * 5, parallel=8)]
    assert together == apart * 5


def test_askers_of_threads_that_are_the_callers_own(filled: Workspace) -> None:
    with Composition(load_spec(filled.spec_path)) as composition:
        asker = Asker(composition)
        several = asker.several(6)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda one: one.ask(QUESTIONS[3]).hits[0].document, several))
        asker.close()
    assert found == ["coffee.md"] * 6


def test_a_question_fails_alone(filled: Workspace, tmp_path: Path) -> None:
    questions = write(tmp_path / "q.jsonl", [QUESTIONS[0], " ", "long " * 400, QUESTIONS[1]])
    out = tmp_path / "out.jsonl"
    called = filled.call("ask", "--questions", str(questions), "--out", str(out), "--parallel", "3")
    assert called.code == 3
    assert "2 of 4 questions failed" in called.err
    assert called.out == ""
    assert ["error" in one for one in lines(out)] == [False, True, True, False]
    assert lines(out)[1]["error"]["code"] == 2


def test_what_is_in_the_file_is_not_asked_again(filled: Workspace, tmp_path: Path) -> None:
    script = ChatScript()
    questions, out = tmp_path / "q.jsonl", tmp_path / "out.jsonl"
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server)})
        write(questions, many(6))
        arguments = ("--questions", str(questions), "--out", str(out), "--parallel", "4")
        assert filled.call("ask", *arguments).code == 0
        whole = out.read_bytes()
        assert script.count("answer") == 6
        again = filled.call("ask", *arguments)
        assert (again.code, script.count("answer")) == (0, 6)
        assert "6 results, 6 of them before" in again.err
        out.write_bytes(b"\n".join(whole.split(b"\n")[:3])[:-40])  # two whole lines, and a part of one
        assert filled.call("ask", *arguments).code == 0
        assert script.count("answer") == 10
    assert [one["question"] for one in lines(out)] == many(6)
    assert [one["answer"] for one in lines(out)] == [json.loads(one)["answer"] for one in whole.splitlines()]


def test_what_failed_is_asked_again(filled: Workspace, tmp_path: Path) -> None:
    script = ChatScript(rephrase="1. What are the hours?")
    questions, out = write(tmp_path / "q.jsonl", [*many(5), " "]), tmp_path / "out.jsonl"
    arguments = ("--questions", str(questions), "--out", str(out))
    with ModelServer(replies=script, faults=[None, "server_error", None, "server_error"]) as server:
        filled.spec(ask={"answer": openai(server)})
        assert filled.call("ask", *arguments).code == 3
        assert ["error" in one for one in lines(out)] == [False, True, False, True, False, True]
        first = lines(out)
        again = filled.call("ask", *arguments)
        assert again.code == 3
        assert "6 results, 3 of them before, 3 that had failed asked again" in again.err
        assert "1 of 6 questions failed" in again.err
    assert ["error" in one for one in lines(out)] == [False, False, False, False, False, True]
    assert [one["question"] for one in lines(out)] == [*many(5), " "]
    assert [lines(out)[number] for number in (0, 2, 4)] == [first[number] for number in (0, 2, 4)]
    assert script.count("answer") == 5


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{"question": "Something else", "hits": []}\n', 1),
        (b"not json\n", 1),
        (b'["a list"]\n', 1),
        (b'{"question": "When is the office open?", "hits": []}\n\n', 2),
        (b'{"question": "When is the office open?", "hits": []}\n' * 2, 2),
    ],
)
def test_a_file_of_something_else_is_left_alone(
    filled: Workspace, tmp_path: Path, content: bytes, line: int
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(content)
    questions = write(tmp_path / "q.jsonl", [QUESTIONS[0]])
    called = filled.call("ask", "--questions", str(questions), "--out", str(out), "--format", "json")
    assert (called.code, called.json["error"]["where"]) == (2, f"{out}:{line}")
    assert out.read_bytes() == content


def test_a_key_that_is_rejected_ends_it_all(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-wrong")
    questions, out = write(tmp_path / "q.jsonl", many(20)), tmp_path / "out.jsonl"
    with ModelServer(key="sk-right", replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server, api_key_env="STAND_IN_KEY")})
        called = filled.call("ask", "--questions", str(questions), "--out", str(out), "--parallel", "2")
        assert len(server.requests) <= 4
    assert called.code == 6
    assert out.read_bytes() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_batch_that_is_killed_twice_is_gone_on_with(filled: Workspace, tmp_path: Path) -> None:
    script = ChatScript()
    questions, out = write(tmp_path / "q.jsonl", many(40)), tmp_path / "out.jsonl"
    with ModelServer(replies=script, latency=0.03) as server:
        filled.spec(ask={"answer": openai(server), "query": {"mode": "lexical"}})
        arguments = ("--questions", str(questions), "--out", str(out), "--parallel", "3")
        for least in (5, 15):
            process = filled.process("ask", *arguments)
            deadline = time.monotonic() + 60
            while not out.exists() or out.read_bytes().count(b"\n") < least:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        there = out.read_bytes().count(b"\n")
        assert 15 <= there < 40, "it was killed on its way"
        process = filled.process("ask", *arguments)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert [one["question"] for one in lines(out)] == many(40)
    assert all(one["answer"]["status"] == "grounded" for one in lines(out))
    # Each kill costs what was under way or ahead of the line, and nothing else.
    assert script.count("answer") <= 40 + 2 * (3 + 2 * 3)


def test_an_interrupted_batch_leaves_whole_lines(filled: Workspace, tmp_path: Path) -> None:
    questions, out = write(tmp_path / "q.jsonl", many(60)), tmp_path / "out.jsonl"
    with ModelServer(replies=ChatScript(), latency=0.05) as server:
        filled.spec(ask={"answer": openai(server), "query": {"mode": "lexical"}})
        process = filled.process("ask", "--questions", str(questions), "--out", str(out), "--parallel", "4")
        watch = threading.Timer(60, process.kill)
        watch.start()
        while not out.exists() or not out.read_bytes():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        watch.cancel()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert 0 < len(lines(out)) < 60


def test_options_that_do_not_go_together(filled: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "q.jsonl", QUESTIONS)
    for arguments in (
        ("a question", "--out", str(file)),
        ("a question", "--parallel", "3"),
        ("a question", "--questions", str(file)),
        ("a question", "--chat"),
        ("--questions", str(file), "--history", str(file)),
        (),
    ):
        assert filled.call("ask", *arguments).code == 2, arguments
