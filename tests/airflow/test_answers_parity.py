"""Command line and DAG give the same answer, with chat models that reword, check and answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_runs import RunOutcome
from run.answering.chat_script import DOCUMENTS, ChatScript, openai

from model_server import ModelServer
from workspace import Workspace

if TYPE_CHECKING:
    from airflow.sdk import DAG

pytest.importorskip("openai", reason="the environment with Airflow has no openai")

QUESTION = "And until when can I have one?"
HISTORY = [
    {"role": "user", "content": "Where is the espresso machine?"},
    {"role": "assistant", "content": "On the second floor."},
]
SCRIPT = {
    "stand_alone": "Until when can I have an espresso?",
    "rephrase": "1. Until when does the machine make espresso?\n2. Is there coffee in the afternoon?",
    "verify": lambda user: "NO" if "installer" in user else "YES",
}


@pytest.fixture
def filled(server_base: Path) -> Workspace:
    workspace = Workspace(server_base, f"w{sum(1 for _ in server_base.glob('*.yaml'))}")
    for path, text in DOCUMENTS.items():
        workspace.write(path, text)
    workspace.spec(airflow={"single_host": True})
    workspace.ingest()
    return workspace


def same(document: Any) -> Any:
    """Without times; of what was used, how often models were asked."""
    counts = {stage: one["requests"] for stage, one in document["usage"]["stages"].items()}
    return {**document, "timings": None, "usage": counts}


@pytest.mark.parametrize("layout", ["stages", "fused"])
def test_an_answer_is_the_same(
    filled: Workspace,
    layout: str,
    tmp_path: Path,
    dags_folder: Path,
    dag_of: Callable[[Path], DAG],
    run_dag: Callable[..., RunOutcome],
) -> None:
    """The prompt's file is gone by then: it travels in the DAG, with the spec."""
    history, prompt = tmp_path / "history.jsonl", filled.base / f"{filled.name}.prompt.md"
    history.write_text("".join(json.dumps(turn) + "\n" for turn in HISTORY), encoding="utf-8")
    prompt.write_text(
        "You answer questions from passages, with evidence.\n---\n$passages\n$question\n", encoding="utf-8"
    )
    with ModelServer(replies=ChatScript(**SCRIPT)) as server:  # type: ignore[arg-type]
        model = openai(server)
        answer = openai(server, prompt=prompt.name)
        filled.spec(airflow={"single_host": True}, ask={"rephrase": model, "verify": model, "answer": answer})
        options = ("--where", "source=docs", "--history", str(history), "--format", "json")
        called = filled.call("ask", QUESTION, *options)
        assert called.code == 0, called.err
        file = dags_folder / "answers.py"
        exported = filled.call(
            "export-dag", "-o", str(file), "--kind", "ask", "--layout", layout, "--embed-spec"
        )
        assert exported.code == 0, exported.err
        prompt.unlink()
        conf = {"question": QUESTION, "history": HISTORY, "where": ["source=docs"]}
        outcome = run_dag(dag_of(file), conf)
    assert outcome.state == "success", outcome.xcoms
    local = json.loads(called.out.splitlines()[-1])  # Airflow's log of this process goes to stdout too
    assert same(outcome.result) == same(local)
    assert (local["answer"]["status"], len(local["rephrasings"])) == ("grounded", 2)
    assert local["stand_alone"] == SCRIPT["stand_alone"]
    assert [hit["document"] for hit in local["left_out"]] == ["install.md"]
