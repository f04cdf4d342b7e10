"""What the embedders behind remote servers share: counting, batches, refusals, vectors in their order."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ragctl.errors import DocumentError, OverlongInput, RejectedInputs, UsageError
from ragctl.ports import Spending, Throttle
from ragctl.providers.remote.batches import Batches, Job, Limits
from ragctl.providers.remote.caller import Answer, Caller, Request, Service
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.vectors import checked_vectors
from ragctl.types import EmbeddedBatch, Price, Usage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Use = Literal["passage", "query"]

_OUTPUT_VERSION = 1
"""Raised by hand when the same text gets another vector: what is sent, or made of the answer, is another."""

_PROBE = "dimension"
"""What a model of unknown dimension is asked for, once."""


class Asking(TypedDict, total=False):
    """How a server is asked; none of it changes what it answers.

    Attributes:
        retries: how often a request is repeated, at least 0; 6 if left out.
        price: None: not known.
        throttle, spending: None: no limits.
        on_retry: told in a sentence of every repetition, in the thread that repeats.
        sleep: for tests.
    """

    retries: int
    price: Price | None
    throttle: Throttle | None
    spending: Spending | None
    on_retry: Callable[[str], None] | None
    sleep: Callable[[float], object]


class Options(Asking, total=False):
    """Those, and what the spec says of how a model reads.

    Attributes:
        tokenizer: how to count, as each provider takes it; None: as is known, or an upper bound.
        base: the directory that `tokenizer` is relative to.
        query_prefix, passage_prefix: what stands before every question and every passage.
    """

    tokenizer: Path | str | None
    base: Path | None
    query_prefix: str | None
    passage_prefix: str | None


class RemoteEmbedder(ABC):
    """An embedding model behind a server; implements `ports.Embedder`. May be shared between threads.

    Args:
        options: how the server is asked and the model reads; what is left out has a default.
        stated_dimension: of the vectors, as far as it is known without asking.
        max_tokens: longest input that the model reads whole.
        limits: what one request may hold.
        max_in_flight: requests at once, at least 1.

    Raises:
        UsageError: the model has no name, or `max_in_flight` is less than 1.
    """

    def __init__(
        self,
        service: Service,
        options: Options,
        *,
        stated_dimension: int | None,
        max_tokens: int,
        limits: Limits,
        max_in_flight: int,
    ) -> None:
        if not service.model:
            raise UsageError("the model has no name", where="model")
        if max_in_flight < 1:
            raise UsageError(f"max_in_flight must be at least 1, not {max_in_flight}")
        self._service = service
        self._price, self._stated_dimension, self._max_tokens = (
            options.get("price"),
            stated_dimension,
            max_tokens,
        )
        self._tokenizer_of = options.get("tokenizer"), options.get("base")
        self._prefixes = options.get("query_prefix") or "", options.get("passage_prefix") or ""
        self._caller = Caller(
            service,
            retries=options.get("retries", 6),
            price=options.get("price"),
            throttle=options.get("throttle"),
            spending=options.get("spending"),
            on_retry=options.get("on_retry"),
            sleep=options.get("sleep", time.sleep),
        )
        self._batches = Batches(self._caller, limits=limits, max_in_flight=max_in_flight)

    @abstractmethod
    def _tokenizer(self, prefix: str) -> RemoteTokenizer:
        """Counts texts that `prefix` is still to be put before."""

    @abstractmethod
    def _send(self, use: Use, texts: Sequence[str]) -> Answer[list[Any]]:
        """Asks for the texts' vectors."""

    @abstractmethod
    def _rows(self, data: list[Any], texts: int) -> Sequence[Any]:
        """The answer's numbers, one row a text, as `checked_vectors` takes them."""

    @property
    def identity(self) -> str:
        """Model, dimension, prefixes and output version: equal identities give equal vectors."""
        query, passage = self._prefixes
        parts = [f"{self._service.provider}:{self._service.model}"]
        parts.append(f"dimensions={self._stated_dimension or 'own'}")
        if query or passage:
            parts.append(f"prefixes={query!r},{passage!r}")
        return " ".join([*parts, *self._host_in_identity(), f"v{_OUTPUT_VERSION}"])

    def _host_in_identity(self) -> list[str]:
        """For a provider behind whose protocol other models may have the same name."""
        return []

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Provider, model, host, dimension as far as it is known without asking, and how tokens count."""
        facts: dict[str, str | int | bool] = {
            "provider": self._service.provider,
            "model": self._service.model,
            "endpoint": self.endpoint,
            "tokens": self.tokenizer.name,
        }
        if self._stated_dimension is not None:
            facts["dimension"] = self._stated_dimension
        return facts

    @cached_property
    def dimension(self) -> int:
        """Of the vectors. A model that is not known here is asked for one vector, if need be.

        Raises:
            Unavailable, UnknownModel, OverBudget: see `Caller.ask`.
        """
        if self._stated_dimension is not None:
            return self._stated_dimension
        request = Request(
            send=lambda: self._send("query", [_PROBE]),
            read=lambda data: checked_vectors(self._rows(data, 1), texts=1, dimension=None),
            tokens=self.tokenizer.count([_PROBE])[0],
        )
        return int(self._caller.ask(request).shape[1])

    @property
    def max_tokens(self) -> int:
        """The longest input that the model reads whole."""
        return self._max_tokens

    @cached_property
    def tokenizer(self) -> RemoteTokenizer:
        """Counts passages as the model does, or an upper bound, see its `exact`; asks no server.

        Raises:
            UsageError, MissingPackage: it cannot be had.
        """
        return self._tokenizer(self._prefixes[1])

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
        return self._service.endpoint

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
        return self._embed(inputs, "passage", self._prefixes[1])

    def prepare_questions(self) -> None:  # noqa: B027
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
            for batch in self._embed(questions, "query", self._prefixes[0]):
                vectors[list(batch.positions)] = batch.vectors
        except RejectedInputs as error:
            raise error.refused[min(error.refused)] from None
        return vectors

    def _embed(self, texts: Sequence[str], use: Use, prefix: str) -> Iterator[EmbeddedBatch]:
        _ = self.dimension  # once, and not by each of the threads
        sent = [prefix + text for text in texts] if prefix else texts
        send = partial(self._send, use)
        yield from self._batches.embed(Job(sent, self._as_sent.count, send, self._read, self._refuse))

    @cached_property
    def _as_sent(self) -> RemoteTokenizer:
        """Counts texts that have their prefix already."""
        return self._tokenizer("")

    def _read(self, data: list[Any], texts: int) -> Vectors:
        return checked_vectors(self._rows(data, texts), texts=texts, dimension=self.dimension)

    def _refuse(self, text: str, tokens: int) -> DocumentError | None:
        if tokens > self.max_tokens and self.tokenizer.exact:
            return OverlongInput(
                f"an embed input has {tokens} tokens, {self._service.model} reads at most {self.max_tokens}",
                hint="make it shorter: nothing is cut in silence",
            )
        return None
