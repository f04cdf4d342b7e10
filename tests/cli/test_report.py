"""ragctl report: of runs of an index, and of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report.results import made_results

from workspace import Called, Workspace, call


@pytest.fixture
def evaluated(workspace: Workspace) -> Workspace:
    workspace.write("tea.md", "# Tea\n\nGreen tea is brewed at eighty degrees.\n")
    workspace.write("bread.md", "# Bread\n\nSourdough rests overnight.\n")
    workspace.ingest()
    questions = workspace.base / f"{workspace.name}-questions.jsonl"
    questions.write_text(
        '{"id": "1", "question": "How hot is tea?", "documents": ["tea.md"]}\n', encoding="utf-8"
    )
    for mode in ("hybrid", "lexical"):
        called = workspace.call("eval", "--queries", str(questions), "--set", f"ask.query.mode={mode}")
        assert called.code == 0, called.err
    return workspace


def test_of_runs(evaluated: Workspace, tmp_path: Path) -> None:
    listed = evaluated.call("runs", "list", "--format", "json").json["runs"]
    runs = [one["run_id"] for one in listed if one["command"] == "eval"]
    out = tmp_path / "report.html"
    called = evaluated.call("report", *runs, "-o", str(out))
    assert called.code == 0, called.err
    assert "wrote" in called.err
    assert all(run in out.read_text(encoding="utf-8") for run in runs)
    short = evaluated.call("report", *runs, "--format", "md", "--metric", "mrr@10")
    assert short.out.startswith("### 2 results by mrr")


def from_files(tmp_path: Path, *arguments: str) -> Called:
    for number, one in enumerate(made_results(2)):
        (tmp_path / f"{number}.json").write_text(json.dumps(one), encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    return call("report", *(one.replace("DIR", str(tmp_path)) for one in arguments))


def test_of_files(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    called = from_files(tmp_path, "--from", "DIR/0.json", "--from", "DIR/1.json", "-o", str(out))
    assert called.code == 0, called.err
    assert "| 2" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "of a spec's runs, or of files"),
        (("--from", "DIR/none.json"), "cannot be read"),
        (("--from", "DIR/broken.json"), "no JSON"),
        (("--from", "DIR/other.json"), "no result that ragctl eval"),
        (("--from", "DIR/0.json", "--metric", "map@3"), "has no metric 'map@3'"),
        (("--from", "DIR/0.json", "-o", "DIR/none/report.html"), "cannot be written"),
    ],
)
def test_wrong_calls(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    called = from_files(tmp_path, *arguments)
    assert (called.code, words in called.err) == (2, True), called.err
