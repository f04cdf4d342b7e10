"""A run that has lost its index writes nothing more: neither chunks nor a row of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contracts.stored import DIMENSION, embedded

from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import LeaseLost
from ragctl.run.ingesting.ingest import LedgeredWriter
from ragctl.state.generations import Generation, Generations
from ragctl.state.lease import acquire_lease, break_lease
from ragctl.state.ledger import Ledger
from ragctl.state.migrations import SCHEMA
from ragctl.state.runs import Runs
from ragctl.state.schema import enter_schema
from ragctl.stores.pgvector import PgVectorStore
from ragctl.types import EmbeddedDocument, Item

INDEX = "lost_lease"


class Run:
    """A run with a connection and the lease of its own, on the common index."""

    def __init__(self, name: str, connection: psycopg.Connection[Any], generation: Generation) -> None:
        self.name = name
        self.connection = connection
        self.store = PgVectorStore(
            connection, schema=SCHEMA, prefix=generation.table_prefix, dimension=DIMENSION
        )
        self.ledger = Ledger(connection, generation.id)
        self.lease = acquire_lease(connection, INDEX, name, Runs(connection, INDEX), patience_s=20)

    def write(self, *documents: EmbeddedDocument) -> None:
        items = {
            (one.document.source, one.document.item): Item(
                one.document.source, one.document.item, one.document.uri, f"{self.name} saw it"
            )
            for one in documents
        }
        writer = LedgeredWriter(self.connection, self.store, self.ledger, items, self.lease)
        writer.replace(list(documents))

    def held(self) -> dict[str, tuple[list[str], str]]:
        """Of each document the texts of its chunks, and the fingerprint that the ledger has."""
        known = self.ledger.items()
        return {
            path: (
                [row["text"] for row in self.store.chunks_of(source, path)],
                known[source, path].fingerprint,
            )
            for source, path in self.store.documents()
        }


@pytest.fixture
def start(connection: psycopg.Connection[Any], server_base: Path) -> Iterator[Callable[[str], Run]]:
    """Starts runs on an index that nothing is in yet."""
    generations = Generations(connection, INDEX)
    generations.claim_index("docs")
    generation = generations.create(recipe="r", recipe_parts={}, embedder="model", dimension=DIMENSION)
    store = PgVectorStore(connection, schema=SCHEMA, prefix=generation.table_prefix, dimension=DIMENSION)
    store.create()
    with ExitStack() as stack:

        def start(name: str) -> Run:
            opened = EmbeddedServer(server_base / ".ragctl").connect(autocommit=True)
            enter_schema(opened)
            return Run(name, stack.enter_context(opened), generation)

        yield start
    store.drop()
    generations.mark_dropped(generation)


OLD = embedded("a.txt", ["the old version"])
NEW = embedded("a.txt", ["the new version,", "of two chunks"])
OTHER = embedded("b.txt", ["another document"])


def test_an_abandoned_run(start: Callable[[str], Run], connection: psycopg.Connection[Any]) -> None:
    run = start("abandoned")
    run.write(OLD)
    before = run.held()
    assert before == {"a.txt": (["the old version"], "abandoned saw it")}
    assert break_lease(connection, INDEX, "abandoned")
    for documents in ([NEW], [OTHER], [NEW, OTHER]):
        with pytest.raises(LeaseLost, match="abandoned no longer holds the index"):
            run.write(*documents)
        assert run.held() == before


def test_a_run_that_another_has_followed(
    start: Callable[[str], Run], connection: psycopg.Connection[Any]
) -> None:
    first = start("first")
    first.write(OLD, OTHER)
    break_lease(connection, INDEX, "first")
    # As when the server ended its session: the lock goes, and the run thinks that it still has it.
    first.connection.execute("SELECT pg_advisory_unlock_all()")
    second = start("second")
    second.write(NEW)
    with pytest.raises(LeaseLost):
        first.write(OLD)
    assert second.held() == {
        "a.txt": (["the new version,", "of two chunks"], "second saw it"),
        "b.txt": (["another document"], "first saw it"),
    }
    assert second.lease.epoch > first.lease.epoch
    second.write(OLD)


def test_what_was_written_before_it_was_lost_in_the_same_transaction_goes_too(
    start: Callable[[str], Run], connection: psycopg.Connection[Any]
) -> None:
    run = start("late")
    with pytest.raises(LeaseLost), run.connection.transaction():
        run.store.replace([OLD])
        break_lease(connection, INDEX, "late")
        run.lease.check(run.connection)
    assert run.held() == {}
