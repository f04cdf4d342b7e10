"""A session in the terminal, and an answer that is shown while it is written."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from run.answering.chat_script import ChatScript, fill, openai

from model_server import ModelServer
from workspace import Called, Workspace


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


def typed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, text: str) -> Called:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return workspace.call("ask", "--chat")


def test_a_session_keeps_the_conversation(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ChatScript(
        answer='It is open from nine [1: "open from nine to five"].',
        stand_alone="Is the office open on Sundays?",
    )
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
        called = typed(filled, monkeypatch, "When is the office open?\n\nOn Sundays?\n")
    assert called.code == 0, called.err
    assert called.out.count("It is open from nine [1].") == 2
    steps = [step for step, _ in script.asked]
    assert steps == ["answer", "stand_alone", "answer"]
    told = script.asked[1][1]
    assert "user: When is the office open?\nassistant: It is open from nine [1]." in told
    assert "Question: Is the office open on Sundays?" in script.asked[2][1]


def test_a_question_that_fails_does_not_end_the_session(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(faults=["overloaded"], replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server)})
        called = typed(filled, monkeypatch, "When is the office open?\nAnd the machine?")
    assert called.code == 0, called.err
    assert "error: " in called.err
    assert "Sources" in called.out


def test_a_session_without_a_model_shows_passages(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    called = typed(filled, monkeypatch, "espresso?\n")
    assert called.code == 0
    assert "docs: coffee.md" in called.out


def on_a_terminal(workspace: Workspace, *arguments: str, keys: tuple[bytes, ...] = ()) -> str:
    """What a terminal shows of the command; at each prompt the next keys are pressed."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ragctl", "ask", str(workspace.spec_path), *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = bytearray()
    watch = threading.Timer(60, process.kill)
    watch.start()
    pressed = 0
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        shown += piece
        if pressed < min(len(keys), len(re.findall(rb"(?m)^> ", shown))):
            os.write(ours, keys[pressed])
            pressed += 1
    process.wait()
    watch.cancel()
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
class TestOnATerminal:
    def test_only_what_was_looked_up_is_shown(self, filled: Workspace) -> None:
        said = 'From nine [1: "open from nine to five"].\x1b[2J It has bars [1: "three bars, a pool"]. Bye.'
        with ModelServer(replies=ChatScript(answer=said)) as server:
            filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
            shown = on_a_terminal(filled, "When is the office open?")
            assert server.requests[0].body["stream"] is True
        assert "From nine [1].[2J It has bars. Bye.\n" in shown
        assert "\x1b[2J" not in shown
        assert shown.count("From nine") == 1
        assert "three bars" not in shown
        assert "[1] Opening hours" in shown

    def test_the_words_for_no_answer_are_not_shown(self, filled: Workspace) -> None:
        with ModelServer(replies=ChatScript(answer="NOT IN THE PASSAGES")) as server:
            filled.spec(ask={"answer": openai(server)})
            shown = on_a_terminal(filled, "Who won the cup?")
        assert "NOT IN THE" not in shown
        assert "do not answer this question" in shown

    def test_the_end_of_the_input_ends_a_session(self, filled: Workspace) -> None:
        with ModelServer(replies=ChatScript()) as server:
            filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
            shown = on_a_terminal(filled, "--chat", keys=(b"When is the office open?\n", b"\x04"))
        assert "> " in shown
        assert "[1] Opening hours" in shown


def test_history_and_chat_go_together(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    history = tmp_path / "turns.jsonl"
    history.write_text('{"role": "user", "content": "Tell me of the office."}\n', encoding="utf-8")
    script = ChatScript()
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server)})
        monkeypatch.setattr(sys, "stdin", io.StringIO("When is it open?\n"))
        called = filled.call("ask", "--chat", "--history", str(history))
    assert called.code == 0, called.err
    assert "Tell me of the office." in script.asked[0][1]
