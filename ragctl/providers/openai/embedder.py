"""Embeds with OpenAI's models, or with any server that speaks the same protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import DocumentError, OverlongInput, RejectedInputs, UsageError
from ragctl.ports import Spending, Throttle
from ragctl.providers.openai.client import make_client, server_key, server_url
from ragctl.providers.openai.faults import fault_of
from ragctl.providers.openai.models import (
    EMBEDDING_MODELS,
    INPUTS_A_REQUEST,
    TOKENS_A_REQUEST,
    TOKENS_AN_INPUT,
)
from ragctl.providers.openai.parameters import Parameters
from ragctl.providers.openai.replies import embedding_answer, rows_of
from ragctl.providers.openai.tokens import tokenizer_for
from ragctl.providers.remote.access import require_sdk
from ragctl.providers.remote.batches import Batches, Job, Limits
from ragctl.providers.remote.caller import Answer, AskOtherwise, Caller, Request, Service
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.endpoint import host_of
from ragctl.providers.remote.vectors import checked_vectors
from ragctl.types import EmbeddedBatch, Price, Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import OpenAI

    Vectors = NDArray[np.float32]

_OUTPUT_VERSION = 1
"""Raised by hand when the same text gets another vector: what is sent, or made of the answer, is another."""

_PROBE = "dimension"
"""What a model of unknown dimension is asked for, once."""


class OpenAIEmbedder:
    """An embedding model behind OpenAI's protocol; implements `ports.Embedder`.

    Nothing is sent before the first use of `embed` or `embed_queries`, or of `dimension` where the model
    is not known here and `dimensions` is not given. May be shared between threads.

    Args:
        model: as the server names it.
        api_key: None: the server needs none.
        base_url: where the API begins, mostly with /v1 at its end; None: OpenAI itself. Variables of the
            environment change nothing.
        timeout: seconds for an answer.
        retries: how often a request is repeated, at least 0.
        max_in_flight: requests at once, at least 1.
        price: None: not known.
        throttle, spending: None: no limits.
        on_retry: told in a sentence of every repetition, in the thread that repeats.
        sleep: for tests.
        dimensions: of the vectors, for models that can shorten them; None: the model's own.
        max_tokens: longest input that the model reads; None: 8,192, as OpenAI's models do.
        tokenizer: how to count for a model that is not OpenAI's, see `tokenizer_for`.
        base: the directory that `tokenizer` is relative to.
        query_prefix, passage_prefix: what stands before every question and every passage.

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
        require_sdk("openai")
        self._known = EMBEDDING_MODELS.get(model)
        _check(model, self._known.dimension if self._known else None, dimensions, max_in_flight)
        self._model = model
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._own_server = base_url is not None
        self._timeout, self._max_in_flight = timeout, max_in_flight
        self._price = price
        self._dimensions, self._max_tokens = dimensions, max_tokens
        self._tokenizer_of = tokenizer, base
        self._prefixes = query_prefix or "", passage_prefix or ""
        service = Service("openai", model, host_of(self._url), self._key, fault_of)
        self._caller = Caller(
            service,
            retries=retries,
            price=price,
            throttle=throttle,
            spending=spending,
            on_retry=on_retry,
            sleep=sleep,
        )
        limits = Limits(INPUTS_A_REQUEST, TOKENS_A_REQUEST)
        self._batches = Batches(self._caller, limits=limits, max_in_flight=max_in_flight)
        self._parameters = Parameters({"dimensions": "", "encoding_format": ""})
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """Model, dimension, prefixes and output version; and the host, if it is not OpenAI's own.

        Behind another address another model may have the same name.
        """
        query, passage = self._prefixes
        parts = [f"openai:{self._model}", f"dimensions={self._stated_dimension or 'own'}"]
        if query or passage:
            parts.append(f"prefixes={query!r},{passage!r}")
        if self._own_server:
            parts.append(f"host={self.endpoint}")
        return " ".join([*parts, f"v{_OUTPUT_VERSION}"])

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Provider, model, host, dimension as far as it is known without asking, and how tokens count."""
        facts: dict[str, str | int | bool] = {
            "provider": "openai",
            "model": self._model,
            "endpoint": self.endpoint,
            "tokens": self.tokenizer.name,
        }
        if self._stated_dimension is not None:
            facts["dimension"] = self._stated_dimension
        return facts

    @property
    def _stated_dimension(self) -> int | None:
        return self._dimensions or (self._known.dimension if self._known else None)

    @cached_property
    def dimension(self) -> int:
        """Of the vectors. A server's own model is asked for one vector, if the spec does not say.

        Raises:
            Unavailable, UnknownModel, OverBudget: see `Caller.ask`.
        """
        if self._stated_dimension is not None:
            return self._stated_dimension
        request = Request(
            send=lambda: self._send([_PROBE]),
            read=lambda data: checked_vectors(rows_of(data, 1), texts=1, dimension=None),
            tokens=self.tokenizer.count([_PROBE])[0],
        )
        return int(self._caller.ask(request).shape[1])

    @property
    def max_tokens(self) -> int:
        """The longest input that the model reads whole."""
        return self._max_tokens or TOKENS_AN_INPUT

    @cached_property
    def tokenizer(self) -> RemoteTokenizer:
        """Counts as the model does, or an upper bound, see its `exact`; asks no server.

        Raises:
            UsageError, MissingPackage: see `tokenizer_for`.
        """
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(self._model, tokenizer=tokenizer, base=base, prefix=self._prefixes[1])

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
        return self._embed(inputs, self._prefixes[1])

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
            for batch in self._embed(questions, self._prefixes[0]):
                vectors[list(batch.positions)] = batch.vectors
        except RejectedInputs as error:
            raise error.refused[min(error.refused)] from None
        return vectors

    def _embed(self, texts: Sequence[str], prefix: str) -> Iterator[EmbeddedBatch]:
        _ = self.dimension  # once, and not by each of the threads
        sent = [prefix + text for text in texts] if prefix else texts
        job = Job(sent, self._as_sent.count, self._send, self._read, self._refuse)
        yield from self._batches.embed(job)

    @cached_property
    def _as_sent(self) -> RemoteTokenizer:
        """Counts texts that have their prefix already."""
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(self._model, tokenizer=tokenizer, base=base)

    @cached_property
    def _client(self) -> OpenAI:
        return make_client(
            url=self._url, api_key=self._key, timeout=self._timeout, max_in_flight=self._max_in_flight
        )

    def _connected(self) -> OpenAI:
        with self._lock:
            return self._client

    def _send(self, texts: Sequence[str]) -> Answer[list[Any]]:
        import httpx2
        import openai

        # Base64 is a third of the size. Servers of others may know numbers only, and both are read.
        wanted: dict[str, Any] = {"encoding_format": "float" if self._own_server else "base64"}
        if self._dimensions is not None and (self._known is None or self._known.shortens):
            wanted["dimensions"] = self._dimensions
        sent = self._parameters.taken(wanted)
        try:
            # Not `embeddings.create`: that would build an object of each number.
            response = self._connected().post(
                "/embeddings",
                body={"model": self._model, "input": list(texts), **sent},
                cast_to=httpx2.Response,
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if self._parameters.refuse(sent, parameter=error.param, message=str(error)):
                raise AskOtherwise from None
            raise
        return embedding_answer(response.content)

    def _read(self, data: list[Any], texts: int) -> Vectors:
        rows = rows_of(data, texts)
        if self._parameters.is_refused("dimensions"):
            vectors = checked_vectors(rows, texts=texts, dimension=None)
            if vectors.shape[1] != self.dimension:
                raise UsageError(
                    f"the model gives vectors of {vectors.shape[1]} numbers, and the server does not "
                    f"shorten them to {self.dimension}",
                    where=self._caller.service.where,
                    hint=f"leave dimensions out of the spec, or set it to {vectors.shape[1]}",
                )
        return checked_vectors(rows, texts=texts, dimension=self.dimension)

    def _refuse(self, text: str, tokens: int) -> DocumentError | None:
        if tokens > self.max_tokens and self.tokenizer.exact:
            return OverlongInput(
                f"an embed input has {tokens} tokens, {self._model} reads at most {self.max_tokens}",
                hint="make it shorter: nothing is cut in silence",
            )
        return None


def _check(model: str, own: int | None, dimensions: int | None, max_in_flight: int) -> None:
    if not model:
        raise UsageError("the model has no name", where="model")
    if max_in_flight < 1:
        raise UsageError(f"max_in_flight must be at least 1, not {max_in_flight}")
    if dimensions is None:
        return
    known = EMBEDDING_MODELS.get(model)
    if dimensions < 1 or (own is not None and dimensions > own):
        most = f"between 1 and {own}" if own is not None else "at least 1"
        raise UsageError(f"dimensions of {model} must be {most}, not {dimensions}", where="dimensions")
    if known is not None and not known.shortens and dimensions != known.dimension:
        raise UsageError(f"{model} gives {known.dimension} dimensions, and no others", where="dimensions")
