"""What a run tells while it goes on; the command line shows it, a DAG logs it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of every step. `total` is fixed before the first `advance`."""

    def start(self, total: int, what: str) -> None: ...

    def advance(self, documents: int = 1, *, chunks: int = 0) -> None: ...

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

    def note(self, message: str) -> None:
        """Nothing."""

    def done(self) -> None:
        """Nothing."""
