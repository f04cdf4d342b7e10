"""Indexes and databases of a test's own, in the session's server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.embedded.server import EmbeddedServer
from ragctl.state.generations import Generation, Generations
from ragctl.state.schema import enter_schema

_numbers = itertools.count()

Opener = Callable[[], psycopg.Connection[Any]]


@pytest.fixture
def server_home(server_base: Path) -> Path:
    return server_base / ".ragctl"


@pytest.fixture
def other(connection: psycopg.Connection[Any], server_home: Path) -> Iterator[psycopg.Connection[Any]]:
    """A second client of the same database."""
    with EmbeddedServer(server_home).connect(autocommit=True) as opened:
        enter_schema(opened)
        yield opened


@pytest.fixture
def open_fresh(connection: psycopg.Connection[Any]) -> Iterator[Opener]:
    """Opens connections, in autocommit mode, to a database that nothing has been made in."""
    name = f"fresh{next(_numbers)}"
    connection.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(connection.info.dsn, dbname=name, password=connection.info.password)
    with ExitStack() as stack:

        def opened() -> psycopg.Connection[Any]:
            made = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            enter_schema(made)
            return made

        yield opened
    connection.execute(f"DROP DATABASE {name}")


@pytest.fixture
def index() -> str:
    """The name of an index that no other test uses."""
    return f"state{next(_numbers)}"


@pytest.fixture
def generations(connection: psycopg.Connection[Any], index: str) -> Generations:
    """The generations of an index that the pipeline `docs` owns; there are none yet."""
    made = Generations(connection, index)
    made.claim_index("docs")
    return made


@pytest.fixture
def create(generations: Generations) -> Callable[[], Generation]:
    """Makes another generation of the index."""
    return lambda: generations.create(
        recipe="r" * 64, recipe_parts={"extract": "e", "chunk": "c"}, embedder="model@1", dimension=8
    )
