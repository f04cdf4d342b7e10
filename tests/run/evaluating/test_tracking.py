"""`ragctl runs export --mlflow`: MLflow's own client, by default on its store of files.

RAGCTL_TEST_MLFLOW_URI names a fresh server to test with instead: `mlflow server` makes one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from workspace import Workspace

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when it is imported

import mlflow


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return os.environ.get("RAGCTL_TEST_MLFLOW_URI") or (tmp_path / "mlruns").as_uri()


@pytest.fixture
def evaluated(workspace: Workspace) -> Workspace:
    """An index with one evaluation of two questions."""
    workspace.write("tea.md", "# Tea\n\nGreen tea is brewed at eighty degrees for two minutes.\n")
    workspace.write("bread.md", "# Bread\n\nSourdough rests overnight before it is baked.\n")
    workspace.ingest()
    evaluate(workspace)
    return workspace


def evaluate(workspace: Workspace) -> None:
    file = workspace.base / f"{workspace.name}-questions.jsonl"
    rows = [
        {"id": "tea", "question": "How hot is green tea brewed?", "documents": ["tea.md"]},
        {"id": "bread", "question": "When is sourdough baked?", "documents": ["bread.md"]},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    called = workspace.call("eval", "--queries", str(file), "--metric", "ndcg@5")
    assert called.code == 0, called.err


def test_numbers_are_sent_once_and_no_text(evaluated: Workspace, uri: str) -> None:
    first = evaluated.call("runs", "export", "--mlflow", uri)
    assert (first.code, first.out) == (0, ""), first.err
    assert "1 evaluation sent to MLflow's experiment" in first.err
    evaluate(evaluated)
    second = evaluated.call("runs", "export", "--mlflow", uri)
    assert second.code == 0, second.err
    assert "1 evaluation sent" in second.err
    assert "1 were there already" in second.err

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(evaluated.name)
    kept = client.search_runs([experiment.experiment_id])
    assert len(kept) == 2
    (run,) = [one for one in kept if one.data.metrics["index.embedded"] == 2][:1]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["ndcg_at_5"] == run.data.metrics["ndcg_at_5.low"] == 1.0
    assert run.data.metrics["questions"] == 2
    assert run.data.metrics["latency_ms.p50"] > 0
    assert run.data.tags["ragctl.index"] == evaluated.name
    assert run.data.tags["ragctl.generation"] == "1"
    assert len(run.data.tags["ragctl.queries_sha256"]) == 64
    assert "sourdough" not in str([one.to_dictionary() for one in kept]).lower()


def test_one_that_was_cut_off_is_finished(
    evaluated: Workspace, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise mlflow.exceptions.MlflowException("the server went away")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, "log_batch", cut_off)
        called = evaluated.call("runs", "export", "--mlflow", uri)
    assert called.code == 6, called.err
    assert "MLflow: the server went away" in called.err
    assert evaluated.call("runs", "export", "--mlflow", uri).code == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(evaluated.name)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.metrics["questions"]) == ("FINISHED", 2)


def test_a_server_that_is_not_there_is_told_without_a_traceback(evaluated: Workspace) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        called = evaluated.call("runs", "export", "--mlflow", f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert called.code == 6, called.err
    assert called.err.startswith("error: --mlflow: MLflow: ")
    assert "Traceback" not in called.err


def test_a_password_in_the_address_is_refused_and_not_repeated(evaluated: Workspace) -> None:
    called = evaluated.call("runs", "export", "--mlflow", "http://me:hush@127.0.0.1:1")
    assert called.code == 2
    assert "MLFLOW_TRACKING_USERNAME" in called.err
    assert "hush" not in called.err


def test_without_the_package_it_says_what_to_install(
    evaluated: Workspace, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    called = evaluated.call("runs", "export", "--mlflow", uri)
    assert called.code == 6, called.err
    assert "pip install 'ragctl[mlflow]'" in called.err


def test_it_goes_with_export_alone(evaluated: Workspace, uri: str) -> None:
    for arguments in (["list", "--mlflow", uri], ["export", "--mlflow", uri, "--out", "x.csv"]):
        called = evaluated.call("runs", *arguments)
        assert called.code == 2
        assert "--mlflow goes with export" in called.err
