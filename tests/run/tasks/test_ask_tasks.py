"""The tasks of an ask DAG, called one after the other: the hits of a local ask."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from run.answering.chat_script import ChatScript, openai
from run.tasks.staged_run import ASKED, ASKED_AT_ONCE, StagedRun, as_xcom

from model_server import ModelServer
from ragctl.errors import NothingPublished, PrivacyRefused, SpecError, UsageError
from ragctl.spec.embedded_spec import lock_to_embed, prompts_to_embed
from ragctl.spec.load import load_spec
from workspace import Workspace

QUESTION = "How do I get coffee?"


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.spec(airflow={"single_host": True})
    workspace.write("install.md", "# Installing\n\nDownload the archive and unpack it.\n")
    workspace.write("coffee.txt", "The coffee machine on the third floor takes tokens.\n")
    workspace.write("copy.txt", "The coffee machine  on the third floor takes tokens.\n")
    workspace.ingest()
    return workspace


def asking(workspace: Workspace, conf: Any, run: str = "manual__1") -> StagedRun:
    return StagedRun(workspace.spec_path, f"{workspace.name}_ask/{run}", conf)


def without_times(document: Any) -> Any:
    return {**document, "timings": sorted(document["timings"])}


@pytest.mark.parametrize(
    "layout", [ASKED, ASKED_AT_ONCE, (("rephrase", "query"), ("dedupe", "rank", "answer"))]
)
def test_the_result_is_that_of_a_local_ask(filled: Workspace, layout: Sequence[Sequence[str]]) -> None:
    result = asking(filled, {"question": QUESTION, "top_n": 2}).ask(layout)
    local = filled.call("ask", QUESTION, "--top", "2", "--format", "json").json
    assert without_times(result) == without_times(local)
    assert result["hits"][0]["duplicates"]
    assert not list((filled.base / ".ragctl" / "work" / filled.name).rglob("*.gz"))


def test_a_question_among_several_fails_alone(filled: Workspace) -> None:
    long = "how " * 300
    result = asking(filled, {"questions": [QUESTION, " ", long, "install?"]}).ask()
    assert result["schema_version"] == 1
    first, empty, overlong, last = result["results"]
    assert first["hits"][0]["document"] in ("coffee.txt", "copy.txt")
    assert empty["error"]["code"] == overlong["error"]["code"] == 2
    assert last["hits"][0]["document"] == "install.md"


def test_the_only_question_fails_the_task(filled: Workspace) -> None:
    with pytest.raises(UsageError, match="the question is too long"):
        asking(filled, {"question": "how " * 300}).ask()
    with pytest.raises(UsageError, match="the question is empty"):
        asking(filled, {"question": "  "}).ask()


def test_references_are_small(filled: Workspace) -> None:
    run = asking(filled, {"question": QUESTION})
    given = None
    for (stage,) in ASKED[:-1]:
        given = run.task(stage, given=given)
        assert len(str(given)) < 300


@pytest.mark.parametrize(
    ("conf", "complaint"),
    [
        (None, "takes `question`, or `questions`"),
        ({"question": "a", "questions": ["b"]}, "takes `question`, or `questions`"),
        ({"question": 3}, "'question' must be text of 1 to 4,000 characters"),
        ({"question": "x" * 4001}, "'question' must be text of 1 to 4,000 characters"),
        ({"questions": []}, "'questions' must be a list of 1 to 100 questions"),
        ({"questions": ["x"] * 101}, "'questions' must be a list of 1 to 100 questions"),
        ({"questions": ["x", 3]}, "whose entries are each text"),
        ({"question": "a", "top_n": 0}, "'top_n' must be a whole number from 1 to 1,000"),
        ({"question": "a", "top_n": True}, "'top_n' must be a whole number from 1 to 1,000"),
        ({"question": "a", "k": 5}, "no parameter 'k'; it has question, questions, top_n"),
        ({"question": "a", "where": "source=docs"}, "'where' must be a list of at most 20 conditions"),
        ({"question": "a", "where": ["x" * 1_001]}, "'where' must be a list of at most 20 conditions"),
        ({"question": "a", "where": ["source"]}, "source"),
        ({"question": "a", "history": [{"role": "system", "content": "b"}]}, "'history' must be a list"),
        ({"question": "a", "history": [{"role": "user"}]}, "'history' must be a list"),
        ({"question": "a", "history": [["user", "b"]]}, "'history' must be a list"),
        (
            {"questions": ["a"], "history": [{"role": "user", "content": "b"}]},
            "'history' must be left out where there are several questions",
        ),
        ("[1]", "must be a mapping"),
        ("{", "no JSON"),
    ],
)
def test_wrong_parameters_are_refused(workspace: Workspace, conf: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        asking(workspace, conf).task("rephrase")


def test_parameters_may_come_as_json(filled: Workspace) -> None:
    assert asking(filled, '{"question": "coffee?", "questions": null, "top_n": 1}').ask(ASKED_AT_ONCE)["hits"]


def test_there_must_be_something_to_ask(workspace: Workspace) -> None:
    workspace.spec(airflow={"single_host": True})
    with pytest.raises(NothingPublished):
        asking(workspace, {"question": QUESTION}).ask()


def test_what_failed_asks_leave_behind_goes_with_a_later_publish(filled: Workspace) -> None:
    asking(filled, {"question": QUESTION}).task("rephrase")
    asking(filled, {"question": QUESTION}, "manual__2").task("rephrase")
    folder = filled.base / ".ragctl" / "work" / filled.name / "ask"
    old, _ = sorted(folder.iterdir())
    long_ago = time.time() - 25 * 3600
    os.utime(old, (long_ago, long_ago))
    StagedRun(filled.spec_path, f"{filled.name}_ingest/manual__1").ingest()
    assert old not in folder.iterdir()
    assert len(list(folder.iterdir())) == 1


def test_a_lost_reference_says_what_to_do(filled: Workspace) -> None:
    run = asking(filled, {"question": QUESTION})
    given = run.task("rephrase")
    Path(next((filled.base / ".ragctl" / "work" / filled.name / "ask").rglob(given["file"]))).unlink()
    with pytest.raises(UsageError, match="what the task before left is gone"):
        run.task("query", given=given)


# With chat models


def test_models_are_asked_in_the_tasks_as_on_the_command_line(filled: Workspace) -> None:
    script = ChatScript(
        rephrase="1. Where is the machine?",
        grade="5",
        verify=lambda user: "NO" if "archive" in user else "YES",
    )
    with ModelServer(replies=script) as server:
        rank = {"provider": "openai", "base_url": f"{server.url}/v1", "retries": 0}
        steps = {"rephrase": openai(server), "rank": rank, "verify": openai(server)}
        filled.spec(airflow={"single_host": True}, ask={**steps, "answer": openai(server, per_version=True)})
        local = filled.call("ask", QUESTION, "--format", "json").json
        for layout in (ASKED, ASKED_AT_ONCE):
            assert without_usage(asking(filled, {"question": QUESTION}).ask(layout)) == without_usage(local)
        assert local["rephrasings"] == ["Where is the machine?"]
        assert [hit["document"] for hit in local["left_out"]] == ["install.md"]
        assert set(local["prompts"]) == {"rephrase", "grade", "verify", "answer", "combine"}


def test_conditions_and_a_conversation_in_the_tasks(filled: Workspace, tmp_path: Path) -> None:
    """In both layouts the same as on the command line."""
    filled.write("tokens.md", "---\nteam: kitchen\n---\n\nThe coffee machine takes tokens of brass.\n")
    filled.ingest()
    turns = [
        {"role": "user", "content": "Where is the coffee machine?"},
        {"role": "assistant", "content": "On the third floor."},
    ]
    history = tmp_path / "history.jsonl"
    history.write_text("".join(json.dumps(turn) + "\n" for turn in turns), encoding="utf-8")
    script = ChatScript(stand_alone="Does the coffee machine take tokens?", rephrase="1. What does it take?")
    with ModelServer(replies=script) as server:
        model = openai(server)
        filled.spec(airflow={"single_host": True}, ask={"rephrase": model, "verify": model, "answer": model})
        conditions = ("--where", "team=kitchen")
        options = (*conditions, "--history", str(history), "--format", "json")
        called = filled.call("ask", "And does it take tokens?", *options)
        assert called.code == 0, called.err
        local = called.json
        conf = {"question": "And does it take tokens?", "history": turns, "where": ["team=kitchen"]}
        for layout in (ASKED, ASKED_AT_ONCE):
            assert without_usage(asking(filled, conf).ask(layout)) == without_usage(local)
    assert local["stand_alone"] == "Does the coffee machine take tokens?"
    assert {hit["document"] for hit in local["hits"]} == {"tokens.md"}


def test_a_prompt_that_an_embedded_spec_carries_is_the_one_that_is_used(filled: Workspace) -> None:
    file = filled.base / f"{filled.name}.prompt.md"
    file.write_text(
        "You answer questions from passages, briefly.\n---\n$passages\n$question\n", encoding="utf-8"
    )
    with ModelServer(replies=ChatScript()) as server:
        filled.spec(airflow={"single_host": True}, ask={"answer": openai(server, prompt=file.name)})
        local = filled.call("ask", QUESTION, "--format", "json").json
        run = asking(filled, {"question": QUESTION})
        loaded = load_spec(filled.spec_path)
        run.spec |= {"embedded": as_xcom(loaded.spec.model_dump(mode="json")), "lock": lock_to_embed(loaded)}
        run.spec["prompts"] = prompts_to_embed(loaded)
        file.unlink()
        for layout in (ASKED, ASKED_AT_ONCE):
            assert without_usage(run.ask(layout)) == without_usage(local)
        assert server.requests[-1].body["messages"][0]["content"].endswith("briefly.")
        del run.spec["prompts"]
        with pytest.raises(SpecError, match=r"ask\.answer\.prompt: .* cannot be read"):
            run.ask()


def without_usage(document: Any) -> Any:
    counts = {stage: one["requests"] for stage, one in document["usage"]["stages"].items()}
    return {**document, "timings": None, "usage": counts}


def test_a_question_that_a_model_fails_at_fails_alone_in_the_tasks_too(filled: Workspace) -> None:
    with ModelServer(faults=["overloaded"], replies=ChatScript()) as server:
        filled.spec(airflow={"single_host": True}, ask={"answer": openai(server)})
        failed, good = asking(filled, {"questions": [QUESTION, "install?"]}).ask()["results"]
    assert failed["error"]["kind"] == "provider"
    assert good["answer"]["status"] == "grounded"


def test_sensitive_questions_of_a_run_go_to_no_model_outside(filled: Workspace) -> None:
    away = {"provider": "openai", "api_key_env": None, "base_url": "http://models.example/v1", "retries": 0}
    filled.spec(airflow={"single_host": True}, ask={"rephrase": away})
    with pytest.raises(PrivacyRefused, match=r"models\.example"):
        asking(filled, {"question": QUESTION, "sensitive": True}).ask()
