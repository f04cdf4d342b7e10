"""ragctl preview: what a file becomes, without storing anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from readers.archives import encrypted, zipped

from ragctl.readers import segments
from workspace import Workspace, call

GUIDE = "---\nteam: core\n---\n# Guide\n\nHow the office opens.\n\n## Keys\n\nUnder the mat.\n"


def test_without_a_spec_the_defaults_are_used(tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text(GUIDE, encoding="utf-8")
    found = call("preview", str(file), "--format", "json")
    assert found.code == 0, found.err
    (document,) = found.json["documents"]
    assert (found.json["media_type"], found.json["reader"]) == ("text/markdown", "markdown@1")
    assert (document["title"], document["metadata"]) == ("Guide", {"team": "core"})
    assert [one["headings"] for one in document["sections"]] == [["Guide"], ["Guide", "Keys"]]
    (chunk,) = document["chunks"]
    assert chunk["text"] == document["text"][chunk["start"] : chunk["end"]]
    assert found.json["tokens"] == chunk["tokens"] > 0
    assert list(tmp_path.iterdir()) == [file]


def test_for_people(tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text(GUIDE, encoding="utf-8")
    out = call("preview", str(file)).out
    for line in ("media type  text/markdown", "reader      markdown@1", "Keys", "Under the mat.", "chunk 0"):
        assert line in out


def test_it_chunks_as_the_spec_says(workspace: Workspace) -> None:
    file = workspace.write("long.txt", "A sentence of some words. " * 100)
    workspace.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    found = call("preview", str(file), str(workspace.spec_path), "--format", "json").json
    assert found["chunk_count"] > 15
    assert found["longest_chunk_tokens"] <= 32
    assert found["documents"][0]["text_is_whole"] is False
    whole = call("preview", str(file), str(workspace.spec_path), "--full", "--format", "json").json
    assert len(whole["documents"][0]["text"]) == whole["characters"] == 2600


def test_an_archive_shows_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    data = zipped({"guide.md": GUIDE.encode("utf-8"), "secret.md": b"x", "photo.gif": b"GIF89a" + bytes(9)})
    file.write_bytes(encrypted(data, "secret.md"))
    found = call("preview", str(file), "--format", "json").json
    assert [one["path"] for one in found["documents"]] == ["a.zip!/guide.md"]
    assert found["parts_failed"] == [{"path": "a.zip!/secret.md", "reason": "it is password-protected"}]
    assert [one["path"] for one in found["parts_skipped"]] == ["a.zip!/photo.gif"]
    assert "password-protected" in call("preview", str(file)).out


@pytest.mark.parametrize(
    ("name", "data", "skipped"),
    [
        ("a.gif", b"GIF89a" + bytes(9), "(image/gif), which nothing here reads"),
        ("a.txt", b" \n", "it is empty"),
        ("a.odd", b"words", "no reader for .odd files"),
    ],
)
def test_what_is_skipped_says_why(tmp_path: Path, name: str, data: bytes, skipped: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    found = call("preview", str(file), "--format", "json")
    assert found.code == 0
    assert skipped in found.json["skipped"]


def test_mistakes_of_the_call(tmp_path: Path) -> None:
    assert call("preview", str(tmp_path / "none.md")).code == 2
    assert call("preview", str(tmp_path)).code == 2
    file = tmp_path / "a.md"
    file.write_text("x", encoding="utf-8")
    assert call("preview", str(file), "--set", "chunk.max_tokens=50").code == 2


def test_a_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    file.write_bytes(b"\1\2\3\4" * 500)
    called = call("preview", str(file), "--format", "json")
    assert called.code == 3
    assert called.json["error"]["kind"] == "malformed"


def test_a_large_text_is_shown_in_segments(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_CHARACTERS", 1000)
    file = workspace.write("big.log", "A line of a log.\n" * 1000)
    workspace.spec(extract={"max_bytes": 5000})
    found = call("preview", str(file), str(workspace.spec_path), "--format", "json").json
    assert found["document_count"] > 10
    last = found["documents"][-1]
    assert (last["path"], last["offset"]) == (
        f"big.log#{len(found['documents']) - 1}",
        last["chunks"][0]["start"],
    )
    page = workspace.write("big.md", "A line of a page.\n" * 1000)
    assert call("preview", str(page), str(workspace.spec_path)).code == 3
