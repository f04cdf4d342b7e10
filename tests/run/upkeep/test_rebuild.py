"""A lost state: nothing goes on as if there were no index, and it comes back from beside the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.sources.directory import DirectorySource
from ragctl.state.lost_tables import state_tables
from workspace import Workspace

PAGES = {
    "guide/install.md": "# Installing\n\nDownload the archive and unpack it.\n",
    "guide/upgrade.md": "# Upgrading\n\nMake a backup before you upgrade the server.\n",
    "notes.txt": "The coffee machine on the third floor takes tokens.\n",
}
QUESTION = "Where is the coffee machine?"
LEDGER = (
    "SELECT g.number, d.source, d.path, d.item, d.digest, d.reader, d.chunks, i.fingerprint, i.digest, "
    "i.stored "
    "FROM ragctl.documents d JOIN ragctl.generations g ON g.id = d.generation "
    "JOIN ragctl.items i ON i.generation = g.id AND i.source = d.source AND i.path = d.item ORDER BY 1, 2, 3"
)
GENERATIONS = (
    "SELECT i.name, i.pipeline, a.number, g.number, g.recipe, g.recipe_parts, g.embedder, g.dimension, "
    "g.status, g.settings, g.created_at, g.published_at FROM ragctl.indexes i "
    "JOIN ragctl.generations g ON g.index_name = i.name JOIN ragctl.generations a ON a.id = i.active "
    "WHERE g.status <> 'dropped' ORDER BY g.number"
)

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def without_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """doctor asks the model a question each time; tests/cli/test_commands.py lets it."""
    monkeypatch.setattr("ragctl.run.doctor.environment._embed", lambda composition: "not asked")


@pytest.fixture
def own(workspace: Workspace, connection: Connection) -> Iterator[Connection]:
    """A database of the test's own; the workspace's spec names it."""
    name = f"lost_{workspace.name}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    with pytest.MonkeyPatch.context() as patch, psycopg.connect(dsn, autocommit=True) as opened:
        patch.setenv("LOST_DSN", dsn)
        yield opened
    connection.execute(f"DROP DATABASE {name}")


def use(workspace: Workspace, **sections: object) -> None:
    store = {"type": "pgvector", "dsn_env": "LOST_DSN", **sections.pop("store", {})}  # type: ignore[dict-item]
    workspace.spec(**{"store": store, **sections})


@pytest.fixture
def filled(workspace: Workspace, own: Connection) -> Workspace:
    """Three documents, ingested, whose times can be trusted."""
    use(workspace)
    for path, text in PAGES.items():
        workspace.write(path, text)
    workspace.settle()
    workspace.ingest()
    return workspace


def drop_state(own: Connection) -> None:
    tables = ", ".join(f"ragctl.{name}" for name in [*state_tables(), "schema_version"])
    own.execute(f"DROP TABLE {tables} CASCADE")


def empty_state(own: Connection) -> None:
    own.execute("TRUNCATE " + ", ".join(f"ragctl.{name}" for name in state_tables()))


def rebuild(workspace: Workspace) -> list[str]:
    called = workspace.call("doctor", "--rebuild-state", "--format", "json")
    assert called.code == 0, called.out + called.err
    done: list[str] = called.json["done"]
    return done


def assert_nothing_is_done_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next ingest opens no file and asks no model, and questions are answered."""

    def refuse(*_: object) -> None:
        raise AssertionError("a file was opened, or the model was asked")

    with monkeypatch.context() as patch:
        patch.setattr(DirectorySource, "open", refuse)
        patch.setattr(LocalEmbedder, "embed", refuse)
        report = workspace.ingest()
    counts = report["counts"]
    assert (counts["listed"], counts["unchanged"], counts["added"], counts["embedded"]) == (3, 3, 0, 0)
    answer = workspace.call("ask", QUESTION, "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["hits"][0]["document"] == "notes.txt"


@pytest.mark.parametrize("lose", [drop_state, empty_state])
def test_every_command_refuses_a_lost_state(filled: Workspace, own: Connection, lose: Any) -> None:
    chunks = f"SELECT xmin::text, * FROM ragctl.{filled.name}_g1_chunks ORDER BY document, ordinal"
    before = own.execute(chunks).fetchall()
    lose(own)
    for command in (("ingest",), ("ask", QUESTION), ("plan",), ("show",), ("doctor", "--repair")):
        called = filled.call(*command, "--format", "json")
        assert called.code == 5, command
        error = called.json["error"]
        assert error["kind"] == "state_lost"
        assert f"ragctl doctor {filled.spec_path} --rebuild-state" in error["hint"]
    called = filled.call("doctor", "--format", "json")
    assert called.code == 5
    [finding] = [one for one in called.json["findings"] if not one["ok"]]
    assert finding["check"] == "state"
    assert "--rebuild-state" in finding["fix"]
    assert own.execute(chunks).fetchall() == before


@pytest.mark.parametrize("lose", [drop_state, empty_state])
def test_a_rebuilt_state_is_the_one_that_was_lost(
    filled: Workspace, own: Connection, lose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()
    lose(own)
    done = rebuild(filled)
    assert any("documents put back into the ledger: 3" in sentence for sentence in done)
    assert (own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()) == before
    assert_nothing_is_done_again(filled, monkeypatch)


def test_without_fingerprints_files_are_read_once_and_nothing_is_embedded(
    filled: Workspace, own: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.execute(f"UPDATE ragctl.{filled.name}_g1_documents SET fingerprint = ''")
    drop_state(own)
    rebuild(filled)
    counts = filled.ingest()["counts"]
    assert (counts["unchanged"], counts["added"], counts["changed"], counts["embedded"]) == (3, 0, 0, 0)
    assert_nothing_is_done_again(filled, monkeypatch)


def test_a_touched_file_leaves_its_new_fingerprint_beside_the_vectors(
    filled: Workspace, own: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled.documents / "notes.txt").touch()
    filled.settle()
    filled.ingest()
    empty_state(own)
    rebuild(filled)
    assert_nothing_is_done_again(filled, monkeypatch)


def test_kept_generations_come_back_and_can_be_rolled_back_to(filled: Workspace, own: Connection) -> None:
    use(filled, chunk={"max_tokens": 64, "overlap": 0})
    filled.ingest()
    before = own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()
    drop_state(own)
    rebuild(filled)
    assert (own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()) == before
    assert filled.call("index", "rollback").code == 0
    rolled = own.execute(GENERATIONS).fetchall()
    assert [(row[3], row[8]) for row in rolled] == [(1, "active"), (2, "kept")]
    drop_state(own)
    use(filled)
    rebuild(filled)
    assert own.execute(GENERATIONS).fetchall() == rolled


def test_a_half_built_generation_comes_back_as_such(filled: Workspace, own: Connection) -> None:
    filled.write("guide/install.md", "# Installing\n\nIt comes ready to run.\n")
    filled.write("blank.html", "<html><body><p></p></body></html>\n")
    filled.ingest("--set", "max_failures=1")
    use(filled, chunk={"max_tokens": 64, "overlap": 0})
    filled.write("notes.txt", "\x00\x01" * 400)
    assert filled.call("ingest").code == 3  # not published, as it lacks a document
    before = own.execute(GENERATIONS).fetchall()
    assert [row[8] for row in before] == ["active", "building"]
    drop_state(own)
    called = filled.call("doctor", "--rebuild-state", "--format", "json")
    assert [one["check"] for one in called.json["findings"] if not one["ok"]] == ["recipe"]
    assert own.execute(GENERATIONS).fetchall() == before


def test_one_lost_table_takes_nothing_of_the_others_along(
    filled: Workspace, own: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in state_tables():
        vectors = own.execute("SELECT count(*) FROM ragctl.vectors").fetchone()
        before = own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()
        runs = runs_of(own)
        own.execute(f"DROP TABLE ragctl.{name} CASCADE")
        refused = filled.call("ask", QUESTION, "--format", "json").json["error"]
        assert refused["kind"] == "state_lost"
        assert name in refused["message"]
        assert f"the state's tables {name} were made again" in rebuild(filled)
        assert (own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()) == before, name
        if name not in ("vectors", "embedders"):
            assert own.execute("SELECT count(*) FROM ragctl.vectors").fetchone() == vectors, name
        size = own.execute("SELECT sum(entries), sum(vector_bytes) FROM ragctl.embedders").fetchall()
        counted = own.execute("SELECT count(*), sum(octet_length(vector)) FROM ragctl.vectors").fetchall()
        assert size == counted or counted == [(0, None)], name
        if name != "runs":
            assert set(runs_of(own)) > set(runs), name
    assert_nothing_is_done_again(filled, monkeypatch)


def runs_of(own: Connection) -> list[str]:
    return [run for (run,) in own.execute("SELECT id FROM ragctl.runs").fetchall()]


def test_a_state_from_before_the_newest_generation_is_a_lost_one(filled: Workspace, own: Connection) -> None:
    use(filled, chunk={"max_tokens": 64, "overlap": 0})
    filled.ingest()
    own.execute("UPDATE ragctl.indexes SET active = NULL")
    own.execute("DELETE FROM ragctl.generations WHERE number = 2")
    own.execute("UPDATE ragctl.generations SET status = 'active'")
    own.execute("UPDATE ragctl.indexes SET active = (SELECT id FROM ragctl.generations)")
    refused = filled.call("ingest", "--format", "json")
    assert refused.json["error"]["kind"] == "state_lost"
    assert "generation 2" in refused.json["error"]["message"]
    rebuild_code = filled.call("doctor", "--rebuild-state").code
    assert rebuild_code == 5  # the older state's active generation stays so, and has another recipe
    assert [(row[3], row[8]) for row in own.execute(GENERATIONS).fetchall()] == [(1, "active"), (2, "kept")]


def test_another_pipeline_cannot_rebuild_it(filled: Workspace, own: Connection) -> None:
    empty_state(own)
    use(filled, name="stranger", store={"index": filled.name})
    called = filled.call("doctor", "--rebuild-state", "--format", "json")
    assert called.code == 5
    assert f"belong to the pipeline {filled.name!r}" in called.json["error"]["message"]
    assert own.execute("SELECT count(*) FROM ragctl.indexes").fetchone() == (0,)
    use(filled)
    rebuild(filled)


@pytest.mark.parametrize("note", [None, "hello", '{"ragctl": 99}'])
def test_tables_without_a_note_of_ours_cannot_be_rebuilt(
    filled: Workspace, own: Connection, note: str | None
) -> None:
    literal = psycopg.sql.Literal(note)
    comment = psycopg.sql.SQL("COMMENT ON TABLE {} IS {}")
    own.execute(comment.format(psycopg.sql.Identifier("ragctl", f"{filled.name}_g1_documents"), literal))
    empty_state(own)
    called = filled.call("doctor", "--rebuild-state", "--format", "json")
    assert called.code == 5
    error = called.json["error"]
    assert "note" in error["message"]
    assert error["hint"]
    assert own.execute("SELECT count(*) FROM ragctl.generations").fetchone() == (0,)


def test_where_nothing_is_there_is_nothing_to_rebuild(workspace: Workspace, own: Connection) -> None:
    use(workspace)
    called = workspace.call("doctor", "--rebuild-state", "--format", "json")
    assert called.code == 5
    assert called.json["error"]["kind"] == "nothing_published"
    assert own.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'ragctl'").fetchone() == (0,)


def test_where_nothing_is_lost_nothing_is_rebuilt(filled: Workspace, own: Connection) -> None:
    before = own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()
    assert rebuild(filled) == []
    assert (own.execute(LEDGER).fetchall(), own.execute(GENERATIONS).fetchall()) == before
