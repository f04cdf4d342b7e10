"""Identical questions on the same documents, where the spec has their results kept."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from run.answering.chat_script import ChatScript, fill, openai

from model_server import ModelServer
from workspace import Workspace

QUESTION = "When is the office open?"


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


def ask(workspace: Workspace, *arguments: str, question: str = QUESTION) -> Any:
    called = workspace.call("ask", question, "--format", "json", *arguments)
    assert called.code == 0, called.err or called.out
    return called.json


def kept(connection: psycopg.Connection[Any], workspace: Workspace) -> int:
    row = connection.execute(
        "SELECT count(*) FROM ragctl.answers a JOIN ragctl.generations g ON g.id = a.generation "
        "WHERE g.index_name = %s",
        (workspace.name,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_same_question_is_asked_once(filled: Workspace) -> None:
    script = ChatScript(rephrase="1. What are the hours?")
    with ModelServer(replies=script) as server:
        sections = {"rephrase": openai(server), "answer": openai(server)}
        filled.spec(ask={**sections, "cache": True})
        first, second = ask(filled), ask(filled)
        assert len(server.requests) == 2
        same = ("question", "rephrasings", "hits", "left_out", "answer", "models", "prompts")
        assert {key: first[key] for key in same} == {key: second[key] for key in same}
        assert second["usage"]["cost_usd"] == 0
        assert [note["step"] for note in second["notes"]] == ["cache"]
        ask(filled, question="Where is the machine?")
        ask(filled, "--top", "2")
        assert len(server.requests) == 6, "another question, another number of passages"
        filled.spec(ask={**sections, "cache": True, "dedupe": {"near_duplicate": 0.5}})
        ask(filled)
        assert len(server.requests) == 8, "other settings"
        filled.spec(ask=sections)
        ask(filled)
        assert len(server.requests) == 10, "nothing is kept unless the spec says so"


def test_changed_documents_are_asked_again(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    with ModelServer(replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server), "cache": True})
        ask(filled)
        filled.ingest()  # nothing has changed
        ask(filled)
        assert len(server.requests) == 1
        filled.write("hours.md", "# Opening hours\n\nThe office is open from ten to six on weekdays.\n")
        filled.settle()
        filled.ingest()
        document = ask(filled)
    assert len(server.requests) == 2
    assert "ten to six" in document["hits"][0]["text"]
    assert kept(connection, filled) == 1, "what was kept of the documents before is gone"


def test_what_is_forgotten_is_in_no_kept_answer(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    filled.spec(ask={"cache": True})
    ask(filled)
    assert kept(connection, filled) == 1
    forgotten = filled.call("forget", "hours.md", "--format", "json")
    assert (forgotten.code, forgotten.json["answers"]) == (0, 1)
    assert kept(connection, filled) == 0


@pytest.mark.parametrize("how", ["question", "source", "spec"])
def test_nothing_sensitive_is_kept(filled: Workspace, connection: psycopg.Connection[Any], how: str) -> None:
    source = {"type": "directory", "path": filled.name, "name": "docs"}
    if how == "source":
        source["sensitivity"] = "sensitive"
    embed = {"provider": "local", "selection_criteria": {"privacy_sensitive": how == "spec"}}
    filled.spec(sources=[source], embed=embed, ask={"cache": True})
    ask(filled, *(["--sensitive"] if how == "question" else []))
    assert kept(connection, filled) == 0


def test_what_did_not_go_well_is_not_kept(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    with ModelServer(faults=["server_error"], replies=ChatScript()) as server:
        filled.spec(ask={"rephrase": openai(server), "cache": True})
        ask(filled)
    assert kept(connection, filled) == 0
