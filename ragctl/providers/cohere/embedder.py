"""Embeds with Cohere's models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import DocumentError, OverlongInput, RejectedInputs, UsageError
from ragctl.ports import Spending, Throttle
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
from ragctl.providers.remote.batches import Batches, Job, Limits
from ragctl.providers.remote.caller import Answer, Caller, Request, Service
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.endpoint import host_of
from ragctl.providers.remote.vectors import checked_vectors
from ragctl.types import EmbeddedBatch, Price, Usage

if TYPE_CHECKING:
    import numpy as np
    from cohere import ClientV2
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

_OUTPUT_VERSION = 1
"""Raised by hand when the same text gets another vector: what is sent, or made of the answer, is another."""

_PASSAGE, _QUERY = "search_document", "search_query"
_PROBE = "dimension"
"""What a model of unknown dimension is asked for, once."""


class CohereEmbedder:
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
        retries: how often a request is repeated, at least 0.
        max_in_flight: requests at once, at least 1.
        price: None: not known.
        throttle, spending: None: no limits.
        on_retry: told in a sentence of every repetition, in the thread that repeats.
        sleep: for tests.
        dimensions: of the vectors, for models that offer several; None: the model's own.
        max_tokens: longest input that the model reads; None: as far as known, or 512.
        tokenizer: how to count, see `tokenizer_for`; None: the upper bound.
        base: the directory that `tokenizer` is relative to.
        query_prefix, passage_prefix: what stands before every question and every passage. Cohere's own
            models need none.

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
        retries: int = 6,
        max_in_flight: int = 8,
        price: Price | None = None,
        throttle: Throttle | None = None,
        spending: Spending | None = None,
        on_retry: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        dimensions: int | None = None,
        max_tokens: int | None = None,
        tokenizer: Path | str | None = None,
        base: Path | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
    ) -> None:
        require_sdk("cohere")
        _check(model, dimensions, max_in_flight)
        self._known = EMBEDDING_MODELS.get(model)
        self._model = model
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._timeout, self._max_in_flight = timeout, max_in_flight
        self._price = price
        self._dimensions, self._max_tokens = dimensions, max_tokens
        self._tokenizer_of = tokenizer, base
        self._prefixes = query_prefix or "", passage_prefix or ""
        self._caller = Caller(
            Service("cohere", model, host_of(self._url), self._key, fault_of),
            retries=retries,
            price=price,
            throttle=throttle,
            spending=spending,
            on_retry=on_retry,
            sleep=sleep,
        )
        limits = Limits(TEXTS_A_REQUEST, TOKENS_A_REQUEST)
        self._batches = Batches(self._caller, limits=limits, max_in_flight=max_in_flight)
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """Model, dimension, prefixes and output version; not the host, which may be any proxy's."""
        query, passage = self._prefixes
        parts = [f"cohere:{self._model}", f"dimensions={self._stated_dimension or 'own'}"]
        if query or passage:
            parts.append(f"prefixes={query!r},{passage!r}")
        return " ".join([*parts, f"v{_OUTPUT_VERSION}"])

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Provider, model, host, dimension as far as it is known without asking, and how tokens count."""
        facts: dict[str, str | int | bool] = {
            "provider": "cohere",
            "model": self._model,
            "endpoint": self.endpoint,
            "tokens": self.tokenizer.name,
        }
        if self._stated_dimension is not None:
            facts["dimension"] = self._stated_dimension
        return facts

    @property
    def _stated_dimension(self) -> int | None:
        return self._dimensions or (self._known.dimensions[0] if self._known else None)

    @cached_property
    def dimension(self) -> int:
        """Of the vectors. A model that is not known here is asked for one vector, if need be.

        Raises:
            Unavailable, UnknownModel, OverBudget: see `Caller.ask`.
        """
        if self._stated_dimension is not None:
            return self._stated_dimension
        request = Request(
            send=lambda: self._send(_QUERY, [_PROBE]),
            read=lambda rows: checked_vectors(rows_of(rows), texts=1, dimension=None),
            tokens=self.tokenizer.count([_PROBE])[0],
        )
        return int(self._caller.ask(request).shape[1])

    @property
    def max_tokens(self) -> int:
        """The longest input that the model reads whole."""
        return self._max_tokens or (self._known.max_tokens if self._known else FEWEST_TOKENS)

    @cached_property
    def tokenizer(self) -> RemoteTokenizer:
        """Counts as the model does, or an upper bound, see its `exact`; asks no server.

        Raises:
            UsageError: see `tokenizer_for`.
        """
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(tokenizer, base=base, prefix=self._prefixes[1])

    @property
    def languages(self) -> None:
        """None: not known."""
        return None

    @property
    def usd_per_million_tokens(self) -> float | None:
        return self._price.usd_per_million_tokens if self._price else None

    @property
    def endpoint(self) -> str:
        """Host that text is sent to."""
        return host_of(self._url)

    @property
    def usage(self) -> Usage:
        """All that was asked of it by this object."""
        return self._caller.usage

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        """Vectors of unit length for passages, in batches as they come.

        Inputs are taken as requests go out. Closing the iterator waits for the requests on their way.

        Raises (while iterating):
            RejectedInputs: at the end: some inputs are too long or were refused; all others came.
            KeyRejected, UnknownModel, ProviderError, WrongVectors, OverBudget: see `ragctl.errors`.
        """
        return self._embed(inputs, _PASSAGE, self._prefixes[1])

    def prepare_questions(self) -> None:
        """Nothing: a server needs no preparation."""

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """Vectors of unit length, shape (questions, dimension), in order.

        Raises:
            OverlongInput, RejectedText, MalformedDocument: a question cannot be embedded.
            KeyRejected, UnknownModel, ProviderError, WrongVectors, OverBudget: see `ragctl.errors`.
        """
        import numpy as np

        vectors = np.empty((len(questions), self.dimension), np.float32)
        try:
            for batch in self._embed(questions, _QUERY, self._prefixes[0]):
                vectors[list(batch.positions)] = batch.vectors
        except RejectedInputs as error:
            raise error.refused[min(error.refused)] from None
        return vectors

    def _embed(self, texts: Sequence[str], input_type: str, prefix: str) -> Iterator[EmbeddedBatch]:
        _ = self.dimension  # once, and not by each of the threads
        sent = [prefix + text for text in texts] if prefix else texts
        send = partial(self._send, input_type)
        yield from self._batches.embed(Job(sent, self._as_sent.count, send, self._read, self._refuse))

    @cached_property
    def _as_sent(self) -> RemoteTokenizer:
        """Counts texts that have their prefix already."""
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(tokenizer, base=base)

    @cached_property
    def _client(self) -> ClientV2:
        return make_client(
            url=self._url, api_key=self._key, timeout=self._timeout, max_in_flight=self._max_in_flight
        )

    def _connected(self) -> ClientV2:
        with self._lock:
            return self._client

    def _send(self, input_type: str, texts: Sequence[str]) -> Answer[list[Any]]:
        size: dict[str, Any] = {}
        if self._dimensions is not None and (self._known is None or len(self._known.dimensions) > 1):
            size = {"output_dimension": self._dimensions}
        client = self._connected()
        with reading():
            reply = client.embed(
                model=self._model,
                input_type=input_type,
                texts=list(texts),
                # Of numbers the SDK looks at each one, which takes some twenty times as long.
                embedding_types=["base64"],
                truncate="NONE",
                **size,
            )
        return embedding_answer(reply)

    def _read(self, rows: list[Any], texts: int) -> Vectors:
        return checked_vectors(rows_of(rows), texts=texts, dimension=self.dimension)

    def _refuse(self, text: str, tokens: int) -> DocumentError | None:
        if tokens > self.max_tokens and self.tokenizer.exact:
            return OverlongInput(
                f"an embed input has {tokens} tokens, {self._model} reads at most {self.max_tokens}",
                hint="make it shorter: nothing is cut in silence",
            )
        return None


def _check(model: str, dimensions: int | None, max_in_flight: int) -> None:
    if not model:
        raise UsageError("the model has no name", where="model")
    if max_in_flight < 1:
        raise UsageError(f"max_in_flight must be at least 1, not {max_in_flight}")
    known = EMBEDDING_MODELS.get(model)
    if dimensions is None or (known is not None and dimensions in known.dimensions):
        return
    if known is not None:
        offered = ", ".join(str(size) for size in known.dimensions)
        raise UsageError(f"{model} gives {offered} dimensions, not {dimensions}", where="dimensions")
    if dimensions < 1:
        raise UsageError(f"dimensions must be at least 1, not {dimensions}", where="dimensions")
