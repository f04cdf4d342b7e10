"""A stand-in of a model server: it speaks the wire formats of OpenAI and Cohere, and misbehaves to order.

It listens on loopback, in this process, and no model is behind it: a vector is made of the text's hash
(the same text, model and input type always give the same vector), a rerank score is the share of the
question's words that a document has, and chat replies are scripted. It shows what a client sends and how
it takes a fault, not what a model is worth.

    with ModelServer(faults=["rate_limit", None, Fault("drip", seconds=2)]) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)

Paths: `/v1/embeddings`, `/v1/chat/completions`, `/v1/models`, `/v2/embed`, `/v2/rerank`; anything may
stand before them.
"""

from __future__ import annotations

import json
import math
import select
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from model_server_answers import Answers, ChatReply, Embedded, Refused, Streamed, too_long
from model_server_faults import KINDS, Fault, Faults, Kind, Script, Shares

__all__ = ["KINDS", "ChatReply", "Fault", "Kind", "ModelServer", "Request"]

WAIT = 0.05
"""Seconds between two looks at whether a client that is kept waiting is still there."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in.

    Attributes:
        headers: by name in lower case.
        body: the JSON object; empty without one.
        time: `time.monotonic()` when it had been read.
        fault: how it was answered; None: well, or with an error that it had earned itself.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time: float
    fault: Fault | None


_ATTEMPTS = 100
_PORTS: set[int] = set()  # that some server of this process had


class ModelServer:
    """See the module. To be used with `with`; what it recorded can be read afterwards too.

    Args:
        faults: a script (one entry a POST request) or shares, see `Faults`.
        replies: of the chat model, in turn or by the messages; None: it repeats the last message.
        models: names of the models that there are; None: any.
        dimension: of models whose own is not known here.
        max_tokens: words of the longest text that is taken; None: any.
        vector_length: 1 as real services give it, or what shows that a client normalizes.
        key: the one that is accepted; None: any or none.
        latency: seconds that each POST request takes at least.
        rejects: a request with a text that holds this is refused, with 400.

    Attributes:
        url: without a path, `http://127.0.0.1:PORT`.
        requests: all requests, in order of arrival.
        texts_embedded: how many times each text's vector was sent in a good answer that went out whole.
        most_at_once: the most POST requests that were being answered at the same time.
    """

    url: str

    def __init__(
        self,
        *,
        faults: Script | Shares = (),
        replies: Sequence[str | ChatReply] | Callable[[list[dict[str, Any]]], str | ChatReply] | None = None,
        models: Iterable[str] | None = None,
        dimension: int = 64,
        max_tokens: int | None = None,
        vector_length: float = 1.0,
        key: str | None = None,
        latency: float = 0.0,
        rejects: str = "REJECT-ME",
        seed: int = 0,
    ) -> None:
        self.answers = Answers(
            replies,
            None if models is None else frozenset(models),
            dimension,
            max_tokens,
            vector_length,
            rejects,
        )
        self.key, self.latency = key, latency
        self.requests: list[Request] = []
        self.texts_embedded: Counter[str] = Counter()
        self.most_at_once = 0
        self.closing = threading.Event()
        self._next_fault = Faults(faults, seed)
        self._lock = threading.Lock()
        self._at_once = 0

    def __enter__(self) -> Self:
        self._listener = _Listener(self)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._listener.hang_up()
        self._listener.server_close()
        self._thread.join()

    def vector(
        self, text: str, *, model: str, dimension: int | None = None, input_type: str = ""
    ) -> list[float]:
        """What a good answer gives for a text; `input_type` with Cohere's format only."""
        return self.answers.vector(text, model=model, dimension=dimension, input_type=input_type)

    def requests_to(self, path: str) -> list[Request]:
        """Those whose path ends so."""
        return [request for request in self.requests if request.path.endswith(path)]

    def record(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
        fault = self._next_fault() if method == "POST" else None
        request = Request(method, path, headers, body, time.monotonic(), fault)
        with self._lock:
            self.requests.append(request)
        return request

    def busy(self, change: int) -> None:
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)

    def sent(self, texts: Sequence[str]) -> None:
        with self._lock:
            self.texts_embedded.update(texts)

    def taken_back(self, texts: Sequence[str]) -> None:
        with self._lock:
            self.texts_embedded -= Counter(texts)


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, owner: ModelServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        # The system may give a port out again, and an embedder behind an address is known by it: what one
        # test had embedded would be there for the next.
        for _ in range(_ATTEMPTS):
            self.server_bind()
            if self.server_address[1] not in _PORTS:
                break
            self.socket.close()
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_address = ("127.0.0.1", 0)
        _PORTS.add(self.server_address[1])
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends the connections that clients keep open."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was first

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this server is for; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _HangUp(Exception):
    """The connection is to be closed without another word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""

    def do_GET(self) -> None:
        self.server.owner.record("GET", self.path, self._headers(), {})
        if self.path.endswith("/v1/models"):
            self._send(200, self.server.owner.answers.openai_models())
        else:
            self._send_error(Refused(404, f"no such path: {self.path}"))

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = owner.record("POST", self.path, self._headers(), json.loads(raw or b"{}"))
        owner.busy(+1)
        try:
            if owner.latency:
                owner.closing.wait(owner.latency)
            self._answer(request)
        except _HangUp:
            self.close_connection = True
        finally:
            owner.busy(-1)

    def _answer(self, request: Request) -> None:
        owner, fault = self.server.owner, request.fault
        try:
            if owner.key is not None and request.headers.get("authorization") != f"Bearer {owner.key}":
                raise Refused(401, "Incorrect API key provided", "invalid_api_key")
            if fault is not None:
                self._misbehave(fault, request)
            answer = self._model(request)
        except Refused as refused:
            self._send_error(refused, fault)
            return
        if isinstance(answer, Streamed):
            self._send_stream(answer, fault)
        elif isinstance(answer, Embedded):
            self._send_vectors(answer, fault)
        else:
            self._send(200, answer, fault=fault)

    def _send_vectors(self, answer: Embedded, fault: Fault | None) -> None:
        """Counted before they go out, as whoever has them may look at once, and taken back if they do not."""
        counted = fault is None or fault.kind in ("drip", "shuffled", "stream_error")
        if counted:
            self.server.owner.sent(answer.texts)
        try:
            self._send(200, answer.body, fault=fault)
        except (OSError, _HangUp):
            if counted:
                self.server.owner.taken_back(answer.texts)
            raise

    def _model(self, request: Request) -> Embedded | Streamed | dict[str, Any]:
        answers = self.server.owner.answers
        by_path: dict[str, Callable[..., Embedded | Streamed | dict[str, Any]]] = {
            "/v1/embeddings": answers.openai_embeddings,
            "/v1/chat/completions": answers.openai_chat,
            "/v2/embed": answers.cohere_embed,
            "/v2/rerank": answers.cohere_rerank,
        }
        for path, answer in by_path.items():
            if request.path.split("?")[0].endswith(path):
                return answer(request.body, request.fault)
        raise Refused(404, f"no such path: {request.path}")

    def _misbehave(self, fault: Fault, request: Request) -> None:
        """Those faults that leave the answer itself unmade."""
        model = str(request.body.get("model"))
        refusals = {
            "rate_limit": Refused(429, "Rate limit reached for requests", "rate_limit_exceeded"),
            "quota": Refused(429, "You exceeded your current quota", "insufficient_quota"),
            "server_error": Refused(500, "The server had an error"),
            "overloaded": Refused(503, "The engine is currently overloaded"),
            "bad_key": Refused(401, "Incorrect API key provided", "invalid_api_key"),
            "unknown_model": Refused(404, f"The model `{model}` does not exist", "model_not_found"),
            "too_long": too_long(8192, 9000),
            "redirect": Refused(307, "elsewhere"),
        }
        if fault.kind in refusals:
            raise refusals[fault.kind]
        if fault.kind == "hang":
            self._wait_for_the_client_to_go()
        if fault.kind in ("hang", "cut_before_headers"):
            raise _HangUp

    def _wait_for_the_client_to_go(self) -> None:
        while not self.server.owner.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], WAIT)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send_error(self, refused: Refused, fault: Fault | None = None) -> None:
        """An error in a form that both services' clients read: `error` is OpenAI's, `message` Cohere's."""
        kind = refused.code or ("server_error" if refused.status >= 500 else "invalid_request_error")
        error = {"message": refused.message, "type": kind, "param": None, "code": refused.code}
        headers = {}
        if fault is not None and refused.status in (429, 503):
            headers = _wait_headers(fault)
        if fault is not None and fault.kind == "redirect":
            headers = {"location": fault.to + self.path}
        self._send(refused.status, {"error": error, "message": refused.message}, headers=headers)

    def _send(
        self,
        status: int,
        body: dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        kind = fault.kind if fault else None
        data, media_type = json.dumps(body).encode("utf-8"), "application/json"
        if kind == "html":
            data, media_type = b"<!doctype html><title>Gateway</title><h1>Please log in</h1>", "text/html"
        elif kind == "invalid_json":
            data = data[: len(data) // 2]
        elif kind == "other_json":
            data = b'[{"detail": "something else"}]'
        self.send_response(status)
        for name, value in {"content-type": media_type, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if kind == "cut_in_body":
            self.wfile.write(data[: len(data) // 2])
            raise _HangUp
        pieces = 10 if kind == "drip" else 1
        size = math.ceil(len(data) / pieces)
        for start in range(0, len(data), size):
            if fault is not None and kind == "drip":
                self.server.owner.closing.wait(fault.seconds / pieces)
            self.wfile.write(data[start : start + size])

    def _send_stream(self, answer: Streamed, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        self.send_response(200)
        self.send_header("content-type", "text/html" if kind == "html" else "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        lines = [json.dumps(event) for event in answer.events] + ["[DONE]"]
        for number, line in enumerate(lines):
            if kind == "cut_in_body" and 2 * number >= len(lines):
                raise _HangUp
            if kind == "invalid_json" and 2 * number >= len(lines):
                line = line[: len(line) // 2] if number < len(lines) - 1 else line
            if fault is not None and kind == "drip":
                self.server.owner.closing.wait(fault.seconds / len(lines))
            self._chunk(b"<h1>Please log in</h1>" if kind == "html" else f"data: {line}\n\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _wait_headers(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    if fault.retry_after_as == "milliseconds":
        return {"retry-after-ms": f"{fault.retry_after * 1000:g}"}
    if fault.retry_after_as == "date":
        return {"retry-after": formatdate(math.ceil(time.time() + fault.retry_after), usegmt=True)}
    return {"retry-after": f"{fault.retry_after:g}"}
