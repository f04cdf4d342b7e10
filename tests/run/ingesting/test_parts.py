"""Items that are several documents: archives, and texts too large for memory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from readers.archives import encrypted, nested_bomb, tarred, zipped

from ragctl.readers import segments
from workspace import Workspace

GUIDE = b"# Guide\n\nHow the office is opened in the morning.\n"
RULES = b"# Rules\n\nNobody leaves a window open at night.\n"


def put(workspace: Workspace, name: str, data: bytes) -> Path:
    path = workspace.documents / name
    path.write_bytes(data)
    return path


def documents(workspace: Workspace) -> dict[str, str]:
    """Path → state of all that `show` lists."""
    called = workspace.call("show", "--format", "json")
    assert called.code == 0, called.err
    return {row["document"]: row["state"] for row in called.json["documents"]}


def failures(called: Any) -> list[tuple[str, bool]]:
    return [(one["document"], one["known"]) for one in called.json["failures"]]


def test_members_are_documents_of_their_own(workspace: Workspace) -> None:
    put(workspace, "a.zip", zipped({"guide.md": GUIDE, "in/rules.md": RULES, "x.gif": b"GIF89a" + bytes(9)}))
    report = workspace.ingest()
    assert report["counts"]["added"] == 2
    assert [one["document"] for one in report["skipped"]] == ["a.zip!/x.gif"]
    assert documents(workspace) == {"a.zip!/guide.md": "stored", "a.zip!/in/rules.md": "stored"}
    shown = workspace.call("show", "a.zip!/guide.md", "--format", "json").json
    assert [one["headings"] for one in shown["chunks"]] == [["Guide"]]
    asked = workspace.call("ask", "When may a window be open?", "--format", "json").json
    assert asked["hits"][0]["document"] == "a.zip!/in/rules.md"
    workspace.settle()
    workspace.ingest()
    again = workspace.ingest()["counts"]
    assert (again["unchanged"], again["added"], again["changed"]) == (1, 0, 0)


def test_progress_counts_an_archive_once(workspace: Workspace) -> None:
    path = put(
        workspace, "a.zip", encrypted(zipped({f"{n}.md": GUIDE + b"%d" % n for n in range(5)}), "4.md")
    )
    put(workspace, "plain.md", GUIDE)
    put(workspace, "nothing.zip", zipped({"x.gif": b"GIF89a" + bytes(9)}))
    workspace.settle()
    called = workspace.call("ingest", "--log-json")
    assert path.name in called.out + called.err
    events = [json.loads(line) for line in called.err.splitlines() if line.startswith("{")]
    (done,) = [one for one in events if one["event"] == "done"]
    assert (done["documents"], done["total"]) == (3, 3)


def test_a_member_that_is_gone_goes(workspace: Workspace) -> None:
    put(workspace, "a.zip", zipped({"guide.md": GUIDE, "rules.md": RULES}))
    workspace.ingest()
    put(workspace, "a.zip", zipped({"guide.md": GUIDE}))
    counts = workspace.ingest()["counts"]
    assert (counts["changed"], counts["deleted"], counts["embedded"]) == (1, 1, 0)
    assert documents(workspace) == {"a.zip!/guide.md": "stored"}
    assert workspace.call("doctor").code == 0


def test_an_archive_that_is_gone_goes_with_all_its_members(workspace: Workspace) -> None:
    workspace.write("stays.md", "This one stays.\n")
    archive = put(workspace, "a.zip", zipped({"guide.md": GUIDE, "rules.md": RULES}))
    workspace.ingest()
    archive.unlink()
    workspace.ingest("--allow-delete", "2")
    assert documents(workspace) == {"stays.md": "stored"}


def test_a_bad_member_fails_alone_and_is_known(workspace: Workspace) -> None:
    good = zipped({"guide.md": GUIDE, "rules.md": RULES})
    path = put(workspace, "a.zip", encrypted(good, "rules.md"))
    workspace.settle()
    first = workspace.call("ingest", "--format", "json")
    assert (first.code, failures(first)) == (3, [("a.zip!/rules.md", False)])
    assert first.json["failures"][0]["message"] == "it is password-protected"
    assert documents(workspace) == {"a.zip!/guide.md": "stored", "a.zip!/rules.md": "failed"}
    second = workspace.call("ingest", "--format", "json")
    assert (second.code, failures(second)) == (3, [("a.zip!/rules.md", True)])
    retried = workspace.call("ingest", "--retry-failed", "--format", "json")
    assert failures(retried) == [("a.zip!/rules.md", False)]
    failed = workspace.call("show", "--failed", "--format", "json").json["failed"]
    assert [(one["document"], one["attempts"]) for one in failed] == [("a.zip!/rules.md", 2)]
    path.write_bytes(good)
    assert workspace.ingest()["counts"]["failed"] == 0
    assert documents(workspace) == {"a.zip!/guide.md": "stored", "a.zip!/rules.md": "stored"}


def test_the_version_before_of_a_member_that_fails_stays(workspace: Workspace) -> None:
    good = zipped({"guide.md": GUIDE, "rules.md": RULES})
    put(workspace, "a.zip", good)
    workspace.ingest()
    put(workspace, "a.zip", encrypted(good, "rules.md"))
    assert workspace.call("ingest").code == 3
    shown = workspace.call("show", "a.zip!/rules.md", "--format", "json")
    assert shown.code == 0
    assert shown.json["chunks"]


def test_an_ignored_member(workspace: Workspace) -> None:
    put(workspace, "a.zip", encrypted(zipped({"guide.md": GUIDE, "rules.md": RULES}), "rules.md"))
    workspace.spec(ignore=["docs/a.zip!/rules.md"])
    assert workspace.call("ingest").code == 0


def test_bombs_fail_as_a_whole_and_nothing_else(workspace: Workspace) -> None:
    workspace.write("good.md", "Words.\n")
    put(workspace, "bomb.zip", nested_bomb(levels=5, width=2, payload=1000))
    put(workspace, "loop.tar", tarred({"loop": (b"2", "loop"), "../out.md": b"x"}))
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 3
    assert "loop.tar!/../out.md" in {path.replace("!/out", "!/../out") for path, _ in failures(called)}
    assert documents(workspace)["good.md"] == "stored"


def test_what_an_archive_was_counted_as(workspace: Workspace) -> None:
    put(workspace, "a.zip", zipped({"guide.md": GUIDE}))
    put(workspace, "page.txt", b"From: a@example.org\nTo: b@example.org\nSubject: x\nDate: now\n\nWords.\n")
    workspace.write("words.md", "Words.\n")
    report = workspace.call("ingest", "--format", "json").json
    formats = {one["format"]: one for one in report["formats"]}
    assert formats["application/zip"]["read"] == formats["text/markdown"]["read"] == 1
    assert [one["document"] for one in report["mislabelled"]] == ["page.txt"]


def test_an_ingest_that_was_killed_in_the_middle_of_an_archive(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored of it does not pass for the whole."""
    from ragctl.run.ingesting.settling import Settling

    put(workspace, "a.zip", zipped({"guide.md": GUIDE, "rules.md": RULES}))
    workspace.settle()

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Settling, "settle", killed)
        assert workspace.call("ingest").code == 130
    counts = workspace.ingest()["counts"]
    assert (counts["unchanged"], counts["cached"]) == (0, 2)
    assert workspace.ingest()["counts"]["unchanged"] == 1


@pytest.fixture
def large(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(segments, "SEGMENT_CHARACTERS", 2000)
    workspace.spec(extract={"max_bytes": 5000}, chunk={"max_tokens": 64, "overlap": 0, "min_tokens": 0})
    return workspace


def test_a_large_text_is_stored_in_segments(large: Workspace, connection: psycopg.Connection[Any]) -> None:
    text = "".join(f"Line {number} of the long record.\n" for number in range(1, 400))
    path = large.write("big.log", text)
    large.settle()
    report = large.ingest()
    stored = documents(large)
    assert sorted(stored) == sorted(f"big.log#{number}" for number in range(len(stored)))
    assert len(stored) == report["counts"]["added"] > 3
    assert report["formats"][0]["items"] == 1
    for number in (0, len(stored) - 1):
        for chunk in large.call("show", f"big.log#{number}", "--format", "json").json["chunks"]:
            assert text[chunk["start"] : chunk["end"]] == chunk["text"]
            assert chunk["text"].startswith(f"Line {chunk['line']} of")
    assert large.ingest()["counts"]["unchanged"] == 1
    path.write_text(text + "One line more.\n", encoding="utf-8")
    assert large.ingest()["counts"]["embedded"] <= 2
    path.write_text("Short now.\n", encoding="utf-8")
    assert large.ingest()["counts"]["deleted"] == len(stored)
    assert documents(large) == {"big.log": "stored"}
    assert large.call("doctor").code == 0


def test_plan_says_what_ingest_does(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "a.zip", encrypted(zipped({"guide.md": GUIDE, "rules.md": RULES, "b.md": GUIDE}), "b.md"))
    workspace.settle()
    file = tmp_path / "plan.json"
    plan = workspace.call("plan", "--out", str(file), "--format", "json").json
    assert plan["sources"]["docs"]["add"] == 2
    assert [one["document"] for one in plan["failures"]] == ["a.zip!/b.md"]
    called = workspace.call("ingest", "--plan", str(file), "--format", "json")
    assert called.json["counts"]["added"] == 2


@pytest.mark.skipif(os.name != "posix", reason="the name of the file")
def test_a_heavy_file_that_crashes_its_reader_fails_alone(workspace: Workspace) -> None:
    put(workspace, "broken.docx", b"PK\x03\x04" + os.urandom(500))
    workspace.write("good.md", "Words.\n")
    called = workspace.call("ingest", "--format", "json")
    assert (called.code, failures(called)) == (3, [("broken.docx", False)])
    assert documents(workspace)["good.md"] == "stored"
