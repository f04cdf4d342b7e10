"""`ragctl plan` shows what an ingest does, and `ingest --plan` does just that or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.readers.plain_text import PlainTextReader
from ragctl.sources.directory import DirectorySource
from workspace import Workspace

ACTIONS = ("add", "change", "delete", "unchanged", "failed", "skipped")


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    for number in range(12):
        workspace.write(
            f"{number}.txt", f"Note {number} of {workspace.name} says this and that.\n" * (number + 1)
        )
    return workspace


def planned(workspace: Workspace, *arguments: str) -> Any:
    called = workspace.call("plan", "--format", "json", *arguments)
    assert called.code == 0, called.err
    return called.json


def total(report: Any, *names: str) -> tuple[int, ...]:
    return tuple(report["total"][name] for name in names)


def test_a_plan_says_what_the_ingest_then_does(filled: Workspace) -> None:
    for edit in ("first", "second"):
        if edit == "second":
            filled.write("0.txt", "Something else.\n")
            filled.write("new.md", "# New\n\nA page.\n")
            (filled.documents / "1.txt").unlink()
            (filled.documents / "2.txt").rename(filled.documents / "renamed.txt")
            filled.write("empty.md", "---\ntitle: only front matter\n---\n")
            filled.spec(max_failures=1)
        plan = planned(filled)
        report = filled.ingest()
        counts = report["counts"]
        assert total(plan, "add", "change", "delete", "failed") == (
            counts["added"],
            counts["changed"],
            counts["deleted"],
            counts["failed"],
        )
        assert total(plan, "chunks", "embed", "tokens") == (
            counts["chunks"],
            counts["embedded"],
            report["usage"]["tokens"],
        )
        assert plan["total"]["cost_usd"] == 0
    assert total(plan, *ACTIONS) == (2, 1, 2, 9, 1, 0)
    actions = {one["document"]: one["action"] for one in plan["documents"]}
    assert actions == {
        "0.txt": "change",
        "new.md": "add",
        "renamed.txt": "add",
        "1.txt": "delete",
        "2.txt": "delete",
    }
    assert [one["document"] for one in plan["failures"]] == ["empty.md"]


def test_a_plan_writes_nothing_to_the_index(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    plan = planned(filled)
    assert plan["generation"] is None
    assert filled.call("ask", "Anything?").code == 5
    for table in ("indexes WHERE name", "generations WHERE index_name", "runs WHERE index_name"):
        found = connection.execute(f"SELECT count(*) FROM ragctl.{table} = %s", (filled.name,)).fetchone()
        assert found == (0,)


def test_nothing_is_parsed_twice(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.settle()
    planned(filled)

    def parsed(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(PlainTextReader, "read", parsed)
    monkeypatch.setattr(DirectorySource, "open", parsed)
    assert filled.ingest()["counts"]["added"] == 12
    filled.spec(chunk={"max_tokens": 64})  # another generation, from the kept texts
    assert filled.ingest()["counts"]["added"] == 12


def test_a_plan_embeds_nothing(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(LocalEmbedder, "embed", asked)
    assert total(planned(filled), "embed")[0] > 0


def test_the_exit_code_tells_of_changes(filled: Workspace) -> None:
    assert filled.call("plan").code == 0
    assert filled.call("plan", "--detailed-exitcode").code == 10
    filled.ingest()
    nothing = filled.call("plan", "--detailed-exitcode")
    assert nothing.code == 0
    assert "nothing to do" in nothing.out
    filled.write("new.txt", "New.\n")
    assert filled.call("plan", "--detailed-exitcode").code == 10


def test_seconds_come_from_what_was_measured(filled: Workspace) -> None:
    filled.ingest()
    filled.write("new.txt", "A new note, which is not known yet. " * 40)
    plan = planned(filled)
    assert plan["total"]["seconds"] > 0


def test_sources_are_counted_apart(filled: Workspace) -> None:
    other = filled.base / f"{filled.name}-more"
    other.mkdir()
    (other / "page.html").write_text("<p>More.</p>", encoding="utf-8")
    (other / "image.gif").write_bytes(b"GIF89a" + bytes(9))
    sources = [
        {"type": "directory", "path": filled.name, "name": "docs"},
        {"type": "directory", "path": other.name, "name": "more"},
    ]
    filled.spec_path.write_text(json.dumps({"name": filled.name, "sources": sources}), encoding="utf-8")
    plan = planned(filled)
    assert {name: one["add"] for name, one in plan["sources"].items()} == {"docs": 12, "more": 1}
    assert plan["sources"]["more"]["skipped"] == 1
    shown = filled.call("plan").out
    assert "more" in shown
    assert "all" in shown


def test_an_agreed_plan_is_carried_out(filled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    planned(filled, "--out", str(file))
    report = filled.ingest("--plan", str(file))
    assert report["counts"]["added"] == 12
    again = filled.call("ingest", "--plan", str(file), "--format", "json")
    assert again.code == 4
    assert again.json["error"]["kind"] == "plan_overtaken"


def test_a_plan_with_deletions_carries_its_permission(filled: Workspace, tmp_path: Path) -> None:
    filled.ingest()
    for number in range(11):
        (filled.documents / f"{number}.txt").unlink()
    file = tmp_path / "plan.json"
    assert filled.call("plan").code == 4
    planned(filled, "--allow-delete", "11", "--out", str(file))
    assert filled.call("ingest", "--plan", str(file), "--allow-delete", "11").code == 2
    assert filled.ingest("--plan", str(file))["counts"]["deleted"] == 11


@pytest.mark.parametrize("move", ["edit", "add", "remove", "spec", "override", "ingest"])
def test_a_plan_that_the_world_has_overtaken_is_refused(filled: Workspace, tmp_path: Path, move: str) -> None:
    filled.ingest()
    filled.write("0.txt", "Planned.\n")
    filled.settle()
    file = tmp_path / "plan.json"
    planned(filled, "--out", str(file))
    arguments: tuple[str, ...] = ()
    if move == "edit":
        filled.write("0.txt", "Not planned.\n")
    elif move == "add":
        filled.write("extra.txt", "Not planned.\n")
    elif move == "remove":
        (filled.documents / "5.txt").unlink()
    elif move == "spec":
        filled.spec(max_failures=3)
    elif move == "override":
        arguments = ("--set", "max_failures=3")
    else:
        filled.ingest()
    refused = filled.call("ingest", "--plan", str(file), "--format", "json", *arguments)
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "plan_overtaken"
    assert str(file) in refused.json["error"]["where"]
    if move != "ingest":
        shown = filled.call("show", "0.txt", "--format", "json").json
        assert "Planned" not in shown["chunks"][0]["text"]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "not json", '{"schema_version": 1}'])
def test_what_is_no_plan_is_refused(filled: Workspace, tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content, encoding="utf-8")
    called = filled.call("ingest", "--plan", str(file))
    assert called.code == 2
    assert "plan.json" in called.err
    assert filled.call("ingest", "--plan", str(tmp_path / "none.json")).code == 2


def test_what_costs_nothing_fits_every_budget(filled: Workspace) -> None:
    """Budgets of models that cost something are in test_remote_models.py."""
    counts = filled.ingest("--max-cost", "0")["counts"]
    assert counts["embedded"] + counts["cached"] > 0
