"""A Hugging Face hub on loopback that serves the files of a folder, and notes what it is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """One model, `org/model`, with one commit, which is also its branch `main`.

    Attributes:
        url: for HF_ENDPOINT.
        fetched: names of the files that were sent.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.fetched: set[str] = set()

    def files(self) -> list[str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def listing(self) -> bytes:
        listed = []
        for name in self.files():
            data = (self.folder / name).read_bytes()
            oid = hashlib.sha1(data).hexdigest()  # as git names it, near enough
            listed.append({"type": "file", "oid": oid, "size": len(data), "path": name, "rfilename": name})
        return json.dumps(listed).encode()

    def model(self) -> bytes:
        siblings = json.loads(self.listing())
        return json.dumps({"id": "org/model", "sha": COMMIT, "siblings": siblings}).encode()


class _Server(ThreadingHTTPServer):
    hub: FakeHub


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    _JSON: ClassVar = {"Content-Type": "application/json"}

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub, path = self.server.hub, unquote(self.path.partition("?")[0])
        if not path.startswith(("/org/model/", "/api/models/org/model")):
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)
        elif path.startswith(f"/api/models/org/model/tree/{COMMIT}"):
            self._send(200, hub.listing(), self._JSON, body=body)
        elif path in (f"/api/models/org/model/revision/{one}" for one in ("main", COMMIT)):
            self._send(200, hub.model(), self._JSON, body=body)
        elif path.startswith(f"/org/model/resolve/{COMMIT}/"):
            self._file(path.removeprefix(f"/org/model/resolve/{COMMIT}/"), body=body)
        else:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, body=body)

    def _file(self, name: str, *, body: bool) -> None:
        hub = self.server.hub
        if name not in hub.files():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        data = (hub.folder / name).read_bytes()
        if body:
            hub.fetched.add(name)
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        self._send(200, data, {"ETag": etag, "X-Repo-Commit": COMMIT}, body=body)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: tests are quiet."""


@contextmanager
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.hub = FakeHub(folder, f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.hub
        finally:
            server.shutdown()
            thread.join()
