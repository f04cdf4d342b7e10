"""Two databases of one small shop for the tests of the SQL assistant, and a role that may only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_server import OwnServer
from sql.shop import READER, fill_postgres, fill_sqlite

from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.schema_options import SchemaOptions
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import Limits, Schema

QUICK = Limits(timeout_s=0.6, max_rows=50, max_bytes=200_000, max_value_bytes=20_000, memory_bytes=64 << 20)


@pytest.fixture(scope="session")
def shop_server(no_data_left_behind: None) -> Iterator[OwnServer]:
    server = OwnServer()
    try:
        with server.connect() as owner:
            fill_postgres(owner)
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_shop(shop_server: OwnServer) -> Iterator[PostgresDatabase]:
    """Asked as the role that may only read."""
    database = PostgresDatabase(
        shop_server.dsn(*READER), limits=QUICK, options=SchemaOptions(sensitive=("email",), samples=3)
    )
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres_schema(shop_server: OwnServer) -> Schema:
    """As it is read for the tests, once."""
    options = SchemaOptions(sensitive=("email",), samples=3)
    database = PostgresDatabase(shop_server.dsn(*READER), limits=QUICK, options=options)
    try:
        return database.schema()
    finally:
        database.close()


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    path = tmp_path / "the shop #1?.db"  # a name that a URI must escape
    connection = sqlite3.connect(path)
    fill_sqlite(connection)
    connection.close()
    return path


@pytest.fixture
def sqlite_shop(shop_file: Path) -> SqliteDatabase:
    options = SchemaOptions(exclude=("salary",), sensitive=("email",), samples=3)
    return SqliteDatabase(shop_file, limits=QUICK, options=options)
