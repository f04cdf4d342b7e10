"""The fake as a whole: two ports on loopback, and what a test tells it to do wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from typing import Any

import grpc
from weaviate.proto.v1 import weaviate_pb2_grpc

from fake_weaviate.rest import Handler
from fake_weaviate.rpc import Service
from fake_weaviate.storage import Storage

_MESSAGE = 104_858_000


class FakeWeaviate:
    """A FAKE of a Weaviate server. Use it in a `with`.

    Attributes:
        version: that it says it is of.
        api_key: that has to be sent; None lets everybody in.
        oidc_secret: the client's secret for which it gives that key as a token, being its own OIDC provider.
        most_results: objects that are returned or deleted at once at most.
        read_only: no object is taken.
        refuse_object: gets an object's properties, returns why it is not taken, or None.
        before: called with the name of a call and what was sent, before it is answered; may raise `Refused`.
        after: the same, once it was done, before it is answered.
        calls: (call, what was sent), in the order in which they came.
    """

    def __init__(
        self,
        *,
        version: str = "1.32.0",
        api_key: str | None = None,
        oidc_secret: str | None = None,
        with_grpc: bool = True,
    ) -> None:
        self.version = version
        self.api_key = api_key
        self.oidc_secret = oidc_secret
        self.most_results = 10_000
        self.read_only = False
        self.refuse_object: Callable[[dict[str, Any]], str | None] = lambda properties: None
        self.before: Callable[[str, Any], None] = lambda call, sent: None
        self.after: Callable[[str, Any], None] = lambda call, sent: None
        self.calls: list[tuple[str, Any]] = []
        self.storage = Storage()
        handler = type("BoundHandler", (Handler,), {"fake": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._grpc = grpc.server(
            ThreadPoolExecutor(8),
            options=[
                ("grpc.max_receive_message_length", _MESSAGE),
                ("grpc.max_send_message_length", _MESSAGE),
            ],
        )
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        if with_grpc:
            weaviate_pb2_grpc.add_WeaviateServicer_to_server(Service(self), self._grpc)
            self._grpc.add_generic_rpc_handlers((_health(),))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def lets_in(self, authorization: str | bytes | None) -> bool:
        return self.api_key is None or authorization == f"Bearer {self.api_key}"

    def note(self, call: str, sent: Any) -> None:
        self.calls.append((call, sent))

    def sent(self, call: str) -> list[Any]:
        """What was sent with each such call."""
        return [sent for name, sent in self.calls if name == call]

    def __enter__(self) -> FakeWeaviate:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        self._grpc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(grace=None).wait()


def _health() -> grpc.GenericRpcHandler:
    answer = grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")
    handler: grpc.GenericRpcHandler = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": answer}
    )
    return handler
