"""An ingest into Weaviate that is killed at any step: readers see whole documents, the next run completes it.

Over a FAKE server, which kills the process that asks it: so the moment is exact.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fake_weaviate import FakeWeaviate
from fake_weaviate.storage import Refused

from ragctl.stores.weaviate_schema import collection_name

SECONDS = 60.0
pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")


def killed_at(pipeline: Any, call: str, *, number: int = 1, before: bool = True) -> None:
    """Runs an ingest that is killed when the `number`th such call reaches the server.

    Args:
        before: and is not done there; else after it was done, and before the answer.
    """
    seen = 0
    process: subprocess.Popen[str] | None = None

    def strike(name: str, sent: Any) -> None:
        nonlocal seen
        seen += name == call
        if name == call and seen == number:
            assert process is not None
            process.send_signal(signal.SIGKILL)
            process.wait(SECONDS)
            if before:
                raise Refused("whoever asked is gone")

    pipeline.fake.before = strike if before else (lambda name, sent: None)
    pipeline.fake.after = (lambda name, sent: None) if before else strike
    process = pipeline.workspace.process("ingest", "--allow-delete", "9")
    out, err = process.communicate(timeout=SECONDS)
    pipeline.fake.before = pipeline.fake.after = lambda name, sent: None
    assert process.returncode == -signal.SIGKILL, (out, err)


def shown(pipeline: Any) -> dict[str, list[str]]:
    """Document → the texts of its passages, as a search for all of them finds them."""
    found: dict[str, list[str]] = {}
    for hit in pipeline.ask("lamp zebra bread", "--top", "50"):
        found.setdefault(hit["document"], []).append(hit["text"].strip())
    return {path: sorted(texts) for path, texts in found.items()}


def long_text(word: str, parts: int) -> str:
    return "\n\n".join(
        f"# Part {part}\n\nThe {word} lamp of part {part}, with a zebra." for part in range(parts)
    )


OLD = {"a.md": long_text("old", 6), "b.md": "The old bread is here.\n", "c.md": "A zebra that will go.\n"}
NEW = {"a.md": long_text("new", 3), "b.md": "The new bread is here, with salt.\n"}


@pytest.fixture
def replaced(pipeline: Any) -> Any:
    """An index of the old texts, and the new ones in the folder: nothing of them is stored yet."""
    pipeline.spec(chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0}, store={"batch_size": 2})
    for path, text in OLD.items():
        pipeline.workspace.write(path, text)
    pipeline.ingest()
    pipeline.old = shown(pipeline)
    assert set(pipeline.old) == set(OLD) and len(pipeline.old["a.md"]) > 3
    for path, text in NEW.items():
        pipeline.workspace.write(path, text)
    (pipeline.workspace.documents / "c.md").unlink()
    return pipeline


def completed(pipeline: Any) -> dict[str, Any]:
    """Runs the ingest again and sees that it came to what an undisturbed one comes to."""
    counts: dict[str, Any] = pipeline.ingest("--allow-delete", "9")["counts"]
    now = shown(pipeline)
    assert set(now) == set(NEW)
    assert not any("old" in text for texts in now.values() for text in texts)
    current = sorted(text for texts in now.values() for text in texts)
    assert pipeline.texts() == current, "leftovers of a version that is not current"
    assert pipeline.findings() == []
    return counts


def is_old_or_new(pipeline: Any) -> dict[str, str]:
    """Which version of each document is shown; fails for half of one, and for both."""
    found = shown(pipeline)
    versions = {}
    for path, texts in found.items():
        if texts == pipeline.old[path]:
            versions[path] = "old"
        else:
            assert not any("old" in text for text in texts), (path, texts)
            versions[path] = "new"
    return versions


@pytest.mark.parametrize(("number", "before"), [(1, False), (2, True), (2, False)])
def test_while_staging(replaced: Any, number: int, before: bool) -> None:
    killed_at(replaced, "BatchObjects", number=number, before=before)
    assert is_old_or_new(replaced) == dict.fromkeys(OLD, "old")
    assert completed(replaced)["embedded"] == 0, "what the model had read was kept"


def test_between_staging_and_the_commit(replaced: Any, connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("LOCK TABLE ragctl.document_versions IN EXCLUSIVE MODE")
        process = replaced.workspace.process("ingest", "--allow-delete", "9")
        _wait(lambda: _waits_to_flip(connection))
        process.kill()
        process.communicate(timeout=SECONDS)
        assert any("new" in text for text in replaced.texts()), "it had been staged"
    _wait(lambda: not _waits_to_flip(connection))
    assert is_old_or_new(replaced) == dict.fromkeys(OLD, "old")
    assert completed(replaced)["embedded"] == 0


def test_between_the_commit_and_the_end_of_tidying(replaced: Any) -> None:
    killed_at(replaced, "BatchDelete")
    versions = is_old_or_new(replaced)
    assert versions == {"a.md": "new", "b.md": "new", "c.md": "old"}
    completed(replaced)


def test_while_deleting_what_is_gone(replaced: Any, fake: FakeWeaviate) -> None:
    """What was replaced takes two calls: one that deletes, one that finds nothing left."""
    killed_at(replaced, "BatchDelete", number=3)
    assert "c.md" in replaced.paths()
    assert is_old_or_new(replaced) == dict.fromkeys(NEW, "new")
    completed(replaced)


def test_between_the_pointer_and_the_alias(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.write_stories()
    killed_at(pipeline, "POST aliases")
    assert pipeline.documents() == {"zebra.md", "lamp.md", "bread.txt"}
    name = collection_name(pipeline.workspace.name)
    assert {one["check"] for one in pipeline.findings()} == {"alias", "runs"}
    pipeline.ingest()
    assert fake.storage.aliases == {name: f"{name}_g1"}
    assert pipeline.findings() == []


def test_while_an_old_generation_is_dropped(pipeline: Any, fake: FakeWeaviate) -> None:
    pipeline.spec(store={"keep_generations": 0})
    pipeline.write_stories()
    pipeline.ingest()
    pipeline.spec(store={"keep_generations": 0}, chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0})
    killed_at(pipeline, "DELETE schema/…")
    name = collection_name(pipeline.workspace.name)
    assert set(fake.storage.collections) == {f"{name}_g1", f"{name}_g2"}
    assert "leftover collection" in {one["check"] for one in pipeline.findings()}
    pipeline.ingest()
    assert set(fake.storage.collections) == {f"{name}_g2"}
    assert pipeline.findings() == []


def test_readers_see_whole_documents_while_they_are_replaced(pipeline: Any) -> None:
    from ragctl.run.answering.ask import Asker
    from ragctl.run.composition import Composition
    from ragctl.spec.load import load_spec

    pipeline.spec(
        chunk={"max_tokens": 32, "overlap": 0, "min_tokens": 0},
        store={"batch_size": 1},
        ask={"query": {"mode": "lexical"}, "dedupe": {"near_duplicate": None}, "rank": {"top_n": 50}},
    )
    for path in ("a.md", "b.md"):
        pipeline.workspace.write(path, long_text(f"first {path[0]}", 5))
    pipeline.ingest()
    wanted = {"first": 5, "second": 3, "third": 7}
    seen: set[str] = set()
    with Composition(load_spec(pipeline.workspace.spec_path)) as composition:
        asker = Asker(composition)
        for word in ("second", "third"):
            for path in ("a.md", "b.md"):
                pipeline.workspace.write(path, long_text(f"{word} {path[0]}", wanted[word]))
            process = pipeline.workspace.process("ingest")
            while process.poll() is None:
                seen |= _whole(asker.ask("lamp").hits, wanted)
            assert process.returncode == 0, process.communicate()
            seen |= _whole(asker.ask("lamp").hits, wanted)
        asker.close()
    assert seen == {"first", "second", "third"}


def _whole(hits: Any, wanted: dict[str, int]) -> set[str]:
    """The versions that are shown; each document is there in one, with all of its parts."""
    found = set()
    for path in ("a.md", "b.md"):
        texts = [hit.text for hit in hits if hit.document == path]
        [word] = {word for word in wanted for text in texts if f"The {word} {path[0]} lamp" in text}
        assert len(texts) == wanted[word], texts
        found.add(word)
    return found


def _waits_to_flip(connection: psycopg.Connection[Any]) -> bool:
    connection.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND query LIKE '%document_versions AS v%'"
    ).fetchone()
    return bool(row and row[0])


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)
