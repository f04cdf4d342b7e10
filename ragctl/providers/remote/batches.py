"""Embeds any number of texts by requests of limited size, several at once; a bad text fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from ragctl.errors import DocumentError, ProviderError, RejectedInputs
from ragctl.providers.remote.caller import Answer, Caller, Request
from ragctl.providers.remote.characters import lone_surrogate
from ragctl.providers.remote.faults import TooMuchAtOnce
from ragctl.providers.remote.filling import fill, spread
from ragctl.providers.remote.in_flight import Split, in_flight
from ragctl.types import EmbeddedBatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

R = TypeVar("R")

_COUNTED_TOGETHER = 64
_ALL_REFUSED = 3
"""So many texts refused alone, and none taken yet: then it is not the texts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may hold: inputs, and tokens of all of them together."""

    inputs: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Job(Generic[R]):
    """Texts to embed.

    Attributes:
        texts: as they are sent, prefixes included.
        count: tokens of each of some texts.
        send: sends some of the texts once.
        read: vectors of unit length of an answer to so many texts; raises `WrongVectors`.
        refuse: why a text of so many tokens is not even sent; None: it is.
    """

    texts: Sequence[str]
    count: Callable[[Sequence[str]], Sequence[int]]
    send: Callable[[Sequence[str]], Answer[R]]
    read: Callable[[R, int], Vectors]
    refuse: Callable[[str, int], DocumentError | None] = field(default=lambda text, tokens: None)


@dataclass(frozen=True, slots=True)
class _Refused:
    position: int
    error: DocumentError


class Batches:
    """Embeds jobs by way of a `Caller`. Safe to share between threads.

    Args:
        max_in_flight: requests at once, at least 1.
    """

    def __init__(self, caller: Caller, *, limits: Limits, max_in_flight: int) -> None:
        self._caller = caller
        self._limits = limits
        self._max_in_flight = max_in_flight
        self._max_inputs = limits.inputs
        self._lock = Lock()
        self._taken = False
        self._refused = 0

    def embed(self, job: Job[R]) -> Iterator[EmbeddedBatch]:
        """Vectors in batches, in the order in which the answers come; each position at most once.

        Raises (while iterating):
            RejectedInputs: at the end: some texts have no vector, all others came.
            RagctlError: what `Caller.ask` raises; what was answered until then came.
        """
        refused: dict[int, DocumentError] = {}
        tokens: dict[int, int] = {}
        inputs = spread(len(job.texts), max_in_flight=self._max_in_flight, max_inputs=self._limits.inputs)
        requests = fill(
            _counted(job, tokens, refused),
            max_tokens=self._limits.tokens,
            max_inputs=lambda: min(inputs, self._max_inputs),
        )

        def work(
            positions: tuple[int, ...], stopped: Event
        ) -> EmbeddedBatch | _Refused | Split[tuple[int, ...]]:
            return self._ask(job, positions, sum(tokens[position] for position in positions), stopped)

        results: Iterator[EmbeddedBatch | _Refused] = in_flight(requests, work, limit=self._max_in_flight)
        for result in results:
            if isinstance(result, _Refused):
                refused[result.position] = result.error
            else:
                for position in result.positions:
                    del tokens[position]
                yield result
        if refused:
            raise _rejected(refused, len(job.texts), self._caller.service.where)

    def _ask(
        self, job: Job[R], positions: tuple[int, ...], tokens: int, stopped: Event
    ) -> EmbeddedBatch | _Refused | Split[tuple[int, ...]]:
        texts = [job.texts[position] for position in positions]
        request = Request(
            send=lambda: job.send(texts),
            read=lambda value: job.read(value, len(texts)),
            tokens=tokens,
            texts=texts,
        )
        try:
            vectors = self._caller.ask(request, stopped=stopped)
        except DocumentError as error:
            if len(positions) == 1:
                return self._refuse(positions[0], error)
            middle = len(positions) // 2
            if isinstance(error, TooMuchAtOnce):
                self._max_inputs = min(self._max_inputs, middle)
            return Split((positions[:middle], positions[middle:]))
        self._taken = True
        return EmbeddedBatch(positions, vectors)

    def _refuse(self, position: int, error: DocumentError) -> _Refused:
        with self._lock:
            self._refused += 1
            hopeless = not self._taken and self._refused >= _ALL_REFUSED
        if hopeless:
            raise ProviderError(
                f"every text so far was refused, each alone; the last: {error.message}",
                where=error.where,
                hint="see whether the model and the parameters in the spec are those of this server",
            )
        return _Refused(position, error)


def _counted(
    job: Job[R], tokens: dict[int, int], refused: dict[int, DocumentError]
) -> Iterable[tuple[int, int]]:
    """(position, tokens) of what is to be sent, a few texts counted at a time."""
    for first in range(0, len(job.texts), _COUNTED_TOGETHER):
        texts: dict[int, str] = {}
        for position, text in enumerate(job.texts[first : first + _COUNTED_TOGETHER], start=first):
            error: DocumentError | None = lone_surrogate(text)
            if error is None:
                texts[position] = text
            else:
                refused[position] = error
        for (position, text), of_text in zip(texts.items(), job.count(list(texts.values())), strict=True):
            error = job.refuse(text, of_text)
            if error is None:
                tokens[position] = of_text
                yield position, of_text
            else:
                refused[position] = error


def _rejected(refused: Mapping[int, DocumentError], texts: int, where: str) -> RejectedInputs:
    first = min(refused)
    return RejectedInputs(
        f"{len(refused)} of {texts} texts have no vector; text {first}: {refused[first].message}",
        where=where,
        hint=refused[first].hint,
        refused=refused,
    )
