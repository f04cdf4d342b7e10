"""Loopback TCP, as where there are no Unix sockets."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from embedded.homes import directory_of

from ragctl.embedded import endpoint
from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import Mismatch


@pytest.fixture(autouse=True)
def tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endpoint.TCP_VARIABLE, "1")


def test_listens_on_loopback_alone_and_asks_for_the_password(server: EmbeddedServer, home: Path) -> None:
    with server.connect() as connection:
        assert connection.info.host == "127.0.0.1"
        row = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()
        assert row == ("127.0.0.1", "")
    status = server.status()
    assert (status.sockets, status.running) == (None, True)
    known = {"host": "127.0.0.1", "port": status.port, "user": "ragctl", "dbname": "ragctl"}
    for password in ("", "guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(**known, password=password, passfile="none")
    if sys.platform != "win32":
        assert directory_of(home).password.stat().st_mode & 0o077 == 0
    assert server.stop()


def test_the_password_is_never_shown_to_another_server(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    server.stop()
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as impostor:

        def ask_for_cleartext() -> None:
            client, _ = impostor.accept()
            with client:
                client.recv(4096)
                client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # AuthenticationCleartextPassword
                heard.append(client.recv(4096))

        thread = threading.Thread(target=ask_for_cleartext)
        thread.start()
        endpoint.remember(directory_of(home), endpoint.Endpoint(None, impostor.getsockname()[1]))
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        thread.join(timeout=20)
    password = directory_of(home).password.read_bytes().strip()
    assert heard and password not in heard[0]


def test_lost_password_is_a_mismatch(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    kept = directory_of(home).password.read_text(encoding="utf-8")
    directory_of(home).password.unlink()
    with pytest.raises(Mismatch, match="password"):
        server.connect()
    directory_of(home).password.write_text(kept, encoding="utf-8")


def test_a_server_may_change_from_tcp_to_socket(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.connect().close()
    monkeypatch.delenv(endpoint.TCP_VARIABLE)
    server.connect().close()
    assert server.status().sockets is None  # the one that runs goes on being used
    server.stop()
    server.connect().close()
    assert server.status().sockets is not None
