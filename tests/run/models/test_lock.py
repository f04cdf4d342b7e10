"""SPEC.lock in the commands: who writes it, who reads it, what is drift and what is the spec's own change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import LockDrift, UsageError
from ragctl.providers.local import model_files
from ragctl.readers.plain_text import PlainTextReader
from ragctl.readers.table import READERS
from ragctl.run.composition import Composition
from ragctl.run.ingesting.ingest import IngestOptions, ingest
from ragctl.run.models.locking import check_lock
from ragctl.spec.embedded_spec import load_embedded, lock_to_embed
from ragctl.spec.load import LoadedSpec, load_spec
from ragctl.spec.lock import lock_path
from workspace import Called, Workspace, call

ROOT = Path(__file__).resolve().parents[3]
QUESTION = "When is the office open?"


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.write("hours.txt", f"The office of {workspace.name} is open from nine to five.\n")
    workspace.write("desk.md", "# Desk\n\nAsk at the desk.\n")
    return workspace


def lock_of(workspace: Workspace) -> Path:
    return lock_path(workspace.spec_path)


def content(workspace: Workspace) -> Any:
    text = lock_of(workspace).read_text(encoding="utf-8")
    return json.loads(text[text.index("{") :])


def edit(workspace: Workspace, change: Callable[[Any], None]) -> bytes:
    """Changes the lock; returns its new bytes."""
    lock = content(workspace)
    change(lock)
    lock_of(workspace).write_text(f"# changed\n{json.dumps(lock, indent=2)}\n", encoding="utf-8")
    return lock_of(workspace).read_bytes()


def older_reader(lock: Any) -> None:
    lock["readers"]["text"] = 0


def drifted(called: Called) -> dict[str, tuple[Any, Any]]:
    """What has moved, by an error that is drift."""
    assert called.code == 5, called.err
    error = called.json["error"]
    assert error["kind"] == "lock_drift"
    assert "--relock" in error["hint"]
    assert all(one["what"] in error["message"] for one in error["moved"])
    return {one["what"]: (one["was"], one["is"]) for one in error["moved"]}


def test_the_first_ingest_writes_it_and_the_next_leaves_it(filled: Workspace) -> None:
    first = filled.call("ingest")
    assert f"wrote {lock_of(filled).name}" in first.err
    lock = content(filled)
    assert lock["pipeline"] == filled.name
    assert lock["embedder"]["model"] == "all-MiniLM-L6-v2"
    assert (lock["embedder"]["dimension"], lock["embedder"]["max_tokens"]) == (384, 256)
    for name in ("weights", "config", "tokenizer"):
        assert len(lock["embedder"][f"{name}_sha256"]) == 64
    report = filled.ingest()
    assert lock["recipe"]["digest"] == report["recipe"]
    before = lock_of(filled).stat()
    again = filled.call("ingest")
    assert "lock" not in again.err
    after = lock_of(filled).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_refused_ingest_writes_none(workspace: Workspace) -> None:
    assert workspace.call("ingest").code == 4  # nothing is listed
    assert not lock_of(workspace).exists()


def test_plan_check_and_ask_write_none(filled: Workspace) -> None:
    assert filled.call("plan").code == 0
    checked = filled.call("check", "--format", "json").json
    assert checked["lock"]["state"] == "missing"
    filled.ingest()
    lock_of(filled).unlink()
    assert filled.call("ask", QUESTION).code == 0
    assert not lock_of(filled).exists()


def another_text_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a later ragctl made other text of the same bytes."""
    monkeypatch.setattr(PlainTextReader, "output_version", 2)
    monkeypatch.setitem(READERS, "text", replace(READERS["text"], version=2))


def test_another_reader_version_is_drift_until_it_is_taken_over(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filled.ingest()["generation"] == 1
    before = lock_of(filled).read_bytes()
    another_text_reader(monkeypatch)
    for command in ("check", "plan", "ingest"):
        assert drifted(filled.call(command, "--format", "json")) == {"readers.text": (1, 2)}
    assert lock_of(filled).read_bytes() == before
    # Readers have no part in a question.
    asked = filled.call("ask", QUESTION, "--format", "json")
    assert asked.json["hits"][0]["document"] == "hours.txt"
    assert filled.call("plan", "--relock").code == 0
    assert lock_of(filled).read_bytes() == before

    relocked = filled.call("ingest", "--relock", "--format", "json")
    assert relocked.code == 0
    assert relocked.json["generation"] == 2
    assert f"wrote {lock_of(filled).name} anew" in relocked.err
    assert content(filled)["readers"]["text"] == 2
    assert filled.call("check", "--format", "json").json["lock"]["state"] == "current"


def test_drift_is_refused_before_anything_is_done(filled: Workspace) -> None:
    filled.ingest()
    runs = len(filled.call("runs", "--format", "json").json["runs"])
    filled.write("new.txt", "A new note.\n")
    text = edit(filled, older_reader)
    drifted(filled.call("ingest", "--format", "json"))
    assert len(filled.call("runs", "--format", "json").json["runs"]) == runs
    assert lock_of(filled).read_bytes() == text


def test_another_model_output_is_drift_for_a_question_too(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.ingest()
    model = model_files.known_model("all-MiniLM-L6-v2")
    monkeypatch.setattr(model_files, "_MODELS", (replace(model, output_version=2),))
    for command in (("ask", QUESTION), ("ingest",), ("check",)):
        moved = drifted(filled.call(*command, "--format", "json"))
        assert moved["embedder.output_version"] == (1, 2)
        assert "embedder.identity" in moved
    assert filled.ingest("--relock")["generation"] == 2
    assert filled.call("ask", QUESTION).code == 0


def test_a_checksum_that_has_moved_is_named_short_and_whole(filled: Workspace) -> None:
    filled.ingest()
    is_now = content(filled)["embedder"]["weights_sha256"]

    def other_weights(lock: Any) -> None:
        lock["embedder"]["weights_sha256"] = "ab" * 32

    edit(filled, other_weights)
    moved = drifted(filled.call("check", "--format", "json"))
    assert moved == {"embedder.weights_sha256": ("ab" * 32, is_now)}
    told = filled.call("check").err
    assert f"abababababab… → {is_now[:12]}…" in told
    assert is_now not in told


def test_a_default_of_another_release_is_drift(filled: Workspace) -> None:
    filled.ingest()

    def other_default(lock: Any) -> None:
        lock["settings"]["chunk"]["max_tokens"] = 128

    edit(filled, other_default)
    assert drifted(filled.call("check", "--format", "json")) == {"chunk.max_tokens": (128, 256)}


def test_the_spec_s_own_change_is_none(filled: Workspace) -> None:
    filled.ingest()
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    checked = filled.call("check", "--format", "json").json["lock"]
    assert checked["state"] == "outdated"
    assert {"what": "chunk.max_tokens", "was": 256, "is": 64} in checked["changed"]
    assert filled.call("plan").code == 0
    assert filled.call("ask", QUESTION).code == 0
    told = filled.call("ingest").err
    assert f"{lock_of(filled).name} follows the spec" in told
    assert "chunk.max_tokens 256 → 64" in told
    lock = content(filled)
    assert lock["settings"]["chunk"]["max_tokens"] == 64
    assert lock["given"]["chunk"] == ["max_tokens", "overlap"]
    filled.spec()
    assert filled.call("ingest").code == 0
    assert content(filled)["settings"]["chunk"]["max_tokens"] == 256


def test_settings_without_a_part_in_the_recipe_leave_it_alone(filled: Workspace) -> None:
    filled.ingest()
    before = lock_of(filled).read_bytes()
    filled.spec(max_failures=3, extract={"max_bytes": "1 MiB"}, ask={"rank": {"top_n": 3}})
    assert "lock" not in filled.call("ingest").err
    assert lock_of(filled).read_bytes() == before


def test_the_release_that_wrote_it_is_not_compared_and_named_as_a_way_back(filled: Workspace) -> None:
    filled.ingest()

    def other_release(lock: Any) -> None:
        lock["ragctl"] = "0.0.9"

    before = edit(filled, other_release)
    filled.ingest()
    assert lock_of(filled).read_bytes() == before
    edit(filled, older_reader)
    assert "ragctl 0.0.9" in filled.call("check", "--format", "json").json["error"]["hint"]


def test_overrides_write_nothing(filled: Workspace) -> None:
    first = filled.call("ingest", "--set", "max_failures=2")
    assert first.code == 0
    assert "was not written: --set" in first.err
    assert not lock_of(filled).exists()
    filled.ingest()
    before = lock_of(filled).read_bytes()
    other = filled.call("ingest", "--set", "chunk.max_tokens=64")
    assert other.code == 0
    assert "was not written: --set" in other.err
    assert lock_of(filled).read_bytes() == before
    assert "lock" not in filled.call("ingest", "--set", "max_failures=2").err


def test_overrides_and_relock_exclude_each_other(filled: Workspace) -> None:
    for command in ("ingest", "plan"):
        refused = filled.call(command, "--relock", "--set", "max_failures=2", "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (2, "usage")
    assert not lock_of(filled).exists()


def test_a_trial_under_another_name_uses_the_lock(filled: Workspace) -> None:
    filled.ingest()
    before = lock_of(filled).read_bytes()
    trial = ("--set", f"name={filled.name}-trial", "--set", f"store.index={filled.name}_trial")
    assert filled.call("ingest", *trial).code == 0
    assert lock_of(filled).read_bytes() == before
    edit(filled, older_reader)
    drifted(filled.call("ingest", *trial, "--format", "json"))


def test_a_copied_lock_is_refused(filled: Workspace) -> None:
    filled.ingest()

    def of_another(lock: Any) -> None:
        lock["pipeline"] = "other-docs"

    edit(filled, of_another)
    for command in (("ingest",), ("check",), ("ask", QUESTION)):
        refused = filled.call(*command, "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (5, "lock_broken")
        assert "'other-docs'" in refused.json["error"]["message"]
    filled.ingest("--relock")
    assert content(filled)["pipeline"] == filled.name


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n{}\n", '{"lock_version": 99}\n', "\x00"])
def test_a_broken_lock_is_refused_with_its_line_and_written_anew(filled: Workspace, text: str) -> None:
    lock_of(filled).write_text(text, encoding="utf-8")
    for command in (("check",), ("ingest",), ("plan",)):
        refused = filled.call(*command, "--format", "json")
        assert (refused.code, refused.json["error"]["kind"]) == (5, "lock_broken")
        assert refused.json["error"]["where"].startswith(f"{lock_of(filled)}:1")
    filled.ingest("--relock")
    assert filled.call("check").code == 0


def test_a_folder_that_cannot_be_written_is_a_note(filled: Workspace) -> None:
    # A directory under the temporary file's name: as root, no permission would be missing.
    in_the_way = filled.base / f".{lock_of(filled).name}.{os.getpid()}.part"
    in_the_way.mkdir()
    called = filled.call("ingest")
    assert called.code == 0
    assert "could not be written" in called.err
    assert not lock_of(filled).exists()
    refused = filled.call("ingest", "--relock", "--format", "json")
    assert refused.code == 2
    assert refused.json["error"]["where"] == str(lock_of(filled))
    in_the_way.rmdir()
    assert f"wrote {lock_of(filled).name}" in filled.call("ingest").err


def test_catching_up_for_a_rollback_leaves_it_alone(filled: Workspace) -> None:
    filled.ingest()
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    assert filled.ingest()["generation"] == 2
    before = lock_of(filled).read_bytes()
    filled.write("new.txt", "A new note.\n")
    back = filled.call("index", "rollback", "--catch-up")
    assert back.code == 0, back.err
    assert lock_of(filled).read_bytes() == before


def in_a_dag(workspace: Workspace) -> LoadedSpec:
    """The spec with its lock as an exported DAG carries them; its file is made useless, its lock removed."""
    loaded = load_spec(workspace.spec_path)
    lock = lock_to_embed(loaded)
    workspace.spec_path.write_text("not looked at", encoding="utf-8")
    lock_of(workspace).unlink(missing_ok=True)
    content = json.loads(json.dumps(loaded.spec.model_dump(mode="json")))
    return load_embedded(content, path=loaded.path, sha256=loaded.digest, lock=lock)


def test_an_embedded_spec_is_compared_with_its_embedded_lock(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.ingest()
    loaded = in_a_dag(filled)
    lock_of(filled).write_text("not looked at", encoding="utf-8")
    with Composition(loaded) as composition:
        assert check_lock(composition).state == "current"
    report = ingest(loaded)
    assert (report.generation, report.counts.unchanged) == (1, 2)
    assert lock_of(filled).read_text(encoding="utf-8") == "not looked at"

    another_text_reader(monkeypatch)
    with pytest.raises(LockDrift) as caught:
        ingest(loaded)
    assert caught.value.moved == (("readers.text", 1, 2),)
    assert caught.value.where == f"the lock in the DAG, exported from {lock_of(filled)}"
    assert "export the DAG again" in (caught.value.hint or "")
    with Composition(loaded) as composition:
        assert check_lock(composition, embedder_only=True).state == "current"


def test_an_embedded_spec_that_was_changed_after_its_lock_is_in_order(filled: Workspace) -> None:
    filled.ingest()
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    with Composition(in_a_dag(filled)) as composition:
        state = check_lock(composition)
    assert state.state == "outdated"
    assert "chunk.max_tokens 256 → 64" in map(str, state.chosen)


def test_an_embedded_spec_without_a_lock_writes_none(filled: Workspace) -> None:
    loaded = in_a_dag(filled)
    with Composition(loaded) as composition:
        assert check_lock(composition).state == "missing"
    assert ingest(loaded).generation == 1
    assert not lock_of(filled).exists()
    with pytest.raises(UsageError, match="cannot be written anew"):
        ingest(loaded, IngestOptions(relock=True))


def test_the_example_s_lock_is_current() -> None:
    spec = ROOT / "examples" / "quickstart" / "quickstart.yaml"
    checked = call("check", str(spec), "--format", "json")
    assert checked.code == 0, f"{checked.err}\nmake generated writes it anew"
    assert checked.json["lock"]["state"] == "current"
