"""Sources as a spec names them: made of their settings, several in one index, each with its changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources.git_commands import commit, git

from ragctl.run.sources import make_sources
from ragctl.spec.load import load_spec
from workspace import Workspace


class Mixed(Workspace):
    """One of each kind that needs no server of its own."""

    def spec(self, **sections: object) -> Path:
        names = {"metadata_fields": ["year"], "metadata_types": {"year": "number"}}
        sources = [
            {
                "type": "git",
                "url": f"{self.name}/repository",
                "name": "code",
                "path": "docs",
                "path_metadata": ["{version}/**"],
            },
            {"type": "csv", "path": f"{self.name}/faq.csv", "name": "faq", **names},
            {"type": "parquet", "path": f"{self.name}/log.parquet", "name": "log", **names},
            {
                "type": "sql",
                "path": f"{self.name}/app.db",
                "name": "app",
                "query": "SELECT * FROM notes",
                **names,
            },
            {"type": "files", "path": self.name, "name": "named", "files": ["README.md"]},
        ]
        return super().spec(**{"sources": sources, "max_failures": 10, **sections})

    def fill(self) -> None:
        repository = self.documents / "repository"
        git("init", "--quiet", str(repository))
        self.write("repository/docs/v1/install.md", "Installing the old release takes a hammer.")
        self.write("repository/docs/v2/install.md", "Installing the new release takes a screwdriver.")
        self.write("repository/other.md", "Not asked for.")
        commit(repository)
        self.write("faq.csv", "id,text,year\n1,The canteen serves soup on Mondays.,2024\n")
        self.write("README.md", "Begin by reading the chapter on ladders.")
        table = {"id": ["x"], "text": ["The pump in the cellar was replaced."], "year": [2025]}
        pq.write_table(pa.table(table), self.documents / "log.parquet")
        self.run_sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, text, year)")
        self.run_sql("INSERT INTO notes VALUES (5, 'Umbrellas are kept beside the door.', 2026)")

    def run_sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.documents / "app.db")) as database, database:
            database.execute(statement)

    def ingest(self, *arguments: str, code: int = 0) -> Any:
        done = self.call("ingest", "--format", "json", *arguments)
        assert done.code == code, done.err
        return done.json

    def documents_of(self) -> list[str]:
        shown = self.call("show", "--format", "json")
        rows = [row for row in shown.json["documents"] if row["state"] == "stored"]
        return sorted(f"{row['source']}/{row['document']}" for row in rows)


@pytest.fixture
def mixed(workspace: Workspace) -> Mixed:
    made = Mixed.__new__(Mixed)
    for name in ("base", "name", "documents", "spec_path"):
        setattr(made, name, getattr(workspace, name))
    made.spec()
    made.fill()
    return made


def test_settings_become_arguments_and_paths_are_relative_to_the_spec(mixed: Mixed) -> None:
    loaded = load_spec(mixed.spec_path)
    made = make_sources(loaded, {})
    assert [type(one).__name__ for one in made] == [
        "WithPathMetadata",
        "CsvSource",
        "ParquetSource",
        "SqlSource",
        "FilesSource",
    ]
    assert [one.name for one in made] == ["code", "faq", "log", "app", "named"]
    assert all(list(one.items()) for one in made)


def test_one_index_of_several_kinds_of_source(mixed: Mixed) -> None:
    mixed.ingest()
    assert mixed.documents_of() == [
        "app/row#5",
        "code/v1/install.md",
        "code/v2/install.md",
        "faq/faq.csv#1",
        "log/log.parquet#x",
        "named/README.md",
    ]
    mixed.settle()

    def asked(*where: str) -> list[str]:
        found = mixed.call(
            "ask", "installing a release", *(f"--where={one}" for one in where), "--format", "json"
        )
        assert found.code == 0, found.err
        return [hit["document"] for hit in found.json["hits"]]

    assert asked("version=v2") == ["v2/install.md"]
    assert set(asked("year>=2025")) == {"log.parquet#x", "row#5"}


def test_a_change_in_each_and_nothing_else_is_read(mixed: Mixed) -> None:
    mixed.ingest()
    mixed.settle()
    mixed.ingest()  # looks once more at what was too new to be trusted
    again = mixed.ingest()
    assert again["counts"]["embedded"] == again["counts"]["changed"] == 0
    mixed.write("repository/docs/v2/install.md", "Installing the new release takes two screwdrivers.")
    mixed.write("repository/docs/v3/install.md", "Installing the next release takes nothing.")
    (mixed.documents / "repository/docs/v1/install.md").unlink()
    commit(mixed.documents / "repository")
    mixed.write("faq.csv", "id,text,year\n0,A row before.,2020\n1,The canteen serves soup on Mondays.,2024\n")
    mixed.run_sql("UPDATE notes SET text = 'Umbrellas are kept in the hall.'")
    done = mixed.ingest("--allow-delete", "1")
    assert {key: done["counts"][key] for key in ("added", "changed", "deleted")} == {
        "added": 2,
        "changed": 2,
        "deleted": 1,
    }


def test_a_source_that_breaks_loses_nothing_and_the_others_go_on(mixed: Mixed) -> None:
    mixed.ingest()
    before = mixed.documents_of()
    (mixed.documents / "repository").rename(mixed.documents / "away")
    mixed.write("faq.csv", 'id,text,year\n1,"The canteen is never closed.,2024\n')
    mixed.run_sql("DROP TABLE notes")
    mixed.write("README.md", "Begin by reading the chapter on stairs.")
    done = mixed.call("ingest", "--format", "json")
    assert done.code == 4
    assert mixed.documents_of() == before
    shown = mixed.call("show", "named:README.md").out
    assert "stairs" in shown
