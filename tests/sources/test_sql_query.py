"""Rows of PostgreSQL, a real server over TCP, and of SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contracts.source import Place, SourceContract, content, listed
from own_server import PASSWORD, OwnServer

from ragctl.errors import ListingFailed, UnreadableDocument, UsageError
from ragctl.ports import Source
from ragctl.sources.sql_query import SqlSource
from ragctl.types import Failure, Item

QUERY = "SELECT id, text FROM docs;"


@pytest.fixture(scope="module")
def server(no_data_left_behind: None) -> Iterator[OwnServer]:
    made = OwnServer()
    yield made
    made.close()


@dataclass
class Table:
    """Documents as rows of a table of PostgreSQL; `updated` counts up with each change."""

    server: OwnServer
    query: str = QUERY
    updated: str | None = None

    def source(self, name: str = "docs", **given: Any) -> Source:
        environment = {"DOCS_DSN": self.server.dsn()}
        return SqlSource(
            name,
            self.query,
            dsn_env="DOCS_DSN",
            updated=self.updated,
            environment=environment,
            **given,
        )

    def run(self, statement: str, *values: Any) -> None:
        with self.server.connect() as connection:
            connection.execute(statement.encode("utf-8"), values or None)

    def put(self, **texts: str) -> None:
        self.run(
            "CREATE TABLE IF NOT EXISTS docs (id text PRIMARY KEY, text text, "
            "updated timestamptz DEFAULT now() - interval '1 day')"
        )
        for name, text in texts.items():
            self.run(
                "INSERT INTO docs VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET text = excluded.text, "
                "updated = docs.updated + interval '1 hour'",
                name,
                text,
            )

    def remove(self, name: str) -> None:
        self.run("DELETE FROM docs WHERE id = %s", name)

    def destroy(self) -> None:
        self.run("DROP TABLE docs")


@pytest.fixture
def table(server: OwnServer) -> Iterator[Table]:
    made = Table(server)
    yield made
    made.run("DROP TABLE IF EXISTS docs")


class TestPostgres(SourceContract):
    @pytest.fixture
    def place(self, table: Table) -> Place:
        return table


def test_with_an_updated_column_no_text_is_listed_and_a_change_is_seen(table: Table) -> None:
    table.query, table.updated = "SELECT id, text, updated FROM docs", "updated"
    table.put(a="first", b="second")
    source = table.source()
    before = listed(source)
    assert [item.size for item in before.values()] == [None, None]
    assert all(item.settled for item in before.values())
    assert json.loads(content(source, before["row#a"]))["text"] == "first"
    table.put(b="another")
    after = listed(table.source())
    assert [path for path in after if after[path].fingerprint != before[path].fingerprint] == ["row#b"]
    with pytest.raises(UnreadableDocument, match="has changed since it was listed"):
        content(source, before["row#b"])
    assert json.loads(content(source, after["row#b"]))["text"] == "another"


def test_a_row_that_was_updated_just_now_is_looked_at_again(table: Table) -> None:
    table.query, table.updated = "SELECT id, text, updated FROM docs", "updated"
    table.put(a="first", b="second", c="third")
    table.run("UPDATE docs SET updated = now() WHERE id = 'a'")
    table.run("UPDATE docs SET updated = NULL WHERE id = 'b'")
    items = listed(table.source())
    assert [item.settled for item in items.values()] == [False, True, True]
    assert items["row#b"].fingerprint == ""  # always read


def test_types_of_columns(table: Table) -> None:
    table.put(a="first")
    table.query = (
        "SELECT 7::numeric AS id, text, '2026-01-02'::date AS day, 1.5::numeric AS score, true AS open, "
        "'2026-01-02 03:04:05+02'::timestamptz AS at, 'x%y' AS odd FROM docs"
    )
    source = table.source(metadata_fields=["day", "score", "open", "at", "odd"])
    ((path, item),) = listed(source).items()
    assert path == "row#7"
    assert json.loads(content(source, item))["metadata"] == {
        "day": "2026-01-02",
        "score": 1.5,
        "open": True,
        "at": "2026-01-02T01:04:05+00:00",
        "odd": "x%y",
    }


def test_a_listing_that_breaks_half_way(table: Table) -> None:
    table.put(a="first")
    table.run("INSERT INTO docs SELECT 'n' || n, 'text ' || n FROM generate_series(1, 2000) AS n")
    found = table.source().items()
    assert isinstance(next(found), Item)
    table.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ragctl'")
    with pytest.raises(ListingFailed, match="nothing is known about what is gone"):
        list(found)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM docs RETURNING id, text",
        "SELECT id, text FROM docs) AS q; DELETE FROM docs; SELECT * FROM (SELECT id, text FROM docs",
        "WITH gone AS (DELETE FROM docs RETURNING *) SELECT id, text FROM gone",
        "SELECT set_config('transaction_read_only', 'off', false) AS id, text FROM docs",
    ],
)
def test_nothing_can_be_written(table: Table, query: str) -> None:
    table.put(a="first")
    table.query = query
    with pytest.raises(ListingFailed):
        list(table.source().items())
    table.query = QUERY
    assert list(listed(table.source())) == ["row#a"]


def test_a_statement_has_a_limit_of_time(table: Table) -> None:
    table.put(a="first")
    table.query = "SELECT id, text, pg_sleep(20) FROM docs"
    with pytest.raises(ListingFailed, match="timeout"):
        list(table.source(timeout_seconds=0.2).items())


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("host=127.0.0.1 port=1 user=me password=hunter2", "hunter2"),
        ("host=127.0.0.1 hunter2", "cannot be understood"),
    ],
)
def test_no_error_shows_a_password(dsn: str, why: str) -> None:
    source = SqlSource("docs", QUERY, dsn_env="D", environment={"D": dsn})
    with pytest.raises(ListingFailed) as refused:
        list(source.items())
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"
    assert why == "hunter2" or why in refused.value.message


def test_a_password_is_in_no_item(table: Table) -> None:
    table.put(a="first")
    (item,) = listed(table.source()).values()
    assert PASSWORD not in repr(item)
    assert item.uri == "postgresql://127.0.0.1/postgres#a"


def test_a_variable_that_is_not_set() -> None:
    with pytest.raises(UsageError, match="DOCS_DSN, which is not set"):
        list(SqlSource("docs", QUERY, dsn_env="DOCS_DSN", environment={}).items())


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    file = tmp_path / "a b.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE docs (id, text, updated)")
        database.executemany(
            "INSERT INTO docs VALUES (?, ?, ?)",
            [(1, "one", 10), ("2", "two", 20), (None, "none", 30), (4, 5, 40), (1, "again", 50)],
        )
    return file


def test_what_is_wrong_with_one_row_befalls_that_row_alone(sqlite: Path) -> None:
    found = list(SqlSource("docs", QUERY, path=sqlite).items())
    assert [one.path for one in found if isinstance(one, Item)] == ["row#1", "row#2"]
    assert [(one.document, one.error) for one in found if isinstance(one, Failure)] == [
        ("row:1", "unidentified"),
        ("row:3", "malformed"),
        ("row#4", "malformed"),
    ]


def test_a_counter_says_what_has_changed_in_sqlite(sqlite: Path) -> None:
    query = "SELECT * FROM docs WHERE id IN (1, '2') AND text <> 'again'"
    first = listed(SqlSource("docs", query, path=sqlite, updated="updated"))
    with closing(sqlite3.connect(sqlite)) as database, database:
        database.execute("UPDATE docs SET text = 'new', updated = 60 WHERE id = '2'")
    source = SqlSource("docs", query, path=sqlite, updated="updated")
    second = listed(source)
    assert [path for path in second if second[path].fingerprint != first[path].fingerprint] == ["row#2"]
    assert json.loads(content(source, second["row#2"]))["text"] == "new"


def test_a_column_that_is_not_there(sqlite: Path) -> None:
    with pytest.raises(ListingFailed, match="no such column"):
        list(SqlSource("docs", QUERY, path=sqlite, updated="changed").items())


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "docs.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(ListingFailed):
        list(SqlSource("docs", QUERY, path=tmp_path / "docs.db").items())
