"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ragctl import __version__
from workspace import Workspace, call

COMMANDS = ["init", "check", "ingest", "ask", "show", "doctor", "runs", "forget", "export-dag"]


def test_version() -> None:
    called = call("--version")
    assert (called.code, called.out) == (0, f"ragctl {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    called = call(command, "--help")
    assert called.code == 0
    assert f"Example: ragctl {command}" in called.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ragctl", *filter(None, [command]), "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "80"},
        check=True,
    )
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_mistyped_command_is_named_and_mended() -> None:
    called = call("ingets", "x.yaml")
    assert called.code == 2
    assert "'ingest'" in called.err
    assert called.out == ""


def test_errors_are_json_too_when_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    called = call("ingest", str(missing), "--format", "json")
    assert called.code == 2
    error = called.json["error"]
    assert set(error) >= {"code", "kind", "message", "where", "hint"}
    assert (error["code"], error["kind"]) == (2, "spec")
    called = call("ingest", str(missing), "--format=json", "--no-such-option")
    assert called.json["error"]["kind"] == "usage"


def test_every_mistake_of_a_spec_at_once(tmp_path: Path) -> None:
    spec = tmp_path / "docs.yaml"
    spec.write_text(
        "name: docs\nsources: [{type: directroy, path: x}]\nstore: {type: pgvectr}\n", encoding="utf-8"
    )
    called = call("check", str(spec))
    assert called.code == 2
    assert f"{spec}:2:" in called.err
    assert f"{spec}:3:" in called.err
    assert "did you mean 'pgvector'?" in called.err
    assert "Traceback" not in called.err


def test_check_fills_in_the_defaults(workspace: Workspace) -> None:
    called = workspace.call("check")
    assert called.code == 0
    assert "max_tokens: 256" in called.out
    assert (
        workspace.call("check", "--set", "chunk.max_tokens=128", "--format", "json").json["spec"]["chunk"][
            "max_tokens"
        ]
        == 128
    )
    wrong = workspace.call("check", "--set", "chunk.max_tokens=many")
    assert wrong.code == 2
    assert "--set chunk.max_tokens" in wrong.err


def test_check_names_a_missing_folder_with_its_place(workspace: Workspace) -> None:
    workspace.documents.rmdir()
    called = workspace.call("check")
    assert called.code == 2
    assert f"{workspace.spec_path}:1:" in called.err
    workspace.documents.mkdir()


def test_init_writes_a_spec_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My Notes").mkdir()
    called = call("init", "--path", "My Notes")
    assert called.code == 0, called.err
    assert call("check", "ragctl.yaml").code == 0
    before = (tmp_path / "ragctl.yaml").read_text(encoding="utf-8")
    again = call("init", "--path", "My Notes")
    assert again.code == 2
    assert "ragctl.yaml" in again.err
    assert (tmp_path / "ragctl.yaml").read_text(encoding="utf-8") == before
    assert call("init", "other.yaml", "--path", "nowhere").code == 2
    assert call("init", "nowhere/other.yaml").code == 2


def test_show_suggests_the_nearest_name(workspace: Workspace) -> None:
    workspace.write("guide/installation.md", "# Install\n\nRun it.\n")
    workspace.ingest()
    called = workspace.call("show", "installation.md")
    assert called.code == 2
    assert "'guide/installation.md'" in called.err
    assert workspace.call("show", "docs:guide/installation.md").code == 0
    assert "Run it." in workspace.call("show", "guide/installation.md").out


def test_doctor_finds_nothing_and_then_something(workspace: Workspace) -> None:
    workspace.write("a.md", "# A\n\nText.\n")
    fresh = workspace.call("doctor", "--format", "json")
    assert fresh.code == 0, fresh.out
    workspace.ingest()
    assert workspace.call("doctor").code == 0
    workspace.spec(chunk={"max_tokens": 128})
    called = workspace.call("doctor", "--format", "json")
    assert called.code == 5
    [finding] = [one for one in called.json["findings"] if not one["ok"]]
    assert finding["check"] == "recipe"
    assert "chunk" in finding["detail"]
    assert finding["fix"]


def test_output_that_goes_nowhere_is_no_error(workspace: Workspace) -> None:
    for number in range(300):
        workspace.write(f"{number}.txt", f"Note {number}.\n" * 20)
    workspace.ingest()
    result = subprocess.run(
        f"{sys.executable} -m ragctl show {workspace.spec_path} | head -n 1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "0"
    assert result.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_documents(workspace: Workspace, number: signal.Signals, code: int) -> None:
    pages = 700  # more than are in hand at once
    for one in range(pages):
        workspace.write(f"{one}.md", f"# Page {one} of {number.name}\n\nA short page.\n")
    process = workspace.process("ingest", "--format", "json", "--log-json")
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == "advance":
            break
    process.send_signal(number)
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["interrupted"] is True
    assert 0 < report["counts"]["added"] < pages
    assert time.monotonic() - started < 60
    final = workspace.ingest()
    assert report["counts"]["added"] + final["counts"]["added"] == pages
    assert final["counts"]["embedded"] + report["counts"]["embedded"] == (
        final["counts"]["chunks"] + report["counts"]["chunks"]
    )


def test_progress_without_a_terminal_is_plain_lines(workspace: Workspace) -> None:
    workspace.write("a.md", "# A\n\nText.\n")
    called = workspace.call("ingest")
    assert "1 of 1 documents" in called.err
    assert "\x1b" not in called.err + called.out


def test_hints_name_the_overrides(workspace: Workspace) -> None:
    called = workspace.call("ask", "anything", "--set", "store.index=other")
    assert called.code != 0
    assert f"ragctl ingest {workspace.spec_path} --set store.index=other" in called.err


def test_no_secret_in_any_output(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_DSN", "postgresql://me:hunter2@127.0.0.1:1/db")
    workspace.spec(store={"type": "pgvector", "dsn_env": "SECRET_DSN"})
    for command in ("ingest", "show", "doctor"):
        called = workspace.call(command, "--format", "json")
        assert called.code in (5, 6)
        assert "hunter2" not in called.out + called.err


@pytest.mark.skipif(sys.platform == "win32", reason="written for a POSIX shell")
@pytest.mark.parametrize(
    ("redirection", "codes"),
    [
        (">&-", {0}),
        ("> /dev/full", {2}),
        ("2>&-", {0}),
        (">&- 2>&-", {0}),
        ("2>&1 | true", {0}),
        ("2> >(true)", {0}),
        ("<&-", {0}),
    ],
)
def test_streams_that_are_closed_or_full(workspace: Workspace, redirection: str, codes: set[int]) -> None:
    """A command does its work whatever becomes of what it says, and never shows a traceback."""
    workspace.write("a.txt", "A note.\n")
    line = f"{sys.executable} -m ragctl ingest {workspace.spec_path} -v --format json {redirection}"
    result = subprocess.run(
        ["bash", "-c", f"exec 3>&1; {line} 3>&-; echo code=${{PIPESTATUS[0]}} >&3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr
    assert int(result.stdout.rsplit("code=", 1)[1]) in codes
    shown = workspace.call("show", "--format", "json")
    assert [row["state"] for row in shown.json["documents"]] == ["stored"]


def test_arguments_that_are_no_text() -> None:
    called = call("show", "caf\udce9.yaml")
    assert called.code == 2
    assert "not UTF-8" in called.err


def test_no_command_shows_the_commands() -> None:
    called = call()
    assert called.code == 2
    assert "ingest" in called.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_stops_at_once(workspace: Workspace, number: signal.Signals, code: int) -> None:
    for one in range(600):
        workspace.write(f"{one}.md", f"# Page {one} of {number.name}\n\n" + f"Sentence {one}. " * 80)
    process = workspace.process("ingest", "--log-json")
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == "embedded":  # there are documents in hand
            break
    process.send_signal(number)
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "stopped at once" in err
