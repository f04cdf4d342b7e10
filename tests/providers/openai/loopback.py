"""A server on loopback that answers as a function says: for answers that the other stand-in has not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Recorded:
    """Where it listens, and what came: path, headers (lower case) and JSON body of each request."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)


def as_json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A reply of JSON."""
    return (
        status,
        {"content-type": "application/json", **(headers or {})},
        json.dumps(content).encode("utf-8"),
    )


def refusal(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Reply:
    """An error as OpenAI words it."""
    kind = "invalid_request_error"
    return as_json({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


@contextmanager
def listening(answer: Callable[[dict[str, Any]], Reply]) -> Iterator[Recorded]:
    """Answers each POST by `answer(body)`."""
    recorded = Recorded()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *ignored: object) -> None:
            """Says nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorded.requests.append((self.path, headers, body))
            status, sent, content = answer(body)
            self.send_response(status)
            for name, value in {**sent, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorded.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
