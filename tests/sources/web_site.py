"""A web site on loopback whose pages a test makes up, and which counts what it is asked for."""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass
class Reply:
    """What a path answers with."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[["Asked"], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none; it does when it has seen enough."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class WebSite:
    """Pages by path (with the query, where it has one); `/a` unless it is there is a 404.

    Attributes:
        etags: give every page an ETag and answer conditional requests with 304.
        asked: path → how often it was asked for; `sent`: how often a body was sent.
        hosts: values of the header Host that came.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply | Handler] = {}
        self.etags = True
        self.asked: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.moments: list[tuple[float, str]] = []
        self.seen_headers: dict[str, Mapping[str, str]] = {}
        self.connections = 0
        site = self

        class _Handler(Asked):
            pass

        _Handler.site = site
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        return f"http://{self.authority}{path}"

    def page(
        self, path: str, text: str | bytes, media_type: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        """Puts a page there; `_` in names of headers stands for `-`."""
        body = text.encode() if isinstance(text, str) else text
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies[path] = Reply(body, headers={"Content-Type": media_type, **named})

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.replies[path] = Reply(status=status, headers={"Location": to})

    def forget_counts(self) -> None:
        self.asked.clear()
        self.sent.clear()
        self.moments.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Asked(BaseHTTPRequestHandler):
    """One connection."""

    site: WebSite
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.site.connections += 1
        super().setup()

    def do_GET(self) -> None:
        site = self.site
        site.asked[self.path] += 1
        site.moments.append((time.monotonic(), self.path))
        site.seen_headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
        reply = site.replies.get(self.path, Reply(b"not here", 404))
        if callable(reply):
            reply(self)
        else:
            self.answer(reply)

    def answer(self, reply: Reply) -> None:
        headers = dict(reply.headers)
        if self.site.etags and reply.status == 200:
            headers["ETag"] = f'"{hashlib.sha256(reply.body).hexdigest()[:16]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                self.send(304, {"ETag": headers["ETag"]}, b"")
                return
        if reply.status == 200:
            self.site.sent[self.path] += 1
        self.send(reply.status, headers, reply.body)

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def drip(asked: Asked) -> None:
    """A byte at a time, for ever: no single read takes long."""
    asked.send_response(200)
    asked.send_header("Content-Type", "text/html")
    asked.send_header("Content-Length", "100000")
    asked.end_headers()
    _until_gone(asked, b"x")


def drip_headers(asked: Asked) -> None:
    """The same before the body."""
    asked.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _until_gone(asked, b"x")


def _until_gone(asked: Asked, piece: bytes) -> None:
    try:
        for _ in range(400):
            asked.wfile.write(piece)
            asked.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass
    asked.close_connection = True


def endless(asked: Asked) -> None:
    """Chunks without end, without a length."""
    asked.send_response(200)
    asked.send_header("Content-Type", "text/html")
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    try:
        for _ in range(100_000):
            asked.wfile.write(block)
    except OSError:
        pass
    asked.close_connection = True


def bomb(size: int) -> Reply:
    """So many zeros, compressed."""
    return Reply(
        gzip.compress(bytes(size)), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}
    )


def busy_first(times: int, reply: Reply, retry_after: str = "0") -> Handler:
    """429 so many times, and then the reply."""
    left = [times]

    def answer(asked: Asked) -> None:
        if left[0] > 0:
            left[0] -= 1
            asked.send(429, {"Retry-After": retry_after}, b"slow down")
        else:
            asked.answer(reply)

    return cast(Handler, answer)


def link_page(*links: str, head: str = "", text: str = "") -> str:
    """HTML with links."""
    anchors = "".join(f'<p><a href="{link}">{link}</a></p>' for link in links)
    return f"<html><head><title>t</title>{head}</head><body><p>{text}</p>{anchors}</body></html>"


@contextmanager
def web_site() -> Iterator[WebSite]:
    """A site, while it is needed."""
    site = WebSite()
    try:
        yield site
    finally:
        site.stop()
