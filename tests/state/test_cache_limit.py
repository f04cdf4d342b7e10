"""The size of the vector cache is known as it changes, and its limit takes no more than it needs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest

from ragctl.state.cache_limit import ENTRY_OVERHEAD_BYTES, CacheSize, cache_size, prune_cache
from ragctl.state.migrations import MIGRATIONS, migrate
from ragctl.state.vector_cache import PostgresVectorCache

Opener = Callable[[], psycopg.Connection[Any]]

ENTRY_BYTES = 4 * 8 + ENTRY_OVERHEAD_BYTES  # of 8 dimensions


@pytest.fixture
def fresh(open_fresh: Opener) -> psycopg.Connection[Any]:
    """A database of the test's own: the cache is shared by all that is in one."""
    opened = open_fresh()
    migrate(opened)
    return opened


def key(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def keys(*names: object) -> list[bytes]:
    return [key(name) for name in names]


def keep(cache: PostgresVectorCache, *names: object, dimension: int = 8) -> None:
    vectors = [np.full(dimension, number + 1, dtype=np.float32) for number in range(len(names))]
    cache.keep(keys(*names), np.stack(vectors))


def counted(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    row = connection.execute(
        "SELECT count(*), coalesce(sum(octet_length(vector)), 0) FROM ragctl.vectors"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1] + ENTRY_OVERHEAD_BYTES * row[0])


def chunk_table(connection: psycopg.Connection[Any], name: str, *names: object) -> tuple[str, str]:
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute(f"CREATE TABLE ragctl.{name} (input_hash bytea, embedding vector(8))")
    for number, one in enumerate(names):
        connection.execute(
            f"INSERT INTO ragctl.{name} VALUES (%s, %s::vector)",
            (key(one), str([(number + 1) / 3] * 8)),
        )
    return ("ragctl", name)


def test_the_size_follows_every_change(fresh: psycopg.Connection[Any]) -> None:
    assert cache_size(fresh) == CacheSize(0, 0)
    cache = PostgresVectorCache(fresh, "m1")
    keep(cache, *range(10))
    keep(cache, *range(5, 15))  # five of them are there
    keep(PostgresVectorCache(fresh, "m2"), *range(7), dimension=384)
    assert cache_size(fresh) == CacheSize(*counted(fresh)) == CacheSize(22, 15 * 32 + 7 * 1536 + 22 * 200)
    fresh.execute("DELETE FROM ragctl.vectors WHERE hash = ANY(%s)", (keys(1, 2, 3),))
    assert cache_size(fresh) == CacheSize(*counted(fresh))
    assert cache_size(fresh).entries == 16
    with pytest.raises(ZeroDivisionError), fresh.transaction():
        keep(cache, *range(100, 200))
        _ = 1 / 0
    assert cache_size(fresh) == CacheSize(*counted(fresh))


def test_the_size_is_right_when_several_write_at_once(
    fresh: psycopg.Connection[Any], open_fresh: Opener
) -> None:
    clients = [open_fresh() for _ in range(4)]
    faults: list[BaseException] = []

    def go(number: int) -> None:
        try:
            cache = PostgresVectorCache(clients[number], "m1")
            order = range(0, 200, 10) if number % 2 else range(190, -1, -10)
            for first in order:
                keep(cache, *(range(first, first + 10) if number % 2 else range(first + 9, first - 1, -1)))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not faults
    assert cache_size(fresh) == CacheSize(*counted(fresh))
    assert cache_size(fresh).entries == 200


def test_what_an_earlier_release_cached_is_counted(
    open_fresh: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = open_fresh()
    with monkeypatch.context() as older:
        older.setattr("ragctl.state.migrations.MIGRATIONS", MIGRATIONS[:1])
        migrate(connection)
    keep(PostgresVectorCache(connection, "m1"), *range(5))
    migrate(connection)
    assert cache_size(connection) == CacheSize(*counted(connection)) == CacheSize(5, 5 * ENTRY_BYTES)


def test_the_oldest_go_and_no_more_than_must(fresh: psycopg.Connection[Any]) -> None:
    cache = PostgresVectorCache(fresh, "m1")
    for number in range(20):
        keep(cache, number)
    limit = 12 * ENTRY_BYTES + 100
    assert prune_cache(fresh, limit, {}) == CacheSize(8, 8 * ENTRY_BYTES)
    assert cache_size(fresh).bytes <= limit
    assert set(cache.find(keys(*range(20)))) == set(keys(*range(8, 20)))
    assert prune_cache(fresh, limit, {}) == CacheSize(0, 0)


def test_kinds_of_different_size(fresh: psycopg.Connection[Any]) -> None:
    small, large = PostgresVectorCache(fresh, "m1"), PostgresVectorCache(fresh, "m2")
    for number in range(40):
        keep(small, number)
        if number % 10 == 0:
            keep(large, number, dimension=384)
    before = cache_size(fresh)
    limit = before.bytes - 1000
    removed = prune_cache(fresh, limit, {})
    assert 1000 <= removed.bytes < 1000 + 1536 + ENTRY_OVERHEAD_BYTES
    assert cache_size(fresh) == CacheSize(*counted(fresh))


def test_everything_goes_if_nothing_may_stay(fresh: psycopg.Connection[Any]) -> None:
    keep(PostgresVectorCache(fresh, "m1"), *range(50))
    assert prune_cache(fresh, 0, {}).entries == 50
    assert counted(fresh) == (0, 0)


def test_what_is_in_a_generation_goes_first_and_is_found_there(fresh: psycopg.Connection[Any]) -> None:
    table = chunk_table(fresh, "one_chunks", "new", "newer")
    cache = PostgresVectorCache(fresh, "m1", [table])
    other = PostgresVectorCache(fresh, "m2")
    keep(cache, "old")
    keep(other, "new")
    keep(cache, "new", "newer")
    prune_cache(fresh, 3 * ENTRY_BYTES, {"m1": [table]})
    left = set(PostgresVectorCache(fresh, "m1").find(keys("old", "new", "newer")))
    assert len(left) == 2
    assert key("old") in left  # it can be found nowhere else
    prune_cache(fresh, 2 * ENTRY_BYTES, {"m1": [table]})
    assert set(PostgresVectorCache(fresh, "m1").find(keys("old", "new", "newer"))) == {key("old")}
    assert set(other.find(keys("new"))) == {key("new")}  # another embedder's is not in that table
    assert set(cache.find(keys("old", "new", "newer", "unknown"))) == set(keys("old", "new", "newer"))
    prune_cache(fresh, ENTRY_BYTES, {"m1": [table]})
    assert cache_size(fresh).entries == 1


def test_vectors_of_a_table_come_as_they_are_stored(fresh: psycopg.Connection[Any]) -> None:
    cache = PostgresVectorCache(fresh, "m1", [chunk_table(fresh, "one_chunks", "a", "b", "a")])
    found = cache.find(keys("a", "b"))
    assert found[key("b")].tolist() == np.full(8, 2 / 3, dtype=np.float32).tolist()
    assert (found[key("a")].dtype, found[key("a")].shape) == (np.dtype("<f4"), (8,))


def test_a_table_that_is_gone_is_passed_over(fresh: psycopg.Connection[Any]) -> None:
    table = chunk_table(fresh, "one_chunks", "a")
    cache = PostgresVectorCache(fresh, "m1", [table])
    keep(cache, "a", "b")
    fresh.execute("DROP TABLE ragctl.one_chunks")
    assert set(cache.find(keys("a", "b"))) == set(keys("a", "b"))
    assert prune_cache(fresh, ENTRY_BYTES, {"m1": [table]}).entries == 1


def test_under_the_limit_the_cache_is_not_even_looked_at(
    fresh: psycopg.Connection[Any], open_fresh: Opener
) -> None:
    keep(PostgresVectorCache(fresh, "m1"), *range(50))
    other = open_fresh()
    other.execute("SET statement_timeout = '10s'")
    with fresh.transaction():
        fresh.execute("LOCK TABLE ragctl.vectors IN ACCESS EXCLUSIVE MODE")
        assert prune_cache(other, 50 * ENTRY_BYTES, {}) == CacheSize(0, 0)


def test_two_may_prune_at_once(fresh: psycopg.Connection[Any], open_fresh: Opener) -> None:
    keep(PostgresVectorCache(fresh, "m1"), *range(500))
    clients = [open_fresh() for _ in range(3)]
    removed: list[CacheSize] = []
    faults: list[BaseException] = []

    def go(client: psycopg.Connection[Any]) -> None:
        try:
            removed.append(prune_cache(client, 100 * ENTRY_BYTES, {}))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=go, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not faults
    assert cache_size(fresh) == CacheSize(*counted(fresh))
    assert cache_size(fresh).entries == 100
