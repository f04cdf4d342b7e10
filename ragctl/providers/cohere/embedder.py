"""Embeds with Cohere's models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Unpack

from ragctl.errors import UsageError
from ragctl.providers.cohere.client import make_client, server_key, server_url
from ragctl.providers.cohere.faults import fault_of
from ragctl.providers.cohere.models import (
    EMBEDDING_MODELS,
    FEWEST_TOKENS,
    TEXTS_A_REQUEST,
    TOKENS_A_REQUEST,
)
from ragctl.providers.cohere.replies import embedding_answer, reading, rows_of
from ragctl.providers.cohere.tokens import tokenizer_for
from ragctl.providers.remote.access import require_sdk
from ragctl.providers.remote.batches import Limits
from ragctl.providers.remote.caller import Answer, Service
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.embedder import Options, RemoteEmbedder, Use
from ragctl.providers.remote.endpoint import host_of

if TYPE_CHECKING:
    import numpy as np
    from cohere import ClientV2
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_INPUT_TYPES = {"passage": "search_document", "query": "search_query"}


class CohereEmbedder(RemoteEmbedder):
    """An embedding model of Cohere's; implements `ports.Embedder`.

    Passages are embedded as `search_document` and questions as `search_query`. Nothing is sent before the
    first use of `embed` or `embed_queries`, or of `dimension` where the model is not known here and
    `dimensions` is not given. May be shared between threads.

    Args:
        model: as Cohere names it.
        api_key: None: the server needs none.
        base_url: of a proxy or a deployment of one's own, without /v2; None: Cohere itself. Variables of
            the environment change nothing.
        timeout: seconds for an answer.
        max_in_flight: requests at once, at least 1.
        dimensions: of the vectors, for models that offer several; None: the model's own.
        max_tokens: longest input that the model reads; None: as far as known, or 512.
        options: see `Options`; the tokenizer as `tokenizer_for` takes it. Cohere's own
            models need no prefixes.

    Raises:
        UsageError: a value is out of range, or the address is none.
        MissingPackage: the SDK is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_in_flight: int = 8,
        dimensions: int | None = None,
        max_tokens: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        require_sdk("cohere")
        self._known = EMBEDDING_MODELS.get(model)
        _check(model, dimensions)
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._timeout, self._max_in_flight, self._dimensions = timeout, max_in_flight, dimensions
        super().__init__(
            # The host is no part of the identity: it may be any proxy's.
            Service("cohere", model, host_of(self._url), self._key, fault_of),
            options,
            stated_dimension=dimensions or (self._known.dimensions[0] if self._known else None),
            max_tokens=max_tokens or (self._known.max_tokens if self._known else FEWEST_TOKENS),
            limits=Limits(TEXTS_A_REQUEST, TOKENS_A_REQUEST),
            max_in_flight=max_in_flight,
        )
        self._lock = Lock()

    def _tokenizer(self, prefix: str) -> RemoteTokenizer:
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(tokenizer, base=base, prefix=prefix)

    @cached_property
    def _client(self) -> ClientV2:
        return make_client(
            url=self._url, api_key=self._key, timeout=self._timeout, max_in_flight=self._max_in_flight
        )

    def _connected(self) -> ClientV2:
        with self._lock:
            return self._client

    def _send(self, use: Use, texts: Sequence[str]) -> Answer[list[Any]]:
        size: dict[str, Any] = {}
        if self._dimensions is not None and (self._known is None or len(self._known.dimensions) > 1):
            size = {"output_dimension": self._dimensions}
        client = self._connected()
        with reading():
            reply = client.embed(
                model=self._service.model,
                input_type=_INPUT_TYPES[use],
                texts=list(texts),
                # Of numbers the SDK looks at each one, which takes some twenty times as long.
                embedding_types=["base64"],
                truncate="NONE",
                **size,
            )
        return embedding_answer(reply)

    def _rows(self, data: list[Any], texts: int) -> Sequence[Any]:
        return rows_of(data)


def _check(model: str, dimensions: int | None) -> None:
    known = EMBEDDING_MODELS.get(model)
    if dimensions is None or (known is not None and dimensions in known.dimensions):
        return
    if known is not None:
        offered = ", ".join(str(size) for size in known.dimensions)
        raise UsageError(f"{model} gives {offered} dimensions, not {dimensions}", where="dimensions")
    if dimensions < 1:
        raise UsageError(f"dimensions must be at least 1, not {dimensions}", where="dimensions")
