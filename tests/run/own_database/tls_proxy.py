"""TLS in front of a PostgreSQL server that was built without: libpq's own way to ask for it, and real TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

_ASKED_FOR = struct.pack("!ii", 8, 80877103)  # SSLRequest, with its length
_READ = 65_536


class TlsProxy:
    """Listens on `port` of loopback; whoever does not ask for TLS is refused as a server would.

    Attributes:
        encrypted: connections so far.
    """

    def __init__(self, target: int, certificate: Path, key: Path) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.encrypted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if client.recv(len(_ASKED_FOR)) != _ASKED_FOR:
                client.sendall(_refusal("28000", 'no pg_hba.conf entry for host "127.0.0.1", no encryption'))
                return
            client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as secured,
                socket.create_connection(("127.0.0.1", self._target)) as server,
            ):
                self.encrypted += 1
                back = threading.Thread(target=_pass_on, args=(server, secured), daemon=True)
                back.start()
                _pass_on(secured, server)
                back.join(timeout=10)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(_READ):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)


def _refusal(state: str, message: str) -> bytes:
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", state), (b"M", message))
    )
    return b"E" + struct.pack("!i", 4 + len(fields) + 1) + fields + b"\0"


@contextlib.contextmanager
def encrypting(target: int, certificate: Path, key: Path) -> Iterator[TlsProxy]:
    proxy = TlsProxy(target, certificate, key)
    try:
        yield proxy
    finally:
        proxy.close()
