"""What a run tells while it goes on; the command line shows it, a DAG logs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ragctl.ports import PassageEmbedder
from ragctl.types import EmbeddedBatch


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
    """An embedder that tells of every batch it returns."""

    def __init__(self, embedder: PassageEmbedder, progress: Progress) -> None:
        self._embedder = embedder
        self._progress = progress
        self.identity = embedder.identity
        self.dimension = embedder.dimension

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        for batch in self._embedder.embed(inputs):
            self._progress.embedded(len(batch.positions))
            yield batch
