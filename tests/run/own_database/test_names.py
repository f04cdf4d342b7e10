"""Schemas and tables of any name, several indexes and schemas in one database, and ingests side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from own_server import OwnServer
from psycopg import sql
from run.own_database.conftest import DSN

from workspace import Workspace

ODD = ['Team "Ünï"; %s $$ ragctl.', "x" * 63]


def tables(admin: psycopg.Connection[Any], schema: str) -> set[str]:
    rows = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
    return {name for (name,) in rows}


@pytest.mark.parametrize("name", ODD)
def test_odd_names(own: Workspace, server: OwnServer, database: str, name: str) -> None:
    prefix = name[:42]
    own.spec(store={"type": "pgvector", "dsn_env": DSN, "schema": name, "table_prefix": prefix})
    assert own.ingest()["counts"]["added"] == 1
    own.write("b.md", "# Harbours\n\nShips lie in the harbour.\n")
    assert own.ingest()["counts"]["added"] == 1
    asked = own.call("ask", "Where do ships lie?", "--format", "json")
    assert asked.code == 0, asked.err
    assert asked.json["hits"][0]["document"] == "b.md"
    # Another recipe makes another generation, from what the first one knows; the oldest goes.
    for tokens in (64, 48):
        own.spec(
            store={"type": "pgvector", "dsn_env": DSN, "schema": name, "table_prefix": prefix},
            chunk={"max_tokens": tokens},
        )
        assert own.ingest()["counts"]["embedded"] == 0
    assert own.call("doctor", "--format", "json").code == 0
    with server.connect(dbname=database) as admin:
        made = tables(admin, name)
        assert {f"{prefix}_g{number}_chunks" for number in (2, 3)} <= made
        assert f"{prefix}_g1_chunks" not in made
        assert not tables(admin, "ragctl") | tables(admin, "public")
        # A lost state comes back too.
        for table in ("generations", "items", "documents"):
            statement = sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(name, table))
            admin.execute(statement)
    assert own.call("ask", "Where do ships lie?", "--format", "json").code == 5
    rebuilt = own.call("doctor", "--rebuild-state")
    assert rebuilt.code == 0, rebuilt.err
    counts = own.ingest()["counts"]
    assert (counts["embedded"], counts["deleted"]) == (0, 0)
    assert own.call("doctor", "--format", "json").code == 0


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ({"schema": "é" * 32}, "at most 63 bytes in UTF-8, it has 64"),
        ({"schema": "pg_mine"}, "PostgreSQL's own"),
        ({"schema": ""}, "must be a name"),
        ({"table_prefix": "é" * 22}, "at most 42 bytes in UTF-8, it has 44"),
        ({"table_prefix": "a\nb"}, "must be a name"),
        ({"hnsw": {"m": 40, "ef_construction": 64}}, "at least twice"),
        ({"hnsw": {"maintenance_work_mem": 1000}}, "8 MiB"),
    ],
)
def test_names_that_cannot_be(own: Workspace, store: dict[str, Any], said: str) -> None:
    own.spec(store={"type": "pgvector", "dsn_env": DSN, **store})
    called = own.call("check")
    assert called.code == 2
    assert said in called.out + called.err


def test_a_prefix_belongs_to_one_index_and_stays(own: Workspace) -> None:
    def spec(**store: str) -> None:
        own.spec(store={"type": "pgvector", "dsn_env": DSN, **store})

    spec(index="first", table_prefix="Mine")
    own.ingest()
    for other, said in (
        ({"index": "first"}, "begin with 'Mine', the spec says 'first'"),
        ({"index": "second", "table_prefix": "Mine"}, "are those of the index 'first'"),
    ):
        spec(**other)
        for command in ("ingest", "plan"):
            called = own.call(command, "--format", "json")
            assert called.code == 5, called.out
            assert said in called.json["error"]["message"]
            assert called.json["error"]["hint"]
    spec(index="first", table_prefix="Mine", schema="another")
    assert own.ingest()["counts"]["embedded"] == 1  # its own state, which knows nothing of the first
    spec(index="first", table_prefix="Mine")
    assert own.ingest()["counts"]["unchanged"] == 1


def test_ingests_of_several_indexes_at_once(
    own: Workspace, server: OwnServer, database: str, tmp_path: Path
) -> None:
    """Into a database in which nothing has been made: schema, state and extension are made by one of them."""
    others = [own]
    for number in range(2):
        other = Workspace(tmp_path, f"{own.name}_{number}")
        schema = {"schema": "elsewhere"} if number else {}
        other.spec(store={"type": "pgvector", "dsn_env": DSN, **schema})
        others.append(other)
    for workspace in others:
        for number in range(30):
            workspace.write(f"{number}.md", f"# {workspace.name}\n\nPage {number} of {workspace.name}.\n")
    running = [workspace.process("ingest", env=dict(os.environ)) for workspace in others]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    for workspace in others:
        asked = workspace.call("ask", f"Page 7 of {workspace.name}", "--format", "json")
        assert asked.code == 0, asked.err
        assert workspace.name in asked.json["hits"][0]["text"]
        assert workspace.ingest()["counts"]["unchanged"] == 30 + (workspace is own)
    with server.connect(dbname=database) as admin:
        found = admin.execute("SELECT index_name, max(number) FROM ragctl.generations GROUP BY 1").fetchall()
        assert len(found) == 2
        assert {number for _, number in found} == {1}
