"""Cached vectors: to the last bit, by embedder, and there for good once `keep` has returned."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from embedded.processes import start

from ragctl.state.vector_cache import PostgresVectorCache


def key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()


def keys(count: int, name: str) -> list[bytes]:
    return [key(f"{name}{number}") for number in range(count)]


@pytest.fixture
def identity(index: str) -> str:
    """An embedder that no other test uses."""
    return f"model-of-{index}@1"


@pytest.fixture
def cache(connection: psycopg.Connection[Any], identity: str) -> PostgresVectorCache:
    return PostgresVectorCache(connection, identity)


def test_what_was_never_kept_is_not_found(cache: PostgresVectorCache) -> None:
    assert cache.find(keys(3, "unknown")) == {}
    assert cache.find([]) == {}
    cache.keep([], np.zeros((0, 8), dtype=np.float32))


def test_vectors_come_back_to_the_last_bit(cache: PostgresVectorCache) -> None:
    limits = np.finfo(np.float32)
    special = [0.0, -0.0, 1.0, -1.0, limits.max, limits.min, limits.tiny, limits.smallest_subnormal]
    drawn = np.random.default_rng(1).integers(0, 2**32, (200, 8), dtype=np.uint32).view(np.float32)
    vectors = np.vstack([np.array([special], dtype=np.float32), np.where(np.isnan(drawn), 0, drawn)])
    hashes = keys(len(vectors), "bits")
    cache.keep(hashes, vectors)
    found = cache.find(hashes)
    assert set(found) == set(hashes)
    for one, vector in zip(hashes, vectors, strict=True):
        assert (found[one].dtype, found[one].shape) == (np.float32, (8,))
        assert found[one].tobytes() == vector.tobytes()


@pytest.mark.parametrize(
    "given",
    [
        np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
        np.arange(24, dtype=np.float32).reshape(3, 8)[:, ::2],
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.arange(12, dtype=np.float64).reshape(3, 4),
        np.arange(12, dtype=np.float16).reshape(3, 4),
    ],
    ids=["columns first", "every second", "big-endian", "double", "half"],
)
def test_however_the_array_lies_in_memory(cache: PostgresVectorCache, given: np.ndarray[Any, Any]) -> None:
    hashes = keys(3, "layout")
    cache.keep(hashes, given)
    found = cache.find(hashes)
    for one, vector in zip(hashes, given, strict=True):
        assert found[one].tolist() == vector.tolist()
        assert found[one].dtype == np.float32


def test_found_vectors_can_be_stacked(cache: PostgresVectorCache) -> None:
    vectors = np.random.default_rng(2).standard_normal((4, 384)).astype(np.float32)
    hashes = keys(4, "stack")
    cache.keep(hashes, vectors)
    found = cache.find(reversed(hashes))
    assert np.array_equal(np.stack([found[one] for one in hashes]), vectors)


def test_only_what_is_asked_for_is_found(cache: PostgresVectorCache) -> None:
    cache.keep(keys(5, "some"), np.eye(5, dtype=np.float32))
    wanted = [key("some3"), key("unknown"), key("some3")]
    assert {one: vector.tolist() for one, vector in cache.find(wanted).items()} == {
        key("some3"): [0, 0, 0, 1, 0]
    }


def test_hashes_are_bytes_whatever_is_in_them(cache: PostgresVectorCache) -> None:
    hashes = [b"\0" * 32, b"\\x00", b"'\"\n", b"\xff" * 32, b"\0" * 31]
    cache.keep(hashes, np.eye(5, dtype=np.float32))
    found = cache.find(hashes)
    assert [found[one].argmax() for one in hashes] == [0, 1, 2, 3, 4]


def test_two_embedders_are_apart(connection: psycopg.Connection[Any], identity: str) -> None:
    one = PostgresVectorCache(connection, identity)
    two = PostgresVectorCache(connection, f"{identity}+other")
    one.keep([key("a")], np.array([[1, 2]], dtype=np.float32))
    assert two.find([key("a")]) == {}
    two.keep([key("a")], np.array([[3, 4, 5]], dtype=np.float32))
    assert one.find([key("a")])[key("a")].tolist() == [1, 2]
    assert two.find([key("a")])[key("a")].tolist() == [3, 4, 5]


def test_the_same_embedder_finds_its_own(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], identity: str
) -> None:
    PostgresVectorCache(connection, identity).keep([key("a")], np.array([[1, 2]], dtype=np.float32))
    assert PostgresVectorCache(other, identity).find([key("a")])[key("a")].tolist() == [1, 2]


def test_keeping_twice_keeps_the_first(cache: PostgresVectorCache) -> None:
    cache.keep([key("a")], np.array([[1, 2]], dtype=np.float32))
    cache.keep([key("a"), key("b"), key("b")], np.array([[3, 4], [5, 6], [5, 6]], dtype=np.float32))
    found = cache.find([key("a"), key("b")])
    assert (found[key("a")].tolist(), found[key("b")].tolist()) == ([1, 2], [5, 6])


def test_many_at_once(cache: PostgresVectorCache) -> None:
    hashes = keys(5000, "many")
    vectors = np.arange(5000 * 4, dtype=np.float32).reshape(5000, 4)
    cache.keep(hashes, vectors)
    found = cache.find(hashes)
    assert all(np.array_equal(found[one], vector) for one, vector in zip(hashes, vectors, strict=True))


def test_two_clients_may_keep_the_same_at_once(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], identity: str
) -> None:
    hashes = keys(200, "both")
    vectors = np.random.default_rng(3).standard_normal((200, 8)).astype(np.float32)
    ready = threading.Barrier(2)
    faults: list[BaseException] = []

    def keep(client: psycopg.Connection[Any]) -> None:
        try:
            cache = PostgresVectorCache(client, identity)
            for start_at in range(0, 200, 10):
                ready.wait(timeout=30)
                cache.keep(hashes[start_at : start_at + 10], vectors[start_at : start_at + 10])
        except BaseException as error:
            ready.abort()
            faults.append(error)

    threads = [threading.Thread(target=keep, args=(client,)) for client in (connection, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not faults
    found = PostgresVectorCache(connection, identity).find(hashes)
    assert all(np.array_equal(found[one], vector) for one, vector in zip(hashes, vectors, strict=True))


KEEPER = """
import numpy as np
from ragctl.state.vector_cache import PostgresVectorCache
connection = server.connect(autocommit=True, options="-csearch_path=ragctl,public")
cache = PostgresVectorCache(connection, sys.argv[2])
for number in range(20):
    cache.keep([bytes([number])], np.full((1, 4), number, dtype=np.float32))
print("kept", flush=True)
time.sleep(600)
"""


def test_a_killed_client_loses_nothing(cache: PostgresVectorCache, identity: str, server_home: Path) -> None:
    process = start(KEEPER, server_home, identity)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "kept\n"
    finally:
        process.kill()
        process.communicate(timeout=60)
    found = cache.find([bytes([number]) for number in range(20)])
    assert {one[0]: vector.tolist() for one, vector in found.items()} == {
        number: [number] * 4 for number in range(20)
    }
