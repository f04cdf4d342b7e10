"""Items in which there is no text: skipped, unless some of it is in the index."""

from __future__ import annotations

from typing import Any

import pytest
from readers.archives import zipped

from ragctl.readers import ocr
from ragctl.readers.table import lacking
from ragctl.run.ingesting.document_readers import DocumentReaders
from ragctl.spec.extract_settings import ExtractSettings
from ragctl.types import Item
from workspace import Workspace

HOLLOW = "{}"


def skipped(report: Any) -> list[tuple[str, str]]:
    return [(one["document"], one["reason"]) for one in report["skipped"]]


def test_what_never_had_text_is_skipped_and_not_looked_at_again(workspace: Workspace) -> None:
    workspace.write("stays.md", "This one stays.\n")
    workspace.write("hollow.json", HOLLOW)
    workspace.settle()
    first = workspace.ingest()
    assert skipped(first) == [("hollow.json", "there is no text in it")]
    assert (first["counts"]["added"], first["counts"]["skipped"], first["failures"]) == (1, 1, [])
    counts = next(one for one in first["formats"] if one["format"] == "application/json")
    assert (counts["read"], counts["skipped"], counts["failed"]) == (0, 1, 0)
    again = workspace.ingest()
    assert (skipped(again), again["failures"], again["formats"]) == ([], [], [])


def test_a_page_without_text_is_a_failure(workspace: Workspace) -> None:
    workspace.write("stays.md", "This one stays.\n")
    workspace.write("hollow.html", "<script>fill()</script>")
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 3
    assert [(one["document"], one["error"]) for one in called.json["failures"]] == [("hollow.html", "empty")]


def test_text_that_goes_is_a_failure(workspace: Workspace) -> None:
    workspace.write("hollow.json", HOLLOW)
    workspace.write("stays.md", "This one stays.\n")
    workspace.ingest()
    workspace.write("hollow.json", '{"title": "Words by now"}')
    assert workspace.ingest()["counts"]["added"] == 1
    workspace.write("hollow.json", HOLLOW)
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 3
    assert [(one["document"], one["error"]) for one in called.json["failures"]] == [("hollow.json", "empty")]


def test_a_part_without_text_is_skipped_where_nothing_of_the_item_is_in_the_index(
    workspace: Workspace,
) -> None:
    archive = workspace.documents / "a.zip"
    archive.write_bytes(zipped({"guide.json": b'{"how": "so"}', "hollow.json": HOLLOW.encode()}))
    assert skipped(workspace.ingest()) == [("a.zip!/hollow.json", "there is no text in it")]
    archive.write_bytes(zipped({"guide.json": HOLLOW.encode(), "hollow.json": b'{"how": "so"}'}))
    called = workspace.call("ingest", "--format", "json")
    assert [(one["document"], one["error"]) for one in called.json["failures"]] == [
        ("a.zip!/guide.json", "empty")
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a.png", f"{ocr.WANTED} (here is how)"),
        ("a.pdf", f"there is no text in it: 2 of its pages are images; {ocr.WANTED} (here is how)"),
        ("a.doc", "old Office documents are read with LibreOffice, which is not installed (here is how)"),
    ],
)
def test_a_program_that_is_there_by_now_has_them_looked_at_again(
    path: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = Item("docs", path, f"file:///{path}", "f")
    readers = DocumentReaders(ExtractSettings())
    found = []
    for program in (None, "/usr/bin/program"):
        lacking.cache_clear()
        monkeypatch.setattr("shutil.which", lambda name, path=None, program=program: program)
        found.append(readers.still_skips(item, reason))
    lacking.cache_clear()
    readers.close()
    assert found == [True, False]
