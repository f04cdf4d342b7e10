"""Weaviate for tests: the fake, and a real server where one is named; versions in a real PostgreSQL."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contracts.stored import DIMENSION
from fake_weaviate import FakeWeaviate
from psycopg.conninfo import make_conninfo
from weaviate import WeaviateClient

from ragctl.embedded.server import EmbeddedServer
from ragctl.state.document_versions import TABLES, DocumentVersions
from ragctl.state.generations import Generations
from ragctl.state.migrations import migrate
from ragctl.stores.weaviate import WeaviateStore
from ragctl.stores.weaviate_connection import Address, Credentials, connect

URL_VARIABLE = "RAGCTL_TEST_WEAVIATE_URL"
"""`http://HOST:PORT` of a server to run the suite of all stores on; `…_GRPC_PORT`, `…_API_KEY` go with it."""

DATABASE = "weaviate_tests"
_numbers = itertools.count()

Connect = Callable[[], psycopg.Connection[Any]]
Client = Callable[[], WeaviateClient]
Versions = Callable[[], DocumentVersions]


@pytest.fixture(scope="session")
def versions_dsn(server_base: Path) -> Iterator[str]:
    """A database with the state's schema and the tables of versions."""
    with EmbeddedServer(server_base / ".ragctl").connect(autocommit=True) as session:
        session.execute(f"CREATE DATABASE {DATABASE}")
        dsn = make_conninfo(session.info.dsn, dbname=DATABASE, password=session.info.password)
        with psycopg.connect(dsn, autocommit=True) as made:
            migrate(made)
            there = made.execute("SELECT to_regclass('ragctl.document_versions')").fetchone()
            if there is None or there[0] is None:
                made.execute(TABLES)
        yield dsn


@pytest.fixture
def open_state(versions_dsn: str) -> Iterator[Connect]:
    """Opens connections to it in autocommit mode; they are closed after the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            psycopg.connect(versions_dsn, autocommit=True, options="-csearch_path=ragctl,public")
        )


@pytest.fixture
def index() -> str:
    """The name of an index that no other test uses; on a server that is kept, no other run either."""
    return f"t{os.getpid():x}_{next(_numbers)}"


@pytest.fixture
def open_versions(open_state: Connect, index: str) -> Versions:
    """The versions of a generation of this test's own, each time over another connection."""
    connection = open_state()
    generations = Generations(connection, index)
    generations.claim_index("docs")
    generation = generations.create(recipe="r", recipe_parts={}, embedder="e", dimension=8)
    return lambda: DocumentVersions(open_state(), generation.id)


@pytest.fixture
def fake() -> Iterator[FakeWeaviate]:
    """The FAKE server; see its docstring for what it proves and what not."""
    with FakeWeaviate() as server:
        yield server


@pytest.fixture
def fake_client(fake: FakeWeaviate) -> Iterator[Client]:
    """Opens clients of the fake."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(connect(Address.of(fake.url, grpc_port=fake.grpc_port)))


@pytest.fixture
def real_client() -> Iterator[Client]:
    """Opens clients of a real server."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        pytest.skip(f"needs a Weaviate server, named by {URL_VARIABLE}")
    port = os.environ.get("RAGCTL_TEST_WEAVIATE_GRPC_PORT")
    address = Address.of(url, grpc_port=int(port) if port else None)
    credentials = Credentials(api_key=os.environ.get("RAGCTL_TEST_WEAVIATE_API_KEY"))
    with ExitStack() as stack:
        yield lambda: stack.enter_context(connect(address, credentials))


Opened = Callable[..., WeaviateStore]


@pytest.fixture
def open_store(fake_client: Client, open_versions: Versions, index: str) -> Opened:
    """Opens stores of one generation over the FAKE, each as another process would do it."""

    def open_store(**arguments: Any) -> WeaviateStore:
        given = {"prefix": f"{index}_g1", "dimension": DIMENSION, "concurrency": 1, **arguments}
        return WeaviateStore(fake_client(), open_versions(), **given)

    return open_store


@pytest.fixture
def store(open_store: Opened) -> WeaviateStore:
    made = open_store()
    made.create()
    return made
