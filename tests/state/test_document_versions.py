"""Versions of documents on a real server: given once, flipped in the caller's transaction, cleaned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from ragctl.errors import LeaseLost
from ragctl.state.document_versions import TABLES, DocumentVersions
from ragctl.state.generations import Generations
from ragctl.state.migrations import migrate

Opener = Callable[[], psycopg.Connection[Any]]
A, B, C = ("docs", "a.md"), ("docs", "b.md"), ("other", "a.md")


class Rollback(Exception):
    """Ends a transaction."""


@pytest.fixture
def open_versions(open_fresh: Opener) -> Callable[[], DocumentVersions]:
    connection = open_fresh()
    migrate(connection)
    there = connection.execute("SELECT to_regclass('ragctl.document_versions')").fetchone()
    if there is None or there[0] is None:
        connection.execute(TABLES)
    generations = Generations(connection, "docs")
    generations.claim_index("docs")
    for _ in range(2):
        generation = generations.create(recipe="r", recipe_parts={}, embedder="e", dimension=8)
    return lambda: DocumentVersions(open_fresh(), generation.id)


@pytest.fixture
def versions(open_versions: Callable[[], DocumentVersions]) -> DocumentVersions:
    return open_versions()


def flipped(versions: DocumentVersions, **chunks: int) -> int:
    version = versions.reserve()
    versions.flip({("docs", f"{name}.md"): count for name, count in chunks.items()}, version)
    return version


def test_nothing_is_known_at_first(versions: DocumentVersions) -> None:
    assert (versions.every(), versions.current([A]), versions.totals()) == ({}, {}, (0, 0))
    assert versions.stale(10) == []
    assert versions.remove([A], versions.reserve()) == {}


def test_a_flip_is_current_and_what_was_before_is_stale(versions: DocumentVersions) -> None:
    first = flipped(versions, a=2, b=1)
    second = flipped(versions, a=5)
    assert second > first
    assert versions.current([A, B, C]) == {A: second, B: first}
    assert versions.every() == {A: (second, 5), B: (first, 1)}
    assert versions.totals() == (2, 6)
    assert versions.stale(10) == [(B, first), (A, second)]
    assert versions.stale(1) == [(B, first)]
    versions.cleaned([(B, first), (A, first)])  # of A more has become stale since
    assert versions.stale(10) == [(A, second)]


def test_removed_documents_are_stale(versions: DocumentVersions) -> None:
    flipped(versions, a=2, b=1)
    below = versions.reserve()
    assert versions.remove([A, C], below) == {A: 2}
    assert list(versions.every()) == [B]
    assert {key for key, _ in versions.stale(10)} == {A, B, C}


def test_no_version_is_given_twice(open_versions: Callable[[], DocumentVersions]) -> None:
    one, other = open_versions(), open_versions()
    given = []
    for versions in (one, other, one):
        with suppress(Rollback), versions._connection.transaction():
            given.append(versions.reserve())
            raise Rollback
        given.append(versions.reserve())
    assert given == sorted(set(given))


def test_an_older_version_does_not_take_the_place_of_a_newer_one(versions: DocumentVersions) -> None:
    late = versions.reserve()
    newer = flipped(versions, b=1)
    for version in (late, newer):
        with pytest.raises(LeaseLost):
            versions.flip({A: 1, B: 9}, version)
    assert versions.every() == {B: (newer, 1)}
    assert versions.remove([B], late) == {}


def test_writes_join_the_callers_transaction(open_versions: Callable[[], DocumentVersions]) -> None:
    versions, other = open_versions(), open_versions()
    first = flipped(versions, a=1)
    versions.cleaned(versions.stale(10))
    with suppress(Rollback), versions._connection.transaction():
        flipped(versions, a=7)
        versions.remove([B], versions.reserve())
        assert other.current([A]) == {A: first}
        assert versions.stale(10) == [], "its own must not be deleted before it has ended"
        raise Rollback
    assert (versions.every(), versions.stale(10)) == ({A: (first, 1)}, [])
    with versions._connection.transaction():
        second = flipped(versions, a=7)
    assert other.current([A]) == {A: second}
    assert other.stale(10) == [(A, second)]


def test_a_moment_stays_as_it_was(open_versions: Callable[[], DocumentVersions]) -> None:
    versions, writer = open_versions(), open_versions()
    first = flipped(writer, a=1)
    with versions.at_one_moment():
        second = flipped(writer, a=2)
        assert versions.current([A]) == {A: first}
    assert versions.current([A]) == {A: second}
    with versions._connection.transaction(), versions.at_one_moment():
        third = flipped(writer, a=3)
        assert versions.current([A]) == {A: third}


def test_generations_do_not_meet(versions: DocumentVersions) -> None:
    flipped(versions, a=1)
    other = DocumentVersions(versions._connection, versions._generation - 1)
    assert (other.every(), other.stale(10)) == ({}, [])
    other.clear()
    assert versions.totals() == (1, 1)
    versions.clear()
    assert (versions.totals(), versions.stale(10)) == ((0, 0), [])


def test_restored_versions_are_below_all_later_ones(versions: DocumentVersions) -> None:
    flipped(versions, c=1)
    versions.restore({A: (1000, 3), B: (7, 2)})
    assert versions.every() == {A: (1000, 3), B: (7, 2)}
    assert flipped(versions, a=4, b=4) > 1000
    versions.restore({})
    assert versions.reserve() > 1001


def test_what_lies_below_restored_versions_is_stale(versions: DocumentVersions) -> None:
    versions.restore({A: (1000, 3), B: (7, 2)})
    assert versions.stale(10) == [(B, 7), (A, 1000)]


def test_versions_go_on_after_one_that_was_met(versions: DocumentVersions) -> None:
    given = versions.reserve()
    assert versions.last() == given
    versions.go_on_after(given + 500)
    assert versions.last() == given + 500
    versions.go_on_after(given)
    assert versions.reserve() > given + 500


def test_no_version_was_given_yet(versions: DocumentVersions) -> None:
    assert versions.last() == 0


def test_a_transaction_is_noticed(versions: DocumentVersions) -> None:
    assert not versions.in_transaction()
    with versions._connection.transaction():
        assert versions.in_transaction()
    assert not versions.in_transaction()
