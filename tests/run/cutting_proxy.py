"""A TCP proxy in front of a database that cuts one connection at a chosen point."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_READ = 4096
# Closing sends a reset at once instead of what is still to be sent.
_ABORTIVE = struct.pack("ii", 1, 0)


@dataclass
class Cut:
    """Where the connection is cut, as the bytes that the client sends are seen.

    Attributes:
        marks: byte strings; the cut comes after the last of them, all having come in this order.
        more: bytes that are let through after it.
        answered: whether the server's answers are let through until then.
    """

    marks: tuple[bytes, ...]
    more: int = 0
    happened: threading.Event = field(default_factory=threading.Event)
    _seen: bytes = b""
    _passed: int = 0

    def after(self, data: bytes) -> bool:
        """Told of what was sent; True when the connection is to be cut after it."""
        if self._passed < len(self.marks):
            self._seen += data
            while self._passed < len(self.marks) and self.marks[self._passed] in self._seen:
                self._seen = self._seen.split(self.marks[self._passed], 1)[1]
                self._passed += 1
            self._seen = self._seen[-_READ:]
        else:
            self.more -= len(data)
        return self._passed == len(self.marks) and self.more <= 0


class CuttingProxy:
    """Listens on `port` of loopback and passes everything on to `target`; cuts once.

    Args:
        lasting: nobody gets through any more after that.
    """

    def __init__(self, target: int, cut: Cut, *, lasting: bool = False) -> None:
        self._target = target
        self._cut = cut
        self._lasting = lasting
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                if self._lasting and self._cut.happened.is_set():
                    _reset(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                for one, other, watched in ((client, server, True), (server, client, False)):
                    thread = threading.Thread(target=self._pass_on, args=(one, other, watched), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _pass_on(self, one: socket.socket, other: socket.socket, watched: bool) -> None:
        with contextlib.suppress(OSError):  # the other side is gone, or was cut
            while data := one.recv(_READ):
                cut = watched and not self._cut.happened.is_set() and self._cut.after(data)
                if cut:
                    if self._lasting:  # it must not come back before that is noted
                        self._cut.happened.set()
                    # The client is cut off first, so that no answer to these bytes can reach it.
                    _reset(one)
                other.sendall(data)
                if cut:
                    self._cut.happened.set()
                    break
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(timeout=10)


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE)
    end.close()


@contextlib.contextmanager
def cutting(target: int, cut: Cut, *, lasting: bool = False) -> Iterator[int]:
    """The port of a proxy that cuts, for a while."""
    proxy = CuttingProxy(target, cut, lasting=lasting)
    try:
        yield proxy.port
    finally:
        proxy.close()
