"""Scores passages for a question with Cohere's rerankers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

from ragctl.errors import OverlongInput, UsageError
from ragctl.ports import Spending, Throttle
from ragctl.providers.cohere.client import make_client, server_key, server_url
from ragctl.providers.cohere.faults import fault_of
from ragctl.providers.cohere.models import (
    DOCUMENTS_A_REQUEST,
    DOCUMENTS_A_SEARCH,
    TOKENS_A_CHUNK,
    TOKENS_A_DOCUMENT,
)
from ragctl.providers.cohere.replies import reading, rerank_answer, scores_of
from ragctl.providers.cohere.tokens import tokenizer_for
from ragctl.providers.remote.access import require_sdk
from ragctl.providers.remote.caller import Answer, Caller, Request, Service
from ragctl.providers.remote.characters import lone_surrogate
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.endpoint import host_of
from ragctl.providers.remote.faults import TooMuchAtOnce
from ragctl.providers.remote.in_flight import Split, in_flight
from ragctl.types import Price, Usage

if TYPE_CHECKING:
    from cohere import ClientV2

Scored = tuple[range, list[float]]


class CohereReranker:
    """A reranker of Cohere's; implements `ports.Reranker`.

    Scores are Cohere's `relevance_score`, 0 to 1. Nothing is sent before the first `score`. May be shared
    between threads.

    Args:
        model: as Cohere names it.
        max_tokens: of question and passage together that the model reads; the server cuts what is longer.
        tokenizer: how to count, see `tokenizer_for`; None: the upper bound, by which a passage counts as
            cut that the model may just have read whole.
        price: by the search; None: not known.
        others: see `CohereEmbedder`.

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
        max_tokens: int = TOKENS_A_DOCUMENT,
        tokenizer: Path | str | None = None,
        base: Path | None = None,
    ) -> None:
        require_sdk("cohere")
        if not model:
            raise UsageError("the model has no name", where="model")
        for name, number in {"max_in_flight": max_in_flight, "max_tokens": max_tokens}.items():
            if number < 1:
                raise UsageError(f"{name} must be at least 1, not {number}")
        self._model = model
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._timeout, self._max_in_flight = timeout, max_in_flight
        self._max_tokens = max_tokens
        self._tokenizer_of = tokenizer, base
        self._caller = Caller(
            Service("cohere", model, host_of(self._url), self._key, fault_of),
            retries=retries,
            price=price,
            throttle=throttle,
            spending=spending,
            on_retry=on_retry,
            sleep=sleep,
        )
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """Model and the limit from which on passages are cut."""
        return f"cohere:{self._model} max_tokens={self._max_tokens}"

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Provider, model, host, and how tokens are counted."""
        return {
            "provider": "cohere",
            "model": self._model,
            "endpoint": self.endpoint,
            "tokens": self._tokenizer.name,
        }

    @property
    def endpoint(self) -> str:
        """Host that text is sent to."""
        return host_of(self._url)

    @property
    def usage(self) -> Usage:
        """All that was asked of it by this object. Cohere counts no tokens here, but searches."""
        return self._caller.usage

    @property
    def max_tokens(self) -> int:
        """Of question and passage together that the model reads."""
        return self._max_tokens

    def score(
        self,
        question: str,
        passages: Sequence[str],
        *,
        on_truncated: Callable[[int], None] = lambda position: None,
    ) -> list[float]:
        """One score a passage, in order; more is better, 0 to 1.

        Args:
            on_truncated: called with the position of each passage of which the model did not read the end
                (by the upper bound: may not have read it).

        Raises:
            OverlongInput: the question takes more than half of what the model reads; it would be cut.
            MalformedDocument: a text has a lone surrogate.
            RejectedText: the server refuses the question or a passage.
            KeyRejected, UnknownModel, ProviderError, WrongVectors, OverBudget: see `ragctl.errors`.
        """
        for text in (question, *passages):
            error = lone_surrogate(text)
            if error is not None:
                raise error
        asked, *read = self._tokenizer.count([question, *passages])
        self._check_question(asked)
        for position, tokens in enumerate(read):
            if asked + tokens > self._max_tokens:
                on_truncated(position)
        scores = [0.0] * len(passages)

        def work(span: range, stopped: Event) -> Scored | Split[range]:
            found = [passages[position] for position in span]
            return self._ask(question, found, span, [asked, *(read[position] for position in span)], stopped)

        spans = (
            range(first, min(first + DOCUMENTS_A_REQUEST, len(passages)))
            for first in range(0, len(passages), DOCUMENTS_A_REQUEST)
        )
        results: list[Scored] = list(in_flight(spans, work, limit=self._max_in_flight))
        for span, of_span in results:
            scores[span.start : span.stop] = of_span
        return scores

    def _ask(
        self, question: str, passages: list[str], span: range, tokens: list[int], stopped: Event
    ) -> Scored | Split[range]:
        request = Request(
            send=lambda: self._send(question, passages),
            read=lambda results: scores_of(results, len(passages)),
            tokens=sum(tokens),
            searches=most_searches(tokens[0], tokens[1:], max_tokens=self._max_tokens),
            texts=[question, *passages],
        )
        try:
            return span, self._caller.ask(request, stopped=stopped)
        except TooMuchAtOnce:
            if len(span) == 1:
                raise
            middle = len(span) // 2
            return Split((span[:middle], span[middle:]))

    def _check_question(self, tokens: int) -> None:
        most = self._max_tokens // 2
        if tokens > most:
            exact = self._tokenizer.exact
            raise OverlongInput(
                f"the question has {'' if exact else 'up to '}{tokens} tokens, and {self._model} reads "
                f"{most} of it",
                hint=None
                if exact
                else "ask a shorter one, or name the model's own tokenizer to count exactly",
            )

    @cached_property
    def _tokenizer(self) -> RemoteTokenizer:
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

    def _send(self, question: str, passages: Sequence[str]) -> Answer[list[tuple[object, object]]]:
        client = self._connected()
        with reading():
            reply = client.rerank(
                model=self._model,
                query=question,
                documents=list(passages),
                max_tokens_per_doc=self._max_tokens,
            )
        return rerank_answer(reply)


def most_searches(question: int, passages: Sequence[int], *, max_tokens: int) -> int:
    """Search units that a request is paid for at most: one for each 100 documents.

    A document that has more than 500 tokens with the question counts as several of that size.

    Args:
        question, passages: tokens, or more than there are.
        max_tokens: that the model reads of question and passage.
    """
    room = max(1, TOKENS_A_CHUNK - question)
    documents = sum(max(1, -(-min(tokens, max_tokens) // room)) for tokens in passages)
    return max(1, -(-documents // DOCUMENTS_A_SEARCH))
