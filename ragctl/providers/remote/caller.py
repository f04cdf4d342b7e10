"""Asks one provider's model: within limits and budget, again where that may help, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Generic, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from ragctl.errors import OverBudget, ProviderError, RagctlError, WrongVectors
from ragctl.ports import Spending, Throttle
from ragctl.providers.remote.cost import cost_of
from ragctl.providers.remote.faults import Fault, Meaning, error_of, meaning_of
from ragctl.providers.remote.in_flight import Stopped
from ragctl.types import Price, Usage

R = TypeVar("R")
T = TypeVar("T")

FIRST_PAUSE = 1.0
"""Seconds: a pause before asking again is drawn between 0 and this, doubled at each time ("full jitter",
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""

LONGEST_PAUSE = 60.0
"""Seconds, unless the server itself asks for more."""

LONGEST_PAUSES = 600.0
"""Seconds that one request waits in all, between its repetitions."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who is asked.

    Attributes:
        provider: as the spec names it.
        model: as the provider names it.
        endpoint: host that text is sent to.
        key: never shown.
        fault: what an exception of the provider's library means; None if it is not of its making.
    """

    provider: str
    model: str
    endpoint: str
    key: str | None
    fault: Callable[[Exception], Fault | None]

    @property
    def where(self) -> str:
        return f"{self.provider} {self.model} at {self.endpoint}"


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What a server answered, before anybody has looked whether it is right.

    `tokens` and `output_tokens` as it counts them; None: it does not say, and our own count is taken.
    """

    value: R
    tokens: int | None = None
    output_tokens: int = 0
    searches: int = 0


class AskOtherwise(Exception):
    """The server does not know a parameter; the next request goes without it, and at once."""


class UnreadableReply(Exception):
    """The answer is not what the protocol says. The message quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Request(Generic[R, T]):
    """What to ask, and the most that it may come to.

    Attributes:
        send: sends it once. May raise what `Service.fault` knows, `AskOtherwise` or `UnreadableReply`.
        read: what the answer holds; raises `WrongVectors` if it is wrong.
        tokens: that are sent, counted by us.
        output_tokens: the most that the model may write.
        searches: of a reranker.
        texts: that are sent: no error shows them.
        on_usage: told what each time of sending came to.
    """

    send: Callable[[], Answer[R]]
    read: Callable[[R], T]
    tokens: int
    output_tokens: int = 0
    searches: int = 0
    texts: Sequence[str] = ()
    on_usage: Callable[[Usage], None] | None = None


class _Again(Exception):
    def __init__(self, error: RagctlError, pause: float | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause


class Caller:
    """Sends requests for one model. Safe to share between threads.

    Args:
        retries: how often a request is repeated, at least 0.
        price: None: not known.
        throttle, spending: None: no limits.
        on_retry: told in a sentence of every repetition; called in the thread that repeats.
        sleep: for tests. The default one is cut short when nobody waits for the answer any more.
    """

    def __init__(
        self,
        service: Service,
        *,
        retries: int = 6,
        price: Price | None = None,
        throttle: Throttle | None = None,
        spending: Spending | None = None,
        on_retry: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.service = service
        self._retries = retries
        self._price = price
        self._throttle = throttle
        self._spending = spending
        self._on_retry = on_retry
        self._sleep = sleep
        self._used = Usage()
        self._lock = Lock()

    @property
    def usage(self) -> Usage:
        """All that was asked for so far, also what came to nothing."""
        with self._lock:
            return self._used

    def ask(self, request: Request[R, T], *, stopped: Event | None = None) -> T:
        """What the model answers, asked as often as need be.

        Args:
            stopped: set when nobody waits for the answer any more.

        Raises:
            KeyRejected, UnknownModel, ProviderError, WrongVectors: see `ragctl.errors`.
            OverlongInput, RejectedText: the server refuses what it is sent.
            OverBudget: it might cost more than it may.
            Stopped: `stopped` was set before there was an answer.
        """
        stopped = stopped or Event()
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            wait=_pause,
            stop=self._enough,
            sleep=lambda seconds: self._nap(seconds, stopped),
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            result: T = retrying(self._attempt, request, stopped, _Count())
            return result
        except _Again as again:
            raise again.error from None

    def _attempt(self, request: Request[R, T], stopped: Event, attempts: _Count) -> T:
        while True:
            if stopped.is_set():
                raise Stopped
            attempts.number += 1
            try:
                answer = self._send(request, retried=attempts.number > 1)
            except AskOtherwise:
                continue
            try:
                return request.read(answer.value)
            except WrongVectors as error:
                wrong = WrongVectors(error.message, where=self.service.where, hint=error.hint)
                raise _Again(wrong, None) from None

    def _send(self, request: Request[R, T], *, retried: bool) -> Answer[R]:
        if self._throttle is not None:
            self._throttle.acquire(tokens=request.tokens)
        most = cost_of(
            self._price,
            tokens=request.tokens,
            output_tokens=request.output_tokens,
            searches=request.searches,
        )
        reservation = self._reserve(most)
        # Until it is known better: it may have been done, and may have to be paid for.
        usage = Usage(requests=1, retries=int(retried), cost_usd=most)
        started = time.perf_counter()
        try:
            answer = request.send()
            usage = self._usage_of(answer, request, usage)
            return answer
        except AskOtherwise:
            usage = replace(usage, cost_usd=0.0)
            raise
        except UnreadableReply as error:
            raise self._again(Fault(None, str(error), maybe_done=True), request) from None
        except Exception as error:
            fault = self.service.fault(error)
            if fault is None:
                raise
            if not fault.maybe_done:
                usage = replace(usage, cost_usd=0.0)
            raise self._again(fault, request) from None
        finally:
            usage = replace(usage, seconds=time.perf_counter() - started)
            with self._lock:
                self._used += usage
            if request.on_usage is not None:
                request.on_usage(usage)
            if self._spending is not None:
                self._spending.settle(reservation, usage)

    def _usage_of(self, answer: Answer[R], request: Request[R, T], sent: Usage) -> Usage:
        tokens = request.tokens if answer.tokens is None else answer.tokens
        searches = answer.searches or request.searches
        cost = cost_of(self._price, tokens=tokens, output_tokens=answer.output_tokens, searches=searches)
        return replace(sent, tokens=tokens, output_tokens=answer.output_tokens, cost_usd=cost)

    def _reserve(self, most: float | None) -> int:
        if self._spending is None:
            return 0
        if most is None:
            raise OverBudget(
                "the price is not known, so that nobody can say whether it would cost too much",
                where=self.service.where,
                hint="give usd_per_million_tokens in the spec, or set no limit",
            )
        return self._spending.reserve(most)

    def _again(self, fault: Fault, request: Request[R, T]) -> Exception:
        service = self.service
        error = error_of(fault, where=service.where, key=service.key, texts=request.texts)
        if meaning_of(fault) is Meaning.AGAIN:
            return _Again(error, fault.retry_after)
        return error

    # What tenacity asks.

    def _enough(self, state: RetryCallState) -> bool:
        again = _again_of(state)
        if again is None:
            return False
        if state.attempt_number > self._retries:
            again.error = _given_up(again.error, f"asked {state.attempt_number} times")
            return True
        if state.idle_for + state.upcoming_sleep > LONGEST_PAUSES:
            asked = (
                f"asked to wait {state.upcoming_sleep:.0f} s more, after {state.idle_for:.0f} s of waiting"
            )
            again.error = _given_up(again.error, asked)
            return True
        return False

    def _tell(self, state: RetryCallState) -> None:
        again = _again_of(state)
        if self._on_retry is not None and again is not None:
            self._on_retry(
                f"{again.error}; asking again in {state.upcoming_sleep:.1f} s "
                f"({state.attempt_number} of {self._retries})"
            )

    def _nap(self, seconds: float, stopped: Event) -> None:
        if self._sleep is time.sleep:
            stopped.wait(seconds)
        else:
            self._sleep(seconds)


class _Count:
    """How often a request was sent."""

    number = 0


_jittered = wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)


def _pause(state: RetryCallState) -> float:
    again = _again_of(state)
    if again is not None and again.pause is not None:
        return again.pause
    return float(_jittered(state))


def _again_of(state: RetryCallState) -> _Again | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, _Again) else None


def _given_up(error: RagctlError, why: str) -> RagctlError:
    kind = type(error) if isinstance(error, ProviderError | WrongVectors) else ProviderError
    return kind(f"{error.message} ({why})", where=error.where, hint=error.hint)
