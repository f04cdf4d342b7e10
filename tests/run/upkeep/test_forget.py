"""Forgetting: nothing of a document is left in any table, and nothing of the others is lost."""

from __future__ import annotations

import zlib
from typing import Any

import psycopg
import pytest
from psycopg import sql
from run.blocked import blocked

from workspace import Workspace


def marker(workspace: Workspace) -> str:
    """Words that no other test's documents hold: all of them share one database."""
    return f"the xylographenbaum of {workspace.name} lives"


def secret(workspace: Workspace) -> str:
    return (
        f"# Private\n\nIn the cellar {marker(workspace)}.\n\n## More\n\nIt eats leaves in {workspace.name}.\n"
    )


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.write("private.md", secret(workspace))
    workspace.write("public.md", f"# Public\n\nEverybody may read this page of {workspace.name}.\n")
    return workspace


def places_of(connection: psycopg.Connection[Any], text: str) -> list[str]:
    """Every column of ragctl's tables that holds the text, compressed or not."""
    columns = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'ragctl' AND data_type IN ('text', 'jsonb', 'bytea', 'ARRAY')"
    ).fetchall()
    found = []
    for table, column, kind in columns:
        rows = connection.execute(
            sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier("ragctl", table))
        )
        if any(text in _readable(value, kind) for (value,) in rows if value is not None):
            found.append(f"{table}.{column}")
    return sorted(found)


def _readable(value: Any, kind: str) -> str:
    if kind != "bytea":
        return str(value)
    try:
        return zlib.decompress(value).decode("utf-8")
    except zlib.error:
        return bytes(value).decode("latin-1")


def vectors(connection: psycopg.Connection[Any]) -> set[bytes]:
    return {row[0] for row in connection.execute("SELECT hash FROM ragctl.vectors")}


def hashes(
    connection: psycopg.Connection[Any], workspace: Workspace, generation: int = 1, path: str = "private.md"
) -> set[bytes]:
    table = f"ragctl.{workspace.name}_g{generation}"
    rows = connection.execute(
        f"SELECT c.input_hash FROM {table}_chunks c JOIN {table}_documents d ON d.id = c.document "
        "WHERE d.path = %s",
        (path,),
    )
    return {row[0] for row in rows}


def forget(workspace: Workspace, *arguments: str) -> Any:
    called = workspace.call("forget", *arguments, "--format", "json")
    assert called.code == 0, called.err
    return called.json


def test_nothing_is_left_of_it(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    """Stored in an active, a kept and a half-built generation, and quoted by a failure."""
    (filled.documents / "private.md").unlink()
    name = f"{filled.name}-own.md"
    filled.write(name, secret(filled))
    filled.ingest()
    filled.spec(chunk={"max_tokens": 64, "overlap": 0})
    filled.ingest()
    filled.write(name, "  \n")  # its second version fails, and the record names it
    assert filled.call("ingest").code == 3
    filled.write(name, secret(filled))
    filled.ingest()
    filled.write("public.md", "  \n")
    filled.spec(chunk={"max_tokens": 48, "overlap": 0})
    assert filled.call("ingest").code == 3  # a third generation has it and is not published
    own = set.union(*(hashes(connection, filled, number, name) for number in (1, 2, 3)))
    assert own
    assert own <= vectors(connection)
    connection.execute(
        "UPDATE ragctl.runs SET record = jsonb_set(record, '{failures,0,message}', %s::jsonb) "
        "WHERE index_name = %s AND record->'failures'->0->>'document' = %s",
        (f'"cannot read: {marker(filled)}"', filled.name, name),
    )
    tables = [f"{filled.name}_g{number}_chunks.text" for number in (1, 2, 3)]
    assert places_of(connection, marker(filled)) == sorted([*tables, "runs.record", "texts.documents"])

    done = forget(filled, name)
    assert places_of(connection, marker(filled)) == []
    assert places_of(connection, name) == []
    assert not own & vectors(connection)
    assert (done["source"], done["item"]) == ("docs", name)
    removed = {one["status"]: (one["documents"], one["chunks"] >= 1) for one in done["generations"]}
    assert removed == dict.fromkeys(("kept", "active", "building"), (1, True))
    assert (done["texts"], done["run_records"], done["vectors"]) == (1, 1, len(own))

    runs = filled.call("runs", "list", "--format", "json").json["runs"]
    assert [run["failures"] for run in runs] == [0, 1, 0, 1, 0, 0]  # the count stays
    hits = filled.call("ask", "Where does it live?", "--format", "json").json["hits"]
    assert {hit["document"] for hit in hits} == {"public.md"}


def test_the_next_ingest_adds_it_again_unless_it_is_excluded(filled: Workspace) -> None:
    filled.ingest()
    called = filled.call("forget", "docs:private.md")
    assert called.code == 0
    assert "docs: private.md has been forgotten" in called.out
    assert "generation 1 (active)" in called.out
    assert "the next ingest adds it again" in called.err
    assert "`exclude`" in called.err
    report = filled.ingest()
    assert report["counts"]["added"] == 1
    assert report["counts"]["embedded"] == report["counts"]["chunks"] > 0  # no vector was left
    forget(filled, "private.md")
    source = {"type": "directory", "path": filled.name, "name": "docs", "exclude": ["private.md"]}
    filled.spec(sources=[source])
    report = filled.ingest()
    assert (report["counts"]["added"], report["counts"]["deleted"], report["counts"]["unchanged"]) == (
        0,
        0,
        1,
    )


def test_what_another_document_says_too_stays(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    filled.write("copy.md", secret(filled))
    filled.ingest()
    own = hashes(connection, filled)
    assert forget(filled, "private.md")["vectors"] == 0
    assert own <= vectors(connection)
    assert filled.ingest()["counts"]["embedded"] == 0
    done = forget(filled, "copy.md")
    assert done["vectors"] == 0  # private.md is back and has the same text
    forget(filled, "private.md")
    assert not own & vectors(connection)
    assert places_of(connection, marker(filled)) == []


def test_what_another_index_says_too_stays(filled: Workspace, connection: psycopg.Connection[Any]) -> None:
    filled.ingest()
    beside = Workspace(filled.base, f"{filled.name}_beside")
    beside.write("private.md", secret(filled))
    beside.ingest()
    assert forget(filled, "private.md")["vectors"] == 0
    assert hashes(connection, beside) <= vectors(connection)
    assert forget(beside, "private.md")["vectors"] >= 1
    assert places_of(connection, marker(filled)) == []


def test_what_was_embedded_and_never_stored_goes(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    """A run was killed between the model's answer and the store; its text was kept by a plan."""
    filled.ingest("--set", 'sources.0.exclude=["private.md"]')
    assert places_of(connection, marker(filled)) == []
    assert filled.call("plan").code == 0
    assert places_of(connection, marker(filled)) == ["texts.documents"]
    with blocked(filled, "documents", "SHARE") as stuck:
        stuck.process.kill()
        stuck.release()
        stuck.process.communicate(timeout=60)
    before = vectors(connection)
    done = forget(filled, "private.md")
    assert (done["texts"], [one["chunks"] for one in done["generations"]]) == (1, [0])
    assert done["vectors"] >= 1
    assert len(before - vectors(connection)) == done["vectors"]
    assert places_of(connection, marker(filled)) == []


def test_what_a_plan_has_read_can_be_forgotten_before_the_first_ingest(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    assert filled.call("plan").code == 0
    assert places_of(connection, marker(filled)) == ["texts.documents"]
    done = forget(filled, "private.md")
    assert (done["texts"], done["generations"]) == (1, [])
    assert places_of(connection, marker(filled)) == []


def test_vectors_of_older_versions_go_when_asked_for(
    filled: Workspace, connection: psycopg.Connection[Any]
) -> None:
    filled.ingest()
    old = hashes(connection, filled)
    filled.write("private.md", "# Private\n\nThis page holds nothing of interest any more.\n")
    filled.ingest()
    called = filled.call("forget", "private.md")
    assert old <= vectors(connection)
    assert "--unused-vectors" in called.err
    used = {
        row[0] for row in connection.execute(f"SELECT input_hash FROM ragctl.{filled.name}_g1_chunks")
    } & vectors(connection)
    filled.write("private.md", "# Private\n\nBack again.\n")
    filled.ingest()
    done = forget(filled, "private.md", "--unused-vectors")
    assert done["unused_vectors_removed"]
    assert done["unused_vectors"] >= len(old)
    assert not old & vectors(connection)
    assert used <= vectors(connection)


def test_an_unknown_document_is_named(filled: Workspace) -> None:
    filled.ingest()
    called = filled.call("forget", "privat.md", "--format", "json")
    assert called.code == 2
    assert "'private.md'" in called.json["error"]["hint"]


def test_of_two_sources_one_is_to_be_named(filled: Workspace) -> None:
    (filled.base / f"{filled.name}-more").mkdir()
    (filled.base / f"{filled.name}-more" / "private.md").write_text("# Other\n\nText.\n", encoding="utf-8")
    filled.spec(
        sources=[
            {"type": "directory", "path": filled.name, "name": "docs"},
            {"type": "directory", "path": f"{filled.name}-more", "name": "more"},
        ]
    )
    filled.ingest()
    called = filled.call("forget", "private.md")
    assert called.code == 2
    assert "docs:private.md, more:private.md" in called.err
    forget(filled, "docs:private.md")
    shown = filled.call("show", "--format", "json").json
    assert {(row["source"], row["document"]) for row in shown["documents"]} == {
        ("docs", "public.md"),
        ("more", "private.md"),
    }


def test_it_waits_its_turn(
    filled: Workspace, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragctl.run.upkeep.exclusive.LEASE_PATIENCE_S", 0.2)
    filled.ingest()
    connection.execute("SELECT pg_advisory_lock(29281, hashtext(%s))", (filled.name,))
    refused = filled.call("forget", "private.md", "--format", "json")
    connection.execute("SELECT pg_advisory_unlock_all()")
    assert refused.code == 4
    assert refused.json["error"]["kind"] == "run_in_progress"
    assert f"{filled.name}_g1_chunks.text" in places_of(connection, marker(filled))


def test_all_of_it_goes_or_nothing(
    filled: Workspace, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragctl.errors import Unavailable

    def fail(*_: object) -> None:
        raise Unavailable("gone")

    filled.ingest()
    before = places_of(connection, marker(filled))
    with monkeypatch.context() as patch:
        patch.setattr("ragctl.run.upkeep.forget.forget_vectors", fail)
        assert filled.call("forget", "private.md").code == 6
    assert places_of(connection, marker(filled)) == before
    run = filled.call("runs", "show", "last", "--format", "json").json
    assert (run["command"], run["status"], run["error"]["kind"]) == ("forget", "failed", "unavailable")


def test_it_is_on_the_record_without_the_name(filled: Workspace) -> None:
    filled.ingest()
    forget(filled, "private.md")
    shown = filled.call("runs", "show", "last", "--format", "json")
    assert (shown.json["command"], shown.json["status"]) == ("forget", "done")
    assert shown.json["counts"]["deleted"] == 1
    assert "private.md" not in shown.out


def test_another_pipeline_s_documents_are_not_ours_to_forget(filled: Workspace) -> None:
    filled.ingest()
    text = filled.spec_path.read_text(encoding="utf-8")
    filled.spec_path.write_text(
        text.replace(f'"name": "{filled.name}"', '"name": "intruder"', 1), encoding="utf-8"
    )
    called = filled.call("forget", "private.md", "--set", f"store.index={filled.name}")
    assert called.code == 5
