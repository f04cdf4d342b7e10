"""The state's schema: made once, brought forward step by step, never by halves, never backwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest

from ragctl.errors import Mismatch
from ragctl.state import migrations
from ragctl.state.migrations import MIGRATIONS, migrate, schema_version
from ragctl.state.runs import Runs
from ragctl.state.vector_cache import PostgresVectorCache

Opener = Callable[[], psycopg.Connection[Any]]


def tables(connection: psycopg.Connection[Any]) -> set[str]:
    return {
        name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'ragctl'")
    }


def test_a_fresh_database_has_no_version(open_fresh: Opener) -> None:
    connection = open_fresh()
    assert schema_version(connection) == 0
    assert tables(connection) == set()


def test_migrating_makes_every_table(open_fresh: Opener) -> None:
    connection = open_fresh()
    migrate(connection)
    assert schema_version(connection) == len(MIGRATIONS) >= 1
    assert tables(connection) >= {
        "schema_version",
        "indexes",
        "generations",
        "items",
        "documents",
        "runs",
        "embedders",
        "vectors",
    }


def test_migrating_again_changes_nothing(open_fresh: Opener) -> None:
    connection = open_fresh()
    migrate(connection)
    connection.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES ('a', 'docs')")
    before = connection.execute("SELECT xmin::text, version FROM ragctl.schema_version").fetchall()
    migrate(connection)
    migrate(open_fresh())
    assert connection.execute("SELECT xmin::text, version FROM ragctl.schema_version").fetchall() == before
    assert connection.execute("SELECT name FROM ragctl.indexes").fetchall() == [("a",)]


def test_a_newer_state_is_refused_and_left_alone(open_fresh: Opener) -> None:
    connection = open_fresh()
    migrate(connection)
    newer = len(MIGRATIONS) + 1
    connection.execute("UPDATE ragctl.schema_version SET version = %s", (newer,))
    with pytest.raises(Mismatch, match=f"version {newer}") as refused:
        migrate(connection)
    assert "newer ragctl" in (refused.value.hint or "")
    assert schema_version(connection) == newer


def test_only_the_missing_steps_are_taken(open_fresh: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = open_fresh()
    migrate(connection)
    connection.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES ('a', 'docs')")
    steps = ("CREATE TABLE ragctl.one (n int)", "ALTER TABLE ragctl.one ADD m int; SELECT 1")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, *steps))
    migrate(connection)
    assert schema_version(connection) == len(MIGRATIONS) + 2
    assert connection.execute("SELECT n, m FROM ragctl.one").fetchall() == []
    assert connection.execute("SELECT name FROM ragctl.indexes").fetchall() == [("a",)]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_state_of_an_older_release_keeps_what_is_in_it(
    open_fresh: Opener, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    connection = open_fresh()
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", MIGRATIONS[:version])
        migrate(connection)
    assert schema_version(connection) == version
    runs = Runs(connection, "a")
    runs.start("run1", pipeline="docs", command="ingest")
    runs.finish("run1", "done", {"counts": {"added": 3}})
    vectors = PostgresVectorCache(connection, "model@1")
    vectors.keep([b"hash"], np.array([[1, 2]], dtype=np.float32))
    migrate(connection)
    assert schema_version(connection) == len(MIGRATIONS)
    assert vectors.find([b"hash"])[b"hash"].tolist() == [1, 2]
    assert connection.execute("SELECT id, status, record FROM ragctl.runs").fetchall() == [
        ("run1", "done", {"counts": {"added": 3}})
    ]
    runs.start("run2", pipeline="docs", command="ingest")
    vectors.keep([b"other"], np.array([[3, 4]], dtype=np.float32))


@pytest.mark.parametrize("start", [0, len(MIGRATIONS)])
def test_a_step_that_fails_leaves_the_version_before(
    open_fresh: Opener, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    connection = open_fresh()
    if start:
        migrate(connection)
    before = tables(connection)
    steps = ("CREATE TABLE ragctl.one (n int)", "CREATE TABLE ragctl.one (n int)")
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, *steps))
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(connection)
    assert schema_version(connection) == start
    assert tables(connection) == before


def test_several_processes_may_migrate_at_once(open_fresh: Opener) -> None:
    connections = [open_fresh() for _ in range(5)]
    ready = threading.Barrier(len(connections))
    faults: list[BaseException] = []

    def go(connection: psycopg.Connection[Any]) -> None:
        try:
            ready.wait(timeout=30)
            migrate(connection)
            assert schema_version(connection) == len(MIGRATIONS)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not faults
    assert connections[0].execute("SELECT version FROM ragctl.schema_version").fetchall() == [
        (len(MIGRATIONS),)
    ]


def test_a_process_that_comes_late_waits_for_the_one_before(open_fresh: Opener) -> None:
    first, second, watcher = open_fresh(), open_fresh(), open_fresh()
    late = threading.Thread(target=migrate, args=(second,))
    with first.transaction():
        migrate(first)
        late.start()
        waiting = None
        while waiting is None and late.is_alive():
            waiting = watcher.execute(
                "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
                (second.info.backend_pid,),
            ).fetchone()
        assert waiting, "the second did not wait"
    late.join(timeout=60)
    assert schema_version(second) == len(MIGRATIONS)


def test_an_index_has_at_most_one_active_generation(open_fresh: Opener) -> None:
    connection = open_fresh()
    migrate(connection)
    connection.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES ('a', 'docs'), ('b', 'docs')")
    add = (
        "INSERT INTO ragctl.generations "
        "(index_name, number, recipe, recipe_parts, embedder, dimension, status) "
        "VALUES (%s, %s, 'r', '{}', 'm', 8, 'active')"
    )
    connection.execute(add, ("a", 1))
    connection.execute(add, ("b", 1))
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_active_generation"):
        connection.execute(add, ("a", 2))
