"""Airflow's metadata store: a PostgreSQL of its own on loopback, from the programs that ragctl brings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ragctl.embedded import layout
from ragctl.embedded.endpoint import TCP_VARIABLE, USER
from ragctl.embedded.server import EmbeddedServer

DATABASE = "airflow"
SETTINGS = {
    "max_connections": "200",  # the embedded server's own limit is for a command line
    # LocalExecutor's workers and its log server are forks of the scheduler. Where that is killed they keep
    # its connection open, with all that its last transaction had locked, and a new one waits for ever.
    "idle_in_transaction_session_timeout": "'20s'",
}


@contextlib.contextmanager
def _over_tcp() -> Iterator[None]:
    """Servers started meanwhile listen on loopback; those that ragctl starts later keep their sockets."""
    before = os.environ.get(TCP_VARIABLE)
    os.environ[TCP_VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(TCP_VARIABLE)
        if before is not None:
            os.environ[TCP_VARIABLE] = before


@contextlib.contextmanager
def metadata_database(home: Path) -> Iterator[str]:
    """A fresh database; its URL without a scheme, `user:password@host:port/name`. Stopped at the end."""
    server = EmbeddedServer(home, idle_stop_s=float("inf"))
    try:
        with _over_tcp():
            with server.connect(autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")
                for name, value in SETTINGS.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            server.stop()
            server.connect().close()
        directory = layout.find(server.home)
        assert directory is not None
        password = directory.password.read_text(encoding="utf-8").strip()
        yield f"{USER}:{quote(password, safe='')}@127.0.0.1:{server.status().port}/{DATABASE}"
    finally:
        server.stop()
