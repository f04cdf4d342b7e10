"""pgvector on a real server: the suite of all stores, and what is particular to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
import psycopg
import pytest
from contracts.store import VectorStoreContract
from contracts.stored import DIMENSION, Opener, embedded, random_vectors, texts_of
from psycopg import sql

from ragctl.errors import Mismatch, Unavailable
from ragctl.stores.pgvector import PgVectorStore

_numbers = itertools.count()


class Connect(Protocol):
    def __call__(self, **arguments: Any) -> psycopg.Connection[Any]: ...


class TestContract(VectorStoreContract):
    """The suite, over a Unix socket and over TCP."""

    @pytest.fixture
    def open_store(self, connect: Connect) -> Iterator[Opener]:
        prefix = f"contract{next(_numbers)}"

        def open_store(dimension: int = DIMENSION) -> PgVectorStore:
            return PgVectorStore(connect(), schema="public", prefix=prefix, dimension=dimension)

        yield open_store
        open_store().drop()


@pytest.fixture
def prefix() -> str:
    return f"particular{next(_numbers)}"


@pytest.fixture
def store(connection: psycopg.Connection[Any], prefix: str) -> Iterator[PgVectorStore]:
    made = PgVectorStore(connection, schema="public", prefix=prefix, dimension=DIMENSION)
    made.create()
    yield made
    made.drop()


class Rollback(Exception):
    """Ends a caller's transaction."""


def test_writes_join_the_callers_transaction(
    store: PgVectorStore, connection: psycopg.Connection[Any]
) -> None:
    store.replace([embedded("a.md", ["old"]), embedded("b.md", ["kept"])])
    with suppress(Rollback), connection.transaction():
        store.replace([embedded("a.md", ["new", "and more"]), embedded("c.md", ["added"])])
        store.delete([("docs", "b.md")])
        assert store.counts() == (2, 3)
        raise Rollback
    assert store.documents() == {("docs", "a.md"), ("docs", "b.md")}
    assert (texts_of(store, "a.md"), texts_of(store, "b.md")) == (["old"], ["kept"])
    with connection.transaction():
        store.replace([embedded("a.md", ["new"])])
    assert texts_of(store, "a.md") == ["new"]


def test_a_refused_batch_leaves_the_callers_transaction_usable(
    store: PgVectorStore, connection: psycopg.Connection[Any]
) -> None:
    with connection.transaction():
        store.replace([embedded("a.md", ["first"])])
        with pytest.raises(psycopg.DataError, match="0x00"):
            store.replace([embedded("b.md", ["has a \0 in it"])])
        store.replace([embedded("c.md", ["third"])])
    assert store.documents() == {("docs", "a.md"), ("docs", "c.md")}


@pytest.mark.parametrize(
    ("schema", "prefix"),
    [
        ("public", "select"),
        ("public", "UPPER and space"),
        ('with "quotes"', "it's; DROP TABLE x; --"),
        ("100%", "%s %(a)s %% %"),
        ("{0}", "{documents} {}"),
        ("back\\slash.dot", "dot.ted"),
        ("münchen", "ⅷ👩‍👧"),
        ("s" * 63, "p" * 53),
    ],
)
def test_names_are_quoted(connection: psycopg.Connection[Any], schema: str, prefix: str) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    store = PgVectorStore(connection, schema=schema, prefix=prefix, dimension=DIMENSION)
    assert not store.exists()
    store.create()
    written = embedded("100%.md", ["one", "two"])
    store.replace([written])
    assert store.exists()
    assert (store.counts(), store.documents()) == ((1, 2), {("docs", "100%.md")})
    assert len(store.search(written.vectors, k=1)) == 2
    assert texts_of(store, "100%.md") == ["one", "two"]
    tables = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, %s)",
        (schema, prefix),
    ).fetchall()
    kinds = ("chunks", "documents", "lexical", "terms")
    assert sorted(tables) == [(f"{prefix}_{kind}",) for kind in kinds]
    store.optimize()
    store.optimize()
    assert [hit.text for hit in store.search_text(["two"], k=5)[0]] == ["two"]
    assert store.delete([("docs", "100%.md")]) == 2
    store.drop()
    assert not store.exists()


@pytest.mark.parametrize(("schema", "prefix"), [("public", "p" * 54), ("public", "ü" * 27), ("s" * 64, "p")])
def test_a_name_that_postgresql_would_cut_is_refused(
    connection: psycopg.Connection[Any], schema: str, prefix: str
) -> None:
    with pytest.raises(ValueError, match="63 bytes"):
        PgVectorStore(connection, schema=schema, prefix=prefix, dimension=DIMENSION)


def test_generations_do_not_see_one_another(connection: psycopg.Connection[Any]) -> None:
    stores = [
        PgVectorStore(connection, schema="public", prefix=prefix, dimension=DIMENSION)
        for prefix in ("beside_g1", "beside_g11")
    ]
    for number, store in enumerate(stores):
        store.create()
        store.replace([embedded("a.md", [f"of {number}"])])
    stores[0].drop()
    assert texts_of(stores[1], "a.md") == ["of 1"]
    stores[1].drop()


def test_dropping_one_table_by_hand_is_noticed(
    store: PgVectorStore, connection: psycopg.Connection[Any], prefix: str
) -> None:
    connection.execute(f"DROP TABLE {prefix}_documents")
    assert not store.exists()
    assert store.counts() == (0, 0)
    with pytest.raises(Mismatch, match="gone"):
        store.search(random_vectors(1, seed=1), k=1)


def test_vectors_are_stored_to_the_last_bit(
    store: PgVectorStore, connection: psycopg.Connection[Any], prefix: str
) -> None:
    vectors = random_vectors(50, seed=7)
    store.replace([embedded("a.md", ["x"] * 50, vectors)])
    rows = connection.execute(
        f"SELECT embedding::real[], input_hash FROM {prefix}_chunks ORDER BY ordinal"
    ).fetchall()
    assert np.array([row[0] for row in rows], dtype=np.float32).tobytes() == vectors.tobytes()
    assert [row[1] for row in rows] == [f"a.md#{number}".encode() for number in range(50)]


@pytest.fixture
def bare(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """A database as a user's server has it: without the extension."""
    name = f"bare{next(_numbers)}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = psycopg.conninfo.make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened
    connection.execute(f"DROP DATABASE {name}")


def test_the_extension_is_made_where_it_is_missing(bare: psycopg.Connection[Any]) -> None:
    store = PgVectorStore(bare, schema="public", prefix="first", dimension=DIMENSION)
    assert not store.exists()
    assert store.counts() == (0, 0)
    store.create()
    written = embedded("a.md", ["one"])
    store.replace([written])
    assert store.search(written.vectors, k=1)[0][0].text == "one"


def test_who_may_not_make_the_extension_is_told_what_to_do(bare: psycopg.Connection[Any]) -> None:
    role = f"reader{next(_numbers)}"
    bare.execute(f"CREATE ROLE {role}")
    bare.execute(f"SET ROLE {role}")
    store = PgVectorStore(bare, schema="public", prefix="first", dimension=DIMENSION)
    with pytest.raises(Unavailable, match="permission denied") as refused:
        store.create()
    assert "CREATE EXTENSION vector" in (refused.value.hint or "")
    bare.execute("RESET ROLE")
    bare.execute("CREATE SCHEMA elsewhere")
    bare.execute("CREATE EXTENSION vector SCHEMA elsewhere")
    with pytest.raises(Unavailable, match="vector"):
        store.create()
    bare.execute("SET search_path TO public, elsewhere")
    store.create()
    assert store.exists()
    bare.execute(f"DROP ROLE {role}")
