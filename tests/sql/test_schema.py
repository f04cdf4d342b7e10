"""The schema of both databases: what is read, what is left out, and what a model is shown of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from own_server import OwnServer
from sql.shop import READER

from ragctl.errors import GuardRefused, Unavailable, UsageError
from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.relevant_tables import choose_tables
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.schema_text import schema_text, without_samples
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import Column, ForeignKey, Schema, Table
from ragctl.sql.wire import from_json, to_json


def test_postgres(postgres_schema: Schema) -> None:
    names = [one.full_name for one in postgres_schema.tables]
    assert names == ["public.customer", "public.orders", "public.spending", "public.totals"]
    customer, orders, spending, _ = postgres_schema.tables
    assert (customer.comment, customer.rows, customer.rows_estimated) == (
        "people who bought something",
        5,
        False,
    )
    assert customer.primary_key == ("id",)
    email = next(one for one in customer.columns if one.name == "email")
    assert (email.sensitive, email.samples, email.nullable) == (True, (), True)
    assert next(one for one in customer.columns if one.name == "country").samples == ("DE", "FI", "IE")
    assert orders.foreign_keys == (ForeignKey(("customer_id",), "public.customer", ("id",)),)
    status = next(one for one in orders.columns if one.name == "status")
    assert status.values == ("new", "paid", "sent")
    assert (spending.kind, spending.rows) == ("view", None)


def test_sqlite(sqlite_shop: SqliteDatabase) -> None:
    schema = sqlite_shop.schema()
    assert [one.full_name for one in schema.tables] == ["main.customer", "main.orders", "main.spending"]
    customer, orders, _ = schema.tables
    assert (customer.rows, customer.primary_key) == (5, ("id",))
    assert orders.foreign_keys == (ForeignKey(("customer_id",), "main.customer", ("id",)),)
    assert "ada@example.org" not in schema_text(schema)
    assert "'DE'" in schema_text(schema)
    assert "'DE'" not in schema_text(without_samples(schema))


def test_the_fingerprint_is_of_the_shape_and_not_of_the_rows(
    sqlite_shop: SqliteDatabase, shop_file: Path
) -> None:
    before = sqlite_shop.schema().fingerprint
    with sqlite3.connect(shop_file) as connection:
        connection.execute("INSERT INTO customer (name) VALUES ('New')")
    assert sqlite_shop.schema().fingerprint == before
    with sqlite3.connect(shop_file) as connection:
        connection.execute("ALTER TABLE customer ADD COLUMN age int")
    assert sqlite_shop.schema().fingerprint != before


def test_a_schema_survives_json(postgres_schema: Schema) -> None:
    assert from_json(Schema, to_json(postgres_schema)) == postgres_schema


def test_a_role_that_could_write_is_refused(shop_server: OwnServer) -> None:
    database = PostgresDatabase(shop_server.dsn())
    with pytest.raises(GuardRefused, match="is a superuser") as found:
        database.schema()
    assert "password" not in str(found.value)
    database.close()
    warned = PostgresDatabase(shop_server.dsn(), writer="warn")
    assert "is a superuser" in warned.warnings[0]
    warned.close()


def test_what_cannot_be_reached_says_so_without_its_password(tmp_path: Path) -> None:
    nowhere = PostgresDatabase("host=127.0.0.1 port=1 user=x password=hunter2")
    with pytest.raises(Unavailable) as found:
        nowhere.schema()
    assert "hunter2" not in f"{found.value} {found.value.hint}"
    with pytest.raises(Unavailable, match="there is no SQLite database"):
        SqliteDatabase(tmp_path / "none.db").schema()
    (tmp_path / "text.db").write_text("no database, but long enough to be read as one" * 20, encoding="utf-8")
    with pytest.raises(Unavailable, match="cannot be read"):
        SqliteDatabase(tmp_path / "text.db").schema()


def test_tables_are_left_out_by_pattern(shop_server: OwnServer) -> None:
    options = SchemaOptions(include=("*",), exclude=("public.t*", "spending"))
    database = PostgresDatabase(shop_server.dsn(*READER), options=options)
    assert [one.name for one in database.schema().tables] == ["customer", "orders"]
    database.close()


class ByWords:
    """Vectors of which words a text has; of a real embedder the tests of ask have enough."""

    dimension = 3
    words = ("customer", "orders", "staff")

    def embed_queries(self, texts: list[str]) -> np.ndarray:
        return np.array([[float(word in text) for word in self.words] for text in texts], dtype=np.float32)


def wide() -> Schema:
    def table(name: str, *keys: ForeignKey) -> Table:
        return Table("public", name, "table", (Column("id", "int"),), foreign_keys=keys)

    return Schema(
        "postgres",
        (
            table("customer"),
            table("orders", ForeignKey(("id",), "public.customer", ("id",))),
            table("staff"),
        ),
        "f",
    )


def test_of_a_wide_schema_the_nearest_tables_are_chosen_with_those_of_their_keys() -> None:
    schema, vectors = wide(), np.eye(3, dtype=np.float32)

    def chosen(budget: int) -> list[str]:
        return choose_tables(
            schema,
            ["how many orders?"],
            lambda text: len(text.split()),
            budget=budget,
            embedder=ByWords(),  # type: ignore[arg-type]
            vectors=vectors,
        )

    assert chosen(1000) == ["public.customer", "public.orders", "public.staff"]
    assert chosen(12) == ["public.customer", "public.orders"]
    assert chosen(1) == ["public.orders"]
    with pytest.raises(UsageError, match="more than fit into 1 tokens"):
        choose_tables(schema, ["?"], len, budget=1, embedder=None)
