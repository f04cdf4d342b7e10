"""How long each phase of a run takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the seconds of phases by name; a phase that comes again is added to."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside as `name`'s, also if it ends in an error."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - before

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, in the order in which the phases first ended; rounded to milliseconds."""
        return {name: round(value, 3) for name, value in self._seconds.items()}
