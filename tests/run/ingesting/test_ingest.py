"""Ingest on a real server with the real model: what is done, what is left alone, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragctl.sources.directory import DirectorySource
from workspace import Workspace

PAGES = {
    "guide/install.md": (
        "# Installing\n\nDownload the archive and unpack it.\n\n## Linux\n\nRun the installer as root.\n"
    ),
    "guide/upgrade.md": "# Upgrading\n\nMake a backup before you upgrade the server.\n",
    "notes.txt": "The coffee machine on the third floor takes tokens.\n",
    "reference.rst": "Reference\n=========\n\nEvery setting has a default.\n",
    "page.html": (
        "<html><title>Opening hours</title><body><p>We open at nine and close at five.</p></body></html>"
    ),
}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    for path, text in PAGES.items():
        workspace.write(path, text)
    return workspace


def counts(report: Any, *names: str) -> tuple[int, ...]:
    return tuple(report["counts"][name] for name in names)


def paths(workspace: Workspace) -> dict[str, str]:
    shown = workspace.call("show", "--format", "json")
    assert shown.code == 0, shown.err
    return {row["document"]: row["state"] for row in shown.json["documents"]}


def test_first_ingest_stores_everything(filled: Workspace) -> None:
    report = filled.ingest()
    assert counts(report, "listed", "added", "changed", "unchanged", "deleted", "failed") == (
        5,
        5,
        0,
        0,
        0,
        0,
    )
    assert report["counts"]["chunks"] == report["counts"]["embedded"] + report["counts"]["cached"] >= 5
    assert report["counts"]["truncated"] == 0
    assert report["usage"]["tokens"] > 0
    assert report["usage"]["cost_usd"] == 0
    assert paths(filled) == dict.fromkeys(PAGES, "stored")


def test_json_keeps_its_shape(filled: Workspace) -> None:
    filled.write("broken.txt", "\x00\x01\x02\x03" * 200)
    called = filled.call("ingest", "--format", "json")
    report = called.json
    assert list(report)[:11] == [
        "schema_version",
        "run_id",
        "pipeline",
        "index",
        "generation",
        "recipe",
        "started_at",
        "seconds",
        "counts",
        "usage",
        "failures",
    ]
    assert list(report["counts"]) == [
        "listed",
        "added",
        "changed",
        "unchanged",
        "deleted",
        "skipped",
        "failed",
        "chunks",
        "embedded",
        "cached",
        "truncated",
    ]
    assert report["pipeline"] == filled.name
    assert called.out.count("\n") == 1


def test_what_has_not_changed_is_not_read_embedded_or_written(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch, connection: psycopg.Connection[Any]
) -> None:
    filled.settle()
    filled.ingest()
    before = _table(connection, filled)

    def no_reading(*_: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(DirectorySource, "open", no_reading)
    report = filled.ingest()
    assert counts(report, "listed", "unchanged", "added", "changed", "chunks", "embedded") == (
        5,
        5,
        0,
        0,
        0,
        0,
    )
    assert _table(connection, filled) == before


def _table(connection: psycopg.Connection[Any], workspace: Workspace) -> list[tuple[Any, ...]]:
    """Every chunk with the transaction that wrote it."""
    return connection.execute(
        f"SELECT xmin::text, document, ordinal, text FROM ragctl.{workspace.name}_g1_chunks ORDER BY 2, 3"
    ).fetchall()


def test_a_file_that_was_only_touched_is_read_and_not_embedded(filled: Workspace) -> None:
    filled.ingest()
    os.utime(filled.documents / "notes.txt", ns=(1_750_000_000_000_000_000, 1_750_000_000_000_000_000))
    report = filled.ingest()
    assert counts(report, "unchanged", "changed", "chunks") == (5, 0, 0)


def test_a_changed_document_is_replaced_whole(filled: Workspace) -> None:
    filled.ingest()
    filled.write("guide/install.md", "# Installing\n\nIt comes ready to run.\n")
    report = filled.ingest()
    assert counts(report, "changed", "unchanged", "added") == (1, 4, 0)
    shown = filled.call("show", "guide/install.md", "--format", "json").json
    assert [chunk["text"] for chunk in shown["chunks"]] == ["# Installing\n\nIt comes ready to run."]


def test_a_removed_document_goes(filled: Workspace) -> None:
    filled.ingest()
    (filled.documents / "notes.txt").unlink()
    report = filled.ingest()
    assert counts(report, "deleted", "unchanged") == (1, 4)
    assert "notes.txt" not in paths(filled)
    hits = filled.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    assert hits
    assert "notes.txt" not in {hit["document"] for hit in hits}


def test_a_rename_embeds_nothing(filled: Workspace) -> None:
    filled.ingest()
    (filled.documents / "guide").rename(filled.documents / "handbook")
    (filled.documents / "notes.txt").rename(filled.documents / "office.txt")
    report = filled.ingest()
    assert counts(report, "added", "deleted", "embedded") == (3, 3, 0)
    assert report["counts"]["cached"] == report["counts"]["chunks"] > 0
    assert report["usage"]["tokens"] == 0


def test_an_empty_source_deletes_nothing(filled: Workspace) -> None:
    filled.ingest()
    for file in filled.documents.rglob("*.*"):
        file.unlink()
    refused = filled.call("ingest", "--format", "json")
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "listing_failed"
    assert len(paths(filled)) == 5
    report = filled.ingest("--allow-delete", "5")
    assert counts(report, "deleted") == (5,)
    assert paths(filled) == {}


def test_a_missing_source_deletes_nothing(filled: Workspace) -> None:
    filled.ingest()
    filled.documents.rename(filled.base / f"{filled.name}-unmounted")
    refused = filled.call("ingest", "--allow-delete", "100")
    assert refused.code == 4
    assert "Traceback" not in refused.err
    (filled.base / f"{filled.name}-unmounted").rename(filled.documents)
    assert len(paths(filled)) == 5


def test_too_many_deletions_are_refused(workspace: Workspace) -> None:
    for number in range(24):
        workspace.write(f"{number}.txt", f"Note number {number} is about nothing else.\n")
    workspace.ingest()
    for number in range(11):
        (workspace.documents / f"{number}.txt").unlink()
    refused = workspace.call("ingest", "--format", "json")
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "deletion_refused"
    assert "--allow-delete 11" in refused.json["error"]["hint"]
    assert len(paths(workspace)) == 24
    assert counts(workspace.ingest("--allow-delete", "11"), "deleted") == (11,)


def test_a_bad_document_fails_alone_and_its_old_version_stays(filled: Workspace) -> None:
    filled.ingest()
    filled.write("notes.txt", "   \n")
    filled.write("page.html", "<script>nothing()</script>")
    filled.write("new.md", "# News\n\nSomething new.\n")
    filled.settle()
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    report = called.json
    assert counts(report, "added", "failed") == (1, 2)
    failure = next(one for one in report["failures"] if one["document"] == "notes.txt")
    assert (failure["source"], failure["stage"], failure["error"]) == ("docs", "extract", "empty")
    assert failure["known"] is False
    assert paths(filled)["notes.txt"] == "old version"
    hits = filled.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    assert hits[0]["document"] == "notes.txt"

    again = filled.call("ingest", "--format", "json")
    assert [one["known"] for one in again.json["failures"]] == [True, True]

    filled.write("notes.txt", PAGES["notes.txt"])
    filled.write("page.html", PAGES["page.html"])
    report = filled.ingest()
    assert counts(report, "unchanged", "changed", "failed", "embedded") == (6, 0, 0, 0)
    assert set(paths(filled).values()) == {"stored"}


def test_max_failures_allows_some(filled: Workspace) -> None:
    filled.write("blank.html", "<script>nothing()</script>")
    filled.spec(max_failures=1)
    assert filled.call("ingest").code == 0


def test_a_file_without_a_reader_is_skipped_with_the_reason(filled: Workspace) -> None:
    (filled.documents / "photo.gif").write_bytes(b"GIF89a" + bytes(range(256)))
    called = filled.call("ingest")
    assert called.code == 0
    assert "1 skipped" in called.out
    assert "photo.gif" in called.out
    assert counts(filled.ingest(), "skipped") == (1,)


def test_another_recipe_builds_a_generation_beside(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    assert filled.ingest()["generation"] == 1
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    note = filled.call("ask", "When do you open?")
    assert note.code == 0
    assert "ragctl ingest" in note.err
    report = filled.ingest()
    assert report["generation"] == 2
    assert counts(report, "added") == (5,)
    filled.spec(chunk={"max_tokens": 48, "overlap": 0})
    assert filled.ingest()["generation"] == 3
    tables = connection.execute(
        "SELECT tablename FROM pg_tables WHERE tablename LIKE %s", (f"{filled.name}\\_g%chunks",)
    ).fetchall()
    assert sorted(name for (name,) in tables) == [f"{filled.name}_g2_chunks", f"{filled.name}_g3_chunks"]


def test_a_new_generation_that_lacks_documents_is_not_published(filled: Workspace) -> None:
    filled.ingest()
    filled.write("notes.txt", "")
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    assert called.json["published"] is False
    hits = filled.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    assert hits[0]["document"] == "notes.txt"
    called = filled.call("ingest", "--allow-partial", "--format", "json")
    assert called.json["published"] is True
    assert "notes.txt" not in {
        hit["document"]
        for hit in filled.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    }


def test_another_pipeline_s_index_is_refused(filled: Workspace, workspace: Workspace) -> None:
    filled.ingest()
    filled.spec(store={"type": "pgvector", "index": filled.name})
    text = filled.spec_path.read_text(encoding="utf-8")
    filled.spec_path.write_text(
        text.replace(f'"name": "{filled.name}"', '"name": "intruder"', 1), encoding="utf-8"
    )
    filled.spec_path.with_name(f"{filled.name}.yaml.lock").unlink()
    refused = filled.call("ingest", "--format", "json")
    assert refused.code == 5
    assert refused.json["error"]["kind"] == "mismatch"
    assert filled.name in refused.json["error"]["message"]


@pytest.mark.parametrize(("mode", "code"), [("skip", 0), ("error", 4)])
def test_existing_documents_are_left_alone(filled: Workspace, mode: str, code: int) -> None:
    filled.ingest()
    filled.write("notes.txt", "Something else entirely.\n")
    (filled.documents / "page.html").unlink()
    filled.write("new.txt", "A new note.\n")
    filled.spec(store={"type": "pgvector", "existing": mode})
    assert filled.call("ingest").code == code
    expected = {*PAGES, "new.txt"} if mode == "skip" else set(PAGES)
    assert set(paths(filled)) == expected
    shown = filled.call("show", "notes.txt", "--format", "json").json
    assert shown["chunks"][0]["text"] == PAGES["notes.txt"].strip()


def test_chunks_are_spans_of_the_text(filled: Workspace) -> None:
    body = "\n\n".join(f"## Part {n}\n\n" + f"Sentence {n} says a little. " * 60 for n in range(6))
    filled.write("long.md", "# Long\n\n" + body)
    filled.ingest()
    text = (filled.documents / "long.md").read_text(encoding="utf-8")
    chunks = filled.call("show", "long.md", "--format", "json").json["chunks"]
    assert len(chunks) > 6
    for chunk in chunks:
        assert chunk["text"] == text[chunk["start"] : chunk["end"]]
        assert chunk["line"] == text.count("\n", 0, chunk["start"]) + 1
        assert chunk["tokens"] <= 256


def test_a_file_that_is_too_large_fails_alone(filled: Workspace) -> None:
    filled.spec(extract={"max_bytes": 1000})
    filled.write("large.md", "word " * 1000)
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    assert [one["document"] for one in called.json["failures"]] == ["large.md"]


def test_a_second_run_at_the_same_time_is_refused(
    filled: Workspace, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.ingest()
    monkeypatch.setattr("ragctl.run.ingesting.ingest.LEASE_PATIENCE_S", 0.2)
    connection.execute(
        "INSERT INTO ragctl.runs (id, index_name, pipeline, command, host, status) "
        "VALUES (%s, %s, 'p', 'ingest', 'elsewhere', 'running')",
        (f"run-of-{filled.name}", filled.name),
    )
    connection.execute("SELECT pg_advisory_lock(29281, hashtext(%s))", (filled.name,))
    refused = filled.call("ingest", "--format", "json")
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert refused.code == 4
    assert f"run-of-{filled.name} on elsewhere" in refused.json["error"]["message"]
    filled.ingest()


def test_a_database_over_tcp(filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragctl.embedded.server import EmbeddedServer

    monkeypatch.setenv("RAGCTL_EMBEDDED_TCP", "1")
    server = EmbeddedServer(tmp_path / ".ragctl")
    try:
        with server.connect() as opened:
            assert opened.info.host == "127.0.0.1"
            password = opened.info.password
            dsn = (
                f"host=127.0.0.1 port={opened.info.port} user={opened.info.user} "
                f"password={password} dbname={opened.info.dbname}"
            )
        monkeypatch.setenv("TEST_RAG_DSN", dsn)
        filled.spec(store={"type": "pgvector", "dsn_env": "TEST_RAG_DSN"})
        called = filled.call("ingest", "--format", "json")
        assert called.code == 0, called.err
        assert called.json["counts"]["added"] == 5
        answer = filled.call("ask", "When do you open?", "--format", "json").json
        assert answer["hits"][0]["document"] == "page.html"
        monkeypatch.setenv("TEST_RAG_DSN", dsn.replace(f"port={server.status().port}", "port=1"))
        lost = filled.call("ask", "When do you open?", "--format", "json")
        assert lost.code == 6
        assert password not in lost.out + lost.err
    finally:
        server.stop()
    monkeypatch.delenv("TEST_RAG_DSN")
    assert filled.call("ask", "When do you open?").code == 2


def test_an_empty_file_is_skipped_unless_it_had_a_text(filled: Workspace) -> None:
    filled.write("placeholder.md", "\n")
    assert counts(filled.ingest(), "added", "skipped", "failed") == (5, 1, 0)
    filled.write("placeholder.md", "Now there is a text.\n")
    assert counts(filled.ingest(), "added", "skipped") == (1, 0)


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_a_file_that_was_only_touched_counts_as_unchanged_in_every_mode(filled: Workspace, mode: str) -> None:
    filled.spec(store={"type": "pgvector", "existing": mode})
    filled.ingest()
    os.utime(filled.documents / "notes.txt", ns=(1_750_000_000_000_000_000, 1_750_000_000_000_000_000))
    assert counts(filled.ingest(), "unchanged", "skipped", "changed") == (5, 0, 0)


def test_a_changed_document_that_was_left_is_replaced_when_the_mode_changes(filled: Workspace) -> None:
    filled.spec(store={"type": "pgvector", "existing": "skip"})
    filled.ingest()
    filled.write("notes.txt", "Something else entirely.\n")
    filled.settle()
    for _ in range(2):
        assert counts(filled.ingest(), "skipped", "unchanged", "changed") == (1, 4, 0)
    filled.spec()
    assert counts(filled.ingest(), "skipped", "unchanged", "changed") == (0, 4, 1)


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_a_new_recipe_loses_nothing_that_is_to_stay(filled: Workspace, mode: str) -> None:
    filled.ingest()
    (filled.documents / "notes.txt").unlink()
    filled.spec(store={"type": "pgvector", "existing": mode}, chunk={"max_tokens": 64})
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    assert called.json["published"] is False
    assert "lacks 1 document" in called.err
    assert "notes.txt" in paths(filled)


@pytest.mark.skipif(os.name == "nt", reason="making a link needs a privilege on Windows")
def test_a_document_that_cannot_be_listed_keeps_a_new_generation_back(filled: Workspace) -> None:
    filled.ingest()
    (filled.documents / "notes.txt").unlink()
    (filled.documents / "notes.txt").symlink_to("nowhere")
    filled.spec(chunk={"max_tokens": 64})
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    assert called.json["published"] is False
    hits = filled.call("ask", "Where is the coffee machine?", "--format", "json").json["hits"]
    assert hits[0]["document"] == "notes.txt"


@pytest.mark.skipif(os.name == "nt", reason="making a link needs a privilege on Windows")
def test_show_knows_what_could_not_be_listed(filled: Workspace) -> None:
    (filled.documents / "lost.txt").symlink_to("nowhere")
    assert filled.call("ingest").code == 3
    assert paths(filled)["lost.txt"] == "failed"
    assert "list" in filled.call("show", "lost.txt").out


def test_a_raised_limit_lets_a_large_file_in(filled: Workspace) -> None:
    filled.write("large.md", "word " * 1000)
    filled.settle()
    filled.spec(extract={"max_bytes": 1000})
    assert filled.call("ingest").code == 3
    filled.spec(extract={"max_bytes": 100_000})
    assert counts(filled.ingest(), "added", "failed") == (1, 0)


def test_a_path_that_is_too_long_fails_alone(filled: Workspace) -> None:
    deep = filled.documents
    for _ in range(12):
        deep = deep / ("\N{CJK UNIFIED IDEOGRAPH-6587}" * 70)
        deep.mkdir()
    (deep / "a.txt").write_text("Deep down.\n", encoding="utf-8")
    called = filled.call("ingest", "--format", "json")
    assert called.code == 3
    assert [one["stage"] for one in called.json["failures"]] == ["list"]
    assert counts(called.json, "added") == (5,)


def test_an_emptied_index_is_no_success(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    filled.ingest()
    connection.execute(f"DELETE FROM ragctl.{filled.name}_g1_chunks")
    emptied = filled.call("ingest", "--format", "json")
    assert emptied.code == 5
    assert "doctor" in emptied.json["error"]["hint"]
    connection.execute(f"DROP TABLE ragctl.{filled.name}_g1_chunks")
    for command in (("ingest",), ("ask", "Anything?"), ("show", "notes.txt")):
        called = filled.call(*command)
        assert called.code == 5, called.err


def test_a_missing_library_is_no_document_s_fault(filled: Workspace, tmp_path: Path) -> None:
    stub = tmp_path / "markdown_it.py"
    stub.write_text("raise ModuleNotFoundError('No module', name='markdown_it')\n", encoding="utf-8")
    process = filled.process("ingest", "--format", "json", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 6
    assert json.loads(out)["error"]["kind"] == "missing_package"
    assert counts(filled.ingest(), "failed") == (0,)


def test_a_wrong_connection_string_is_not_quoted(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.spec(store={"type": "pgvector", "dsn_env": "WRONG_DSN"})
    for wrong in ("postgres//me:hunter2@host/db", "postgresql://me:hunter2%zz@host/db"):
        monkeypatch.setenv("WRONG_DSN", wrong)
        called = filled.call("ingest", "--format", "json")
        assert called.code == 2
        assert "hunter2" not in called.out + called.err


def test_two_first_ingests_at_once(tmp_path: Path) -> None:
    from ragctl.embedded.server import EmbeddedServer

    spaces = [Workspace(tmp_path, "one"), Workspace(tmp_path, "two")]
    try:
        for space in spaces:
            space.write("a.txt", "A note.\n")
        processes = [space.process("ingest", "--format", "json") for space in spaces]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    finally:
        EmbeddedServer(tmp_path / ".ragctl").stop()


def test_a_query_in_parallel_workers(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    filled.ingest()
    for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"):
        connection.execute(f"SET {setting}")
    connection.execute("SET debug_parallel_query = on")
    found = connection.execute(f"SELECT count(*) FROM ragctl.{filled.name}_g1_chunks").fetchone()
    assert found is not None
    assert found[0] >= 5


def test_an_index_that_is_lacking_is_built_although_nothing_has_changed(
    filled: Workspace, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where a build was killed, or a later release would build one."""
    filled.ingest()
    name = f"ragctl.{filled.name}_g1_hnsw"
    assert connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,)
    monkeypatch.setattr("ragctl.stores.pgvector_hnsw.INDEX_FROM", 1)
    again = filled.call("ingest", "--format", "json")
    assert (again.code, counts(again.json, "added", "changed", "unchanged")) == (0, (0, 0, 5))
    assert "building the vector index" in again.err
    assert connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)
    assert filled.call("ask", "Anything?", "--format", "json").json["hits"]
