"""What becomes of documents that fail: known, tried again, accepted, listed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from ragctl.errors import MalformedDocument
from ragctl.readers.plain_text import PlainTextReader
from ragctl.run.ingesting.ignored_failures import IgnoredFailures
from ragctl.types import Document, Item
from workspace import Workspace

GOOD = "The office is open from nine to five.\n"


class Reading:
    """What the reader of plain text does: it fails on documents that say `broken`, until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mended = False
        self.tried: list[str] = []
        real = PlainTextReader.read

        def read(reader: PlainTextReader, item: Item, data: bytes) -> Iterator[Document]:
            self.tried.append(item.path)
            if b"broken" in data and not self.mended:
                raise MalformedDocument("this parser cannot take it")
            return real(reader, item, data)

        monkeypatch.setattr(PlainTextReader, "read", read)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """One good document and one that the reader fails on."""
    workspace.write("good.txt", GOOD)
    workspace.write("old/bad.txt", f"This one is broken in {workspace.name}.\n")
    return workspace


@pytest.fixture
def settled(filled: Workspace) -> Workspace:
    """The same, when it is known that nothing has changed since."""
    filled.settle()
    return filled


def ingest(workspace: Workspace, *arguments: str) -> tuple[int, list[tuple[str, bool]]]:
    """The exit code, and (document, known) of every failure."""
    called = workspace.call("ingest", "--format", "json", *arguments)
    return called.code, [(one["document"], one["known"]) for one in called.json["failures"]]


def failed(workspace: Workspace) -> list[Any]:
    shown = workspace.call("show", "--failed", "--format", "json")
    assert shown.code == 0, shown.err
    rows: list[Any] = shown.json["failed"]
    return rows


def test_what_failed_for_good_is_tried_again_only_when_told_to(settled: Workspace, reading: Reading) -> None:
    assert ingest(settled) == (3, [("old/bad.txt", False)])
    reading.tried.clear()
    assert ingest(settled) == (3, [("old/bad.txt", True)])
    assert reading.tried == []
    assert ingest(settled, "--retry-failed") == (3, [("old/bad.txt", False)])
    assert reading.tried == ["old/bad.txt"]
    assert [row["attempts"] for row in failed(settled)] == [2]

    reading.mended = True
    assert ingest(settled) == (3, [("old/bad.txt", True)])
    assert ingest(settled, "--retry-failed") == (0, [])
    assert failed(settled) == []
    hits = settled.call("ask", "What is broken?", "--format", "json").json["hits"]
    assert "old/bad.txt" in {hit["document"] for hit in hits}
    reading.tried.clear()
    assert ingest(settled, "--retry-failed") == (0, [])
    assert reading.tried == []


def test_a_change_of_the_document_is_tried_without_being_told(filled: Workspace, reading: Reading) -> None:
    ingest(filled)
    filled.write("old/bad.txt", "Now it is sound.\n")
    assert ingest(filled) == (0, [])


def test_a_mended_reader_with_a_new_version_is_tried_without_being_told(
    filled: Workspace, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(filled)
    reading.mended = True
    monkeypatch.setattr(PlainTextReader, "output_version", 2)
    assert ingest(filled, "--relock") == (0, [])
    assert failed(filled) == []


def test_known_failures_count_like_others(settled: Workspace, reading: Reading) -> None:
    settled.spec(max_failures=1)
    assert ingest(settled) == (0, [("old/bad.txt", False)])
    assert ingest(settled) == (0, [("old/bad.txt", True)])
    settled.spec(max_failures=0)
    assert ingest(settled) == (3, [("old/bad.txt", True)])


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("docs/old/bad.txt", True),
        ("docs/old", True),
        ("docs/old/*.txt", True),
        ("**/bad.txt", True),
        ("*/old/**", True),
        ("docs", True),
        ("old/bad.txt", False),
        ("*.txt", False),
        ("docs/*.txt", False),
        ("docs/old/BAD.txt", False),
        ("other/old/bad.txt", False),
    ],
)
def test_ignore_names_documents_by_source_and_path(pattern: str, matches: bool) -> None:
    assert IgnoredFailures([pattern]).names("docs", "old/bad.txt") is matches
    assert IgnoredFailures(["other/**", pattern]).names("docs", "old/bad.txt") is matches


def test_ignore_matches_names_with_a_leading_dot_as_exclude_does() -> None:
    assert IgnoredFailures(["docs/**"]).names("docs", ".hidden/.bad.txt")
    assert not IgnoredFailures([]).names("docs", "bad.txt")


@pytest.mark.parametrize("pattern", ["/docs/**", "docs/../x", "", "docs\\old", "[z-a].txt"])
def test_a_pattern_that_can_match_nothing_is_a_mistake(workspace: Workspace, pattern: str) -> None:
    workspace.spec(ignore=[pattern])
    called = workspace.call("check")
    assert called.code == 2
    assert "ignore.0: " in called.err


def test_what_is_ignored_is_tried_listed_and_not_counted(settled: Workspace, reading: Reading) -> None:
    settled.spec(ignore=["docs/old/**"])
    first = settled.call("ingest")
    assert first.code == 0
    assert "1 failed" in first.out
    assert "this parser cannot take it (ignored)" in first.out
    assert reading.tried.count("old/bad.txt") == 1
    assert "(known, not tried again) (ignored)" in settled.call("ingest").out

    settled.write("new.txt", "Another broken one.\n")
    called = settled.call("ingest", "--format", "json")
    assert called.code == 3
    flags = {"new.txt": False, "old/bad.txt": True}
    assert {one["document"]: one["ignored"] for one in called.json["failures"]} == flags
    planned = settled.call("plan", "--format", "json").json["failures"]
    assert {one["document"]: one["ignored"] for one in planned} == flags
    assert "1 document failed, not counting 1 that `ignore` names" in called.err
    settled.spec(ignore=["docs/old/**"], max_failures=1)
    assert ingest(settled)[0] == 0

    settled.spec()  # what the last run ignored is not kept: the spec's word counts
    assert settled.call("ingest", "--format", "json").code == 3


def test_ignore_makes_no_new_generation_and_does_not_publish_less(
    filled: Workspace, reading: Reading
) -> None:
    reading.mended = True
    filled.ingest()
    reading.mended = False
    filled.write("old/bad.txt", "This one is still broken, and longer.\n")
    filled.spec(ignore=["docs/old/**"])
    assert filled.ingest()["generation"] == 1
    # Another recipe's generation lacks the document, which has an old version in the active one.
    filled.spec(ignore=["docs/old/**"], chunk={"max_tokens": 64, "overlap": 0})
    called = filled.call("ingest", "--format", "json")
    assert called.json["published"] is False
    assert called.code == 3


def test_show_failed_lists_stage_reason_attempts_and_times(filled: Workspace, reading: Reading) -> None:
    ingest(filled)
    ingest(filled, "--retry-failed")
    filled.spec(ignore=["**/bad.txt"])
    [row] = failed(filled)
    assert {name: row[name] for name in ("source", "document", "stage", "error", "message")} == {
        "source": "docs",
        "document": "old/bad.txt",
        "stage": "extract",
        "error": "malformed",
        "message": "this parser cannot take it",
    }
    assert (row["attempts"], row["retryable"], row["stored"], row["ignored"]) == (2, False, False, True)
    assert (row["generation"], row["active"]) == (1, True)
    first, last = (datetime.fromisoformat(row[name]) for name in ("first_failed_at", "failed_at"))
    assert first.tzinfo is not None
    assert first < last

    text = filled.call("show", "--failed").out
    assert "1 failed document" in text
    assert "extract: this parser cannot take it" in text
    assert "2 attempts since" in text
    assert "ignored" in text
    assert "good.txt" not in text


def test_the_count_begins_anew_after_a_success(filled: Workspace, reading: Reading) -> None:
    ingest(filled)
    [before] = failed(filled)
    filled.write("old/bad.txt", "Sound for a while.\n")
    assert ingest(filled) == (0, [])
    filled.write("old/bad.txt", "It is broken again.\n")
    assert ingest(filled) == (3, [("old/bad.txt", False)])
    [row] = failed(filled)
    assert row["attempts"] == 1
    assert row["first_failed_at"] > before["first_failed_at"]
    assert row["stored"] is True
    assert "version before" in filled.call("show", "--failed").out


def test_show_failed_has_those_of_a_generation_that_is_not_published(
    filled: Workspace, reading: Reading
) -> None:
    assert filled.call("show", "--failed", "--format", "json").json["error"]["kind"] == "nothing_published"
    reading.mended = True
    filled.ingest()
    reading.mended = False
    filled.write("old/bad.txt", "This one is still broken, and longer.\n")
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    assert filled.call("ingest").code == 3
    [row] = failed(filled)
    assert (row["generation"], row["active"], row["document"]) == (2, False, "old/bad.txt")
    assert "(generation 2, not published)" in filled.call("show", "--failed").out


def test_one_document_and_all_that_failed_exclude_each_other(filled: Workspace) -> None:
    assert filled.call("show", "good.txt", "--failed").code == 2
