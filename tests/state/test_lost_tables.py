"""Are the state's tables whole, seen while another process makes them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from ragctl.state import lost_tables
from ragctl.state.lost_tables import missing_tables
from ragctl.state.migrations import migrate

Opener = Callable[[], psycopg.Connection[Any]]


@pytest.mark.parametrize("look", ["before the version", "after the version"])
def test_tables_that_another_process_makes_meanwhile_are_not_missing(
    open_fresh: Opener, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    ours, theirs = open_fresh(), open_fresh()
    true_version = lost_tables.schema_version

    def version_while_others_migrate(connection: psycopg.Connection[Any], schema: str) -> int:
        if look == "before the version":
            migrate(theirs)
        version = true_version(connection, schema)
        migrate(theirs)
        return version

    monkeypatch.setattr(lost_tables, "schema_version", version_while_others_migrate)
    assert missing_tables(ours) == []


@pytest.fixture
def migrating(open_fresh: Opener) -> Iterator[psycopg.Connection[Any]]:
    """In a transaction that has made the tables and is not through."""
    connection = open_fresh()
    with connection.transaction(force_rollback=True):
        migrate(connection)
        yield connection


def test_tables_of_a_transaction_that_is_not_through_are_nobodys(
    open_fresh: Opener, migrating: psycopg.Connection[Any]
) -> None:
    assert missing_tables(open_fresh()) == []


def test_what_is_gone_is_named(open_fresh: Opener) -> None:
    ours = open_fresh()
    migrate(ours)
    ours.execute("DROP TABLE ragctl.texts, ragctl.schema_version")
    assert missing_tables(ours) == ["schema_version", "texts"]
