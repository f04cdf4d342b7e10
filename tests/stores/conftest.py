"""Embedded servers that stores are tried on: over a Unix socket and over loopback TCP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

pytest.register_assert_rewrite("contracts.store", "contracts.store_filters", "contracts.store_text")

from ragctl.embedded.endpoint import TCP_VARIABLE  # noqa: E402
from ragctl.embedded.server import EmbeddedServer  # noqa: E402


class Connect(Protocol):
    def __call__(self, **arguments: Any) -> psycopg.Connection[Any]: ...


@pytest.fixture(scope="session")
def tcp_home(tmp_path_factory: pytest.TempPathFactory, no_data_left_behind: None) -> Iterator[Path]:
    """The home of a server that listens on loopback TCP."""
    home = tmp_path_factory.mktemp("tcp") / ".ragctl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TCP_VARIABLE, "1")
        EmbeddedServer(home).connect().close()
    yield home
    EmbeddedServer(home).stop()


@pytest.fixture(
    params=[
        pytest.param(
            "socket",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets"),
        ),
        "tcp",
    ]
)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens connections over one way or the other, in autocommit mode; they are closed after the test."""
    if request.param == "tcp":
        home = request.getfixturevalue("tcp_home")
    else:
        home = request.getfixturevalue("server_base") / ".ragctl"
    with ExitStack() as stack:

        def connect(**arguments: Any) -> psycopg.Connection[Any]:
            opened = EmbeddedServer(home).connect(autocommit=True, **arguments)
            return stack.enter_context(opened)

        first = connect()
        assert (first.info.host == "127.0.0.1") == (request.param == "tcp")
        yield connect
