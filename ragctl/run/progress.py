"""What a run tells while it goes on; the command line shows it, a DAG logs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from ragctl.ports import Embedder
from ragctl.run.usage import UsageWatch
from ragctl.types import EmbeddedBatch, Usage


class Progress(Protocol):
    """Told of every step. `total` is fixed before the first `advance`."""

    def start(self, total: int, what: str) -> None: ...

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None: ...

    def embedded(self, chunks: int) -> None:
        """The model has read that many more; their documents are not written yet."""
        ...

    def note(self, message: str) -> None:
        """A sentence for people."""
        ...

    def done(self) -> None: ...


class Silent:
    """Shows nothing."""

    def start(self, total: int, what: str) -> None:
        """Nothing."""

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None:
        """Nothing."""

    def embedded(self, chunks: int) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""


class Metered:
    """An embedder that tells of every batch it returns.

    Args:
        before_batch: called before each batch is asked for; what it raises ends the embedding.

    Attributes:
        inputs: texts that it returned vectors for.
        seconds: spent waiting for the embedder; the first wait includes loading its model.
    """

    def __init__(
        self, embedder: Embedder, progress: Progress, before_batch: Callable[[], None] = lambda: None
    ) -> None:
        self._embedder = embedder
        self._progress = progress
        self._before_batch = before_batch
        self.identity = embedder.identity
        self.dimension = embedder.dimension
        self.inputs = 0
        self.seconds = 0.0
        self._watch = UsageWatch(embedder)

    @property
    def usage(self) -> Usage:
        """What the embedder was asked for since this was made; in this process, the seconds waited for it."""
        usage = self._watch.usage
        return usage if self._embedder.endpoint is not None else replace(usage, seconds=self.seconds)

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        batches = iter(self._embedder.embed(inputs))
        while True:
            self._before_batch()
            before = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - before
            if batch is None:
                return
            self.inputs += len(batch.positions)
            self._progress.embedded(len(batch.positions))
            yield batch
