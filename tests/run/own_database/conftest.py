"""A PostgreSQL server as a company has it: an administrator, roles with few rights, and a workspace in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from own_server import OwnServer
from psycopg import sql

from workspace import Workspace

DSN = "TEST_OWN_DSN"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(no_data_left_behind: None) -> Iterator[OwnServer]:
    made = OwnServer()
    yield made
    made.close()


@pytest.fixture
def database(server: OwnServer) -> str:
    """The name of an empty database, in which nobody but its administrator may make anything."""
    name = f"d{next(_numbers)}"
    with server.connect() as admin:
        admin.execute(f"CREATE DATABASE {name}")
        admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    return name


@pytest.fixture
def role(server: OwnServer) -> Callable[[str], str]:
    """Makes a role that may log in, with the password `secret`; returns its name."""

    def made(kind: str) -> str:
        name = f"{kind}{next(_numbers)}"
        with server.connect() as admin:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(name)))
        return name

    return made


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OwnServer, database: str) -> Workspace:
    """As the server's administrator, until the test says otherwise (see `as_role`)."""
    made = Workspace(tmp_path, f"own{next(_numbers)}")
    made.spec(store={"type": "pgvector", "dsn_env": DSN})
    made.write("a.md", "# Lighthouses\n\nThe lamp of the lighthouse turns.\n")
    monkeypatch.setenv(DSN, server.dsn(dbname=database))
    return made
