"""Sensitive questions and passages go to no chat model outside the allowed hosts.

The outside host is a name that leads to a stand-in on loopback; where text may not go, the name must not even
be looked up.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run.answering.chat_script import DOCUMENTS, ChatScript, openai

from model_server import ModelServer
from ragctl.errors import PrivacyRefused
from ragctl.run.answering.ask import Asker
from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from ragctl.types import Message
from workspace import Called, Workspace

OUTSIDE = "models.example"
QUESTION = "When is the office open?"
ALLOWED = {"selection_criteria": {"allowed_hosts": [OUTSIDE]}}


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        names.append(name)
        return resolve("127.0.0.1" if name == OUTSIDE else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def server(looked_up: list[str]) -> Iterator[ModelServer]:
    with ModelServer(replies=ChatScript(rephrase="1. What are the opening hours?")) as made:
        yield made


def outside(server: ModelServer, **settings: Any) -> dict[str, Any]:
    url = server.url.replace("127.0.0.1", OUTSIDE)
    return openai(server, base_url=f"{url}/v1", **settings)


def fill(workspace: Workspace, *, sensitivity: str | None, **sections: Any) -> None:
    spec(workspace, sensitivity=sensitivity, **sections)
    for path, text in DOCUMENTS.items():
        workspace.write(path, text)
    workspace.ingest("--yes")


def spec(workspace: Workspace, *, sensitivity: str | None, **sections: Any) -> None:
    source = {"type": "directory", "path": workspace.name, "name": "docs", "sensitivity": sensitivity}
    workspace.spec(**{"sources": [source], **sections})


def ask(workspace: Workspace, *arguments: str) -> Called:
    return workspace.call("ask", QUESTION, "--format", "json", *arguments)


def refused(called: Called) -> str:
    assert called.code == 4, called.out
    error = called.json["error"]
    assert error["kind"] == "privacy"
    assert OUTSIDE in error["message"]
    return str(error["message"])


@pytest.mark.parametrize("step", ["verify", "answer", "rank"])
def test_a_sensitive_passage_is_not_sent_outside(
    workspace: Workspace, server: ModelServer, looked_up: list[str], step: str
) -> None:
    fill(workspace, sensitivity="sensitive", ask={step: outside(server)} if step != "rank" else {})
    section = outside(server)
    if step == "rank":
        section = {"provider": "openai", "base_url": section["base_url"], "retries": 0}
        spec(workspace, sensitivity="sensitive", ask={"rank": section})
    message = refused(ask(workspace))
    assert "a passage of docs:hours.md" in message
    assert server.requests == []
    assert OUTSIDE not in looked_up


@pytest.mark.parametrize("step", ["verify", "answer"])
def test_it_goes_to_an_allowed_host_and_to_this_machine(
    workspace: Workspace, server: ModelServer, step: str
) -> None:
    fill(workspace, sensitivity="sensitive", ask={step: outside(server, **ALLOWED)})
    assert ask(workspace).code == 0
    spec(workspace, sensitivity="sensitive", ask={step: openai(server)})
    assert ask(workspace).code == 0
    assert server.requests


def test_a_step_that_may_does_not_let_another_one(workspace: Workspace, server: ModelServer) -> None:
    steps = {"verify": outside(server, **ALLOWED), "answer": outside(server)}
    fill(workspace, sensitivity="sensitive", ask=steps)
    refused(ask(workspace))
    assert len(server.requests) == len(DOCUMENTS)  # the verification alone


def test_a_public_question_is_reworded_outside_and_a_sensitive_one_is_not(
    workspace: Workspace, server: ModelServer, looked_up: list[str]
) -> None:
    fill(workspace, sensitivity=None, ask={"rephrase": outside(server)})
    assert ask(workspace).json["rephrasings"] == ["What are the opening hours?"]
    asked = len(server.requests)
    looked_up.clear()
    assert "the question" in refused(ask(workspace, "--sensitive"))
    assert (len(server.requests), OUTSIDE in looked_up) == (asked, False)


def test_a_document_says_itself_that_it_is_sensitive(workspace: Workspace, server: ModelServer) -> None:
    fill(workspace, sensitivity=None, ask={"answer": outside(server), "rank": {"top_n": 1}})
    workspace.write("hours.md", "---\nsensitivity: confidential\n---\n" + DOCUMENTS["hours.md"])
    workspace.ingest()
    assert "docs:hours.md" in refused(ask(workspace))
    other = workspace.call("ask", "Where is espresso made?", "--format", "json")
    assert (other.code, other.json["answer"]["status"]) == (0, "grounded")


def test_words_of_sensitive_passages_are_not_sent_to_an_embedder_outside(
    workspace: Workspace, server: ModelServer
) -> None:
    embed = outside(server, model="text-embedding-3-small", usd_per_million_tokens=0)
    del embed["usd_per_million_output_tokens"]
    fill(workspace, sensitivity="sensitive", embed={**embed, **ALLOWED})
    spec(workspace, sensitivity="sensitive", embed=embed, ask={"rephrase": {"expand": "prf"}})
    before = len(server.requests)
    document = ask(workspace).json
    assert document["rephrasings"] == []
    assert [request.body["input"] for request in server.requests[before:]] == [[QUESTION]]
    assert document["notes"][0]["message"] == f"no words of sensitive passages were sent to {OUTSIDE}" + (
        f":{server.url.rsplit(':', 1)[1]}"
    )
    spec(
        workspace,
        sensitivity="sensitive",
        embed=embed,
        ask={"rephrase": {"expand": "prf"}, "query": {"mode": "lexical"}},
    )
    assert ask(workspace).json["rephrasings"], "a search by words sends nothing anywhere"
    assert len(server.requests) == before + 1


def test_what_was_answered_from_sensitive_passages_is_as_sensitive(
    workspace: Workspace, server: ModelServer
) -> None:
    fill(workspace, sensitivity="sensitive", ask={"rephrase": outside(server), "answer": openai(server)})
    with Composition(load_spec(workspace.spec_path)) as composition:
        asker = Asker(composition)
        first = asker.ask(QUESTION)
        assert first.answer is not None
        turns = [Message("user", QUESTION), Message("assistant", first.answer.text)]
        with pytest.raises(PrivacyRefused, match="a passage of docs:"):
            asker.ask("And on Sundays?", history=turns, shown_before=first.hits)


# Many questions


def test_a_refused_question_of_many_fails_alone(
    workspace: Workspace, server: ModelServer, looked_up: list[str], tmp_path: Path
) -> None:
    """The one whose passages are sensitive: the others are answered outside."""
    spec(workspace, sensitivity=None, ask={"answer": outside(server), "query": {"mode": "lexical"}})
    workspace.write("hours.md", DOCUMENTS["hours.md"])
    workspace.write("salaries.md", "---\nsensitivity: sensitive\n---\n\nWages are paid in gold.\n")
    workspace.ingest("--yes")
    file, out = tmp_path / "q.txt", tmp_path / "out.jsonl"
    file.write_text("Which hours are the office hours?\nWhat are wages paid in?\n", encoding="utf-8")
    called = workspace.call("ask", "--questions", str(file), "--out", str(out))
    assert called.code == 3, called.err
    first, second = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    assert first["answer"]["status"] == "grounded"
    assert (second["error"]["code"], second["error"]["kind"]) == (4, "privacy")
    record = workspace.call("runs", "show", "last", "--format", "json").json
    assert "salaries.md" in record["failures"][0]["message"]
    # One that is refused whatever is done is asked again, and stays refused.
    assert workspace.call("ask", "--questions", str(file), "--out", str(out)).code == 3
    file.write_text("What are wages paid in?\nWho is paid wages in gold?\n", encoding="utf-8")
    called = workspace.call("ask", "--questions", str(file), "--format", "json")
    assert called.code == 4, called.err
    *results, error = (json.loads(line) for line in called.out.splitlines())
    assert [one["error"]["kind"] for one in results] == ["privacy", "privacy"]
    assert error["error"]["kind"] == "privacy"
    assert error["error"]["message"].startswith("all of 2 questions were refused")
    assert workspace.call("forget", "salaries.md").code == 0
    name = record["run_id"]
    assert "salaries" not in workspace.call("runs", "show", name, "--format", "json").out


def test_questions_that_are_all_sensitive_are_refused_before_the_first(
    workspace: Workspace, server: ModelServer, looked_up: list[str], tmp_path: Path
) -> None:
    fill(workspace, sensitivity=None, ask={"answer": outside(server)})
    file = tmp_path / "q.txt"
    file.write_text(f"{QUESTION}\nWhere is it?\n", encoding="utf-8")
    called = workspace.call("ask", "--questions", str(file), "--sensitive", "--format", "json")
    assert (called.code, called.json["error"]["kind"]) == (4, "privacy")
    assert OUTSIDE not in looked_up
