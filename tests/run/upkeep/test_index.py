"""Generations as a user handles them: listed, shown, gone back to, caught up, dropped."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragctl.readers.markdown import MarkdownReader
from ragctl.readers.table import READERS
from ragctl.run.answering.ask import Asker
from ragctl.run.composition import Composition
from ragctl.run.ingesting.ingest import ingest
from ragctl.run.progress import Silent
from ragctl.spec.load import load_spec
from workspace import Called, Workspace

COARSE = {"max_tokens": 128, "overlap": 0}
FINE = {"max_tokens": 64, "overlap": 0}


def pages(workspace: Workspace, count: int = 4) -> None:
    for number in range(count):
        body = " ".join(f"Sentence {line} of page {number} says a little more." for line in range(12))
        workspace.write(f"{number}.md", f"# Page {number}\n\n{body}\n")


def index(workspace: Workspace, *arguments: str) -> Any:
    """Runs `index --format json`, which must succeed, and returns its document."""
    called = workspace.call("index", *arguments, "--format", "json")
    assert called.code == 0, called.err
    return called.json


def statuses(workspace: Workspace) -> dict[int, str]:
    return {one["number"]: one["status"] for one in index(workspace, "list")["generations"]}


def documents(workspace: Workspace) -> set[str]:
    shown = workspace.call("show", "--format", "json")
    return {row["document"] for row in shown.json["documents"] if row["stored"]}


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """Generation 1 (coarse) is kept, generation 2 (fine) is active and two documents ahead."""
    pages(workspace)
    workspace.spec(chunk=COARSE)
    workspace.ingest()
    workspace.spec(chunk=FINE)
    workspace.ingest()
    workspace.write("1.md", "# Page 1\n\nIt was written anew.\n")
    workspace.write("new.md", "# New\n\nIt came later.\n")
    workspace.ingest()
    return workspace


def refused(called: Called, code: int, kind: str) -> str:
    assert called.code == code, called.out + called.err
    assert called.json["error"]["kind"] == kind
    return f"{called.json['error']['message']} {called.json['error']['hint']}"


def test_list_says_what_there_is(two: Workspace) -> None:
    listed = index(two, "list")
    first, second = listed["generations"]
    assert (first["number"], first["status"], first["behind"]) == (1, "kept", 2)
    assert (second["number"], second["status"], second["behind"]) == (2, "active", 0)
    assert (first["differs"], second["differs"]) == (["chunk"], [])
    assert (first["documents"], second["documents"]) == (4, 5)
    assert first["chunks"] < second["chunks"]
    assert first["bytes"] > 8192
    assert first["created_at"] < first["published_at"] < second["published_at"]
    assert listed["cache"]["entries"] > 0
    assert listed["cache"]["max_bytes"] == 2_000_000_000
    assert two.call("index", "--format", "json").json == listed  # what is done if nothing is said
    table = two.call("index", "list").out
    assert "kept" in table
    assert "vector cache" in table


def test_show_has_the_settings_and_what_is_behind(two: Workspace) -> None:
    shown = index(two, "show", "1")
    assert shown["settings"]["chunk"]["max_tokens"] == 128
    assert shown["behind_documents"] == [
        {"source": "docs", "document": "1.md"},
        {"source": "docs", "document": "new.md"},
    ]
    active = index(two, "show")
    assert (active["number"], active["behind_documents"]) == (2, [])
    assert set(active["settings"]) == {"extract", "chunk", "embed"}
    out = two.call("index", "show", "1").out
    assert "max_tokens: 128" in out
    assert "docs: new.md" in out
    assert "there is: 1, 2" in refused(two.call("index", "show", "7", "--format", "json"), 2, "usage")


@pytest.mark.parametrize("action", ["list", "show", "rollback", "prune"])
def test_nothing_is_there_before_the_first_ingest(workspace: Workspace, action: str) -> None:
    refused(workspace.call("index", action, "--format", "json"), 5, "nothing_published")


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "1"),
        ("prune", "1"),
        ("list", "--catch-up"),
        ("prune", "--catch-up"),
        ("rollback", "--all"),
        ("reverse",),
    ],
)
def test_a_wrong_call(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    called = workspace.call("index", *arguments, "--format", "json")
    assert called.code == 2, called.out
    assert "Traceback" not in called.err


def test_rollback_moves_the_pointer_and_says_what_is_missing(two: Workspace) -> None:
    rolled = index(two, "rollback")
    assert (rolled["active"], rolled["kept"], rolled["behind"]) == (1, 2, 2)
    assert rolled["differs"] == ["chunk"]
    assert statuses(two) == {1: "active", 2: "kept"}
    assert documents(two) == {"0.md", "1.md", "2.md", "3.md"}
    last = two.call("runs", "list", "--last", "1", "--format", "json").json["runs"][0]
    assert (last["command"], last["status"], last["generation"]) == ("rollback", "done", 1)


def test_rollback_goes_forward_by_number(two: Workspace) -> None:
    index(two, "rollback")
    message = refused(two.call("index", "rollback", "--format", "json"), 2, "usage")
    assert "no generation older than 1" in message
    assert "2" in message
    assert index(two, "rollback", "2")["active"] == 2
    assert statuses(two) == {1: "kept", 2: "active"}
    refused(two.call("index", "rollback", "2", "--format", "json"), 2, "usage")  # it is already


def test_the_next_ingest_does_not_undo_a_rollback_in_silence(two: Workspace) -> None:
    index(two, "rollback")
    for command in ("ingest", "plan"):
        message = refused(two.call(command, "--format", "json"), 4, "rollback_undone")
        assert "show 1" in message
        assert "--yes" in message
    assert statuses(two) == {1: "active", 2: "kept"}

    two.spec(chunk=COARSE)  # the settings of the generation that was gone back to
    report = two.ingest()
    assert report["generation"] == 1
    assert (report["counts"]["added"], report["counts"]["changed"]) == (1, 1)
    assert statuses(two) == {1: "active", 2: "kept"}

    two.spec(chunk=FINE)
    refused(two.call("ingest", "--format", "json"), 4, "rollback_undone")
    report = two.ingest("--yes")
    assert report["generation"] == 3
    assert report["counts"]["embedded"] == 0
    assert statuses(two) == {1: "kept", 3: "active"}  # what was asked last is what is kept
    assert two.ingest()["generation"] == 3


def test_pruning_does_not_make_an_ingest_forget_the_rollback(two: Workspace) -> None:
    index(two, "rollback")
    assert [one["number"] for one in index(two, "prune", "--all")["generations"]] == [2]
    refused(two.call("ingest", "--format", "json"), 4, "rollback_undone")
    two.spec(chunk={"max_tokens": 48, "overlap": 0})  # a recipe that was never rolled back
    assert two.ingest()["generation"] == 3


def test_catch_up_brings_it_up_to_date_by_its_own_recipe(two: Workspace) -> None:
    (two.documents / "2.md").unlink()
    caught = index(two, "rollback", "--catch-up")
    assert (caught["active"], caught["kept"], caught["behind"]) == (1, 2, 2)
    counts = caught["caught_up"]["counts"]
    assert (counts["added"], counts["changed"], counts["deleted"], counts["unchanged"]) == (1, 1, 1, 2)
    assert statuses(two) == {1: "active", 2: "kept"}
    assert documents(two) == {"0.md", "1.md", "3.md", "new.md"}
    shown = two.call("show", "0.md", "--format", "json").json
    assert max(chunk["tokens"] for chunk in shown["chunks"]) > 64  # cut by generation 1's settings
    two.spec(chunk=COARSE)
    report = two.ingest()
    assert (report["generation"], report["counts"]["unchanged"]) == (1, 4)


def test_catch_up_is_refused_where_a_reader_has_moved_on(
    two: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MarkdownReader, "output_version", MarkdownReader.output_version + 1)
    monkeypatch.setitem(READERS, "markdown", replace(READERS["markdown"], version=2))
    message = refused(two.call("index", "rollback", "--catch-up", "--format", "json"), 5, "mismatch")
    assert "extract" in message
    assert "without --catch-up" in message
    assert statuses(two) == {1: "kept", 2: "active"}
    assert index(two, "rollback")["active"] == 1


def test_catch_up_of_a_generation_whose_settings_are_unknown(
    two: Workspace, connection: psycopg.Connection[Any]
) -> None:
    """As the first release made them."""
    connection.execute(
        "UPDATE ragctl.generations SET settings = '{}' WHERE index_name = %s AND number = 1", (two.name,)
    )
    message = refused(two.call("index", "rollback", "--catch-up", "--format", "json"), 5, "mismatch")
    assert "not recorded" in message
    connection.execute(
        "UPDATE ragctl.generations SET settings = %s WHERE index_name = %s AND number = 1",
        ('{"chunk": {"by_moonlight": true}}', two.name),
    )
    message = refused(two.call("index", "rollback", "--catch-up", "--format", "json"), 5, "mismatch")
    assert "by_moonlight" in message
    assert statuses(two) == {1: "kept", 2: "active"}


def test_catch_up_that_fails_for_a_document_does_not_flip(two: Workspace) -> None:
    two.write("new.md", "")
    called = two.call("index", "rollback", "--catch-up", "--format", "json")
    assert "generation 2 is still the active one" in refused(called, 3, "failures")
    assert statuses(two) == {1: "kept", 2: "active"}
    assert "new.md" in documents(two)


def test_rollback_keeps_what_it_goes_back_from_whatever_the_spec_says(two: Workspace) -> None:
    two.spec(chunk=FINE, store={"type": "pgvector", "keep_generations": 0})
    index(two, "rollback", "--catch-up")
    assert statuses(two) == {1: "active", 2: "kept"}


def test_a_generation_that_is_not_whole_is_not_gone_back_to(
    two: Workspace, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(f"DELETE FROM ragctl.{two.name}_g1_chunks WHERE ordinal = 0")
    message = refused(two.call("index", "rollback", "--format", "json"), 5, "mismatch")
    assert "the ledger says" in message
    connection.execute(f"DROP TABLE ragctl.{two.name}_g1_chunks, ragctl.{two.name}_g1_documents")
    refused(two.call("index", "rollback", "--format", "json"), 5, "mismatch")
    refused(two.call("index", "rollback", "--catch-up", "--format", "json"), 5, "mismatch")
    assert "no tables" in two.call("index", "list").out
    assert [one["number"] for one in index(two, "prune", "--all")["generations"]] == [1]
    assert statuses(two) == {2: "active"}


@pytest.mark.parametrize("arguments", [("rollback",), ("rollback", "--catch-up"), ("prune", "--all")])
def test_another_run_is_in_the_way(
    two: Workspace,
    connection: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setattr("ragctl.run.upkeep.exclusive.LEASE_PATIENCE_S", 0.2)
    monkeypatch.setattr("ragctl.run.ingesting.ingest.LEASE_PATIENCE_S", 0.2)
    connection.execute("SELECT pg_advisory_lock(29281, hashtext(%s))", (two.name,))
    refused(two.call("index", *arguments, "--format", "json"), 4, "run_in_progress")
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert statuses(two) == {1: "kept", 2: "active"}


def test_another_pipeline_s_index_is_not_touched(two: Workspace) -> None:
    two.spec(store={"type": "pgvector", "index": two.name})
    text = two.spec_path.read_text(encoding="utf-8")
    two.spec_path.write_text(text.replace(f'"name": "{two.name}"', '"name": "intruder"', 1), encoding="utf-8")
    for arguments in (("rollback",), ("prune", "--all")):
        refused(two.call("index", *arguments, "--format", "json"), 5, "mismatch")


def test_prune_drops_what_is_beyond_the_number_that_is_kept(
    two: Workspace, connection: psycopg.Connection[Any]
) -> None:
    assert index(two, "prune")["generations"] == []  # one is kept, and one may be
    two.spec(chunk=FINE, store={"type": "pgvector", "keep_generations": 0})
    pruned = index(two, "prune")
    assert [(one["number"], one["status"], one["documents"]) for one in pruned["generations"]] == [
        (1, "kept", 4)
    ]
    assert pruned["bytes"] > 0
    assert statuses(two) == {2: "active"}
    left = connection.execute(
        "SELECT tablename FROM pg_tables WHERE tablename LIKE %s", (f"{two.name}\\_g1\\_%",)
    ).fetchall()
    assert left == []
    assert documents(two) == {"0.md", "1.md", "2.md", "3.md", "new.md"}


def test_prune_drops_what_was_left_half_built(two: Workspace) -> None:
    two.spec(chunk={"max_tokens": 32, "overlap": 0})
    asked = 0

    def after_two() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    assert ingest(load_spec(two.spec_path), stop=after_two).interrupted
    assert statuses(two) == {1: "kept", 2: "active", 3: "building"}
    refused(two.call("index", "rollback", "3", "--format", "json"), 2, "usage")
    assert [(one["number"], one["status"]) for one in index(two, "prune")["generations"]] == [(3, "building")]
    assert "nothing to drop" in two.call("index", "prune").out
    assert two.ingest()["generation"] == 4


def test_back_to_an_earlier_recipe_embeds_nothing(workspace: Workspace) -> None:
    pages(workspace)
    workspace.spec(chunk={"max_tokens": 64, "overlap": 0})
    workspace.ingest()
    workspace.spec(chunk={"max_tokens": 64, "overlap": 24})
    other = workspace.ingest()["counts"]
    assert 0 < other["embedded"] < other["chunks"]  # chunks that begin a passage are as they were
    workspace.spec(chunk={"max_tokens": 64, "overlap": 0})
    back = workspace.ingest()
    assert back["generation"] == 3
    assert (back["counts"]["embedded"], back["usage"]["tokens"]) == (0, 0)
    assert back["counts"]["cached"] == back["counts"]["chunks"] > 0


class InStep(Silent):
    """Lets an ingest go on, document by document, only when a question has been answered meanwhile."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        self.steps = 0

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        self.steps += 1
        self.turn.release()
        assert self.answered.acquire(timeout=60), "no question was answered"


def answer_of(spec_path: Path) -> tuple[int, list[tuple[str, str]]]:
    """The active generation's number, and every hit's document and text."""
    with Composition(load_spec(spec_path, ["ask.query.k=1000", "ask.rank.top_n=1000"])) as composition:
        asker = Asker(composition)
        hits = asker.ask("What does page 2 say?").hits
        return asker.generation.number, sorted((hit.document, hit.text) for hit in hits)


def test_queries_go_on_while_another_recipe_is_built(workspace: Workspace) -> None:
    pages(workspace, 12)
    workspace.spec(chunk=COARSE)
    workspace.ingest()
    before = answer_of(workspace.spec_path)
    assert before[0] == 1
    workspace.spec(chunk=FINE)
    progress = InStep()
    seen: list[tuple[int, list[tuple[str, str]]]] = []
    faults: list[BaseException] = []
    done = threading.Event()

    def ask_on() -> None:
        try:
            while not done.is_set():
                if progress.turn.acquire(timeout=0.1):
                    seen.append(answer_of(workspace.spec_path))
                    progress.answered.release()
        except BaseException as error:
            faults.append(error)

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        report = ingest(load_spec(workspace.spec_path), progress=progress)
    finally:
        done.set()
        asking.join(timeout=60)
    assert not faults
    assert report.published
    assert progress.steps == len(seen) == 12
    assert all(one == before for one in seen)  # while half of the other one was there
    after = answer_of(workspace.spec_path)
    assert after[0] == 2
    assert {document for document, _ in after[1]} == {document for document, _ in before[1]}
    assert len(after[1]) > len(before[1])
