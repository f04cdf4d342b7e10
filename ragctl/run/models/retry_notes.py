"""Tells of repeated requests without flooding whoever reads: eight at a time may be repeated for minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

EVERY_S = 10.0


class RetryNotes:
    """Called with a sentence for each repetition, passes on one every ten seconds. Safe to share.

    Args:
        note: takes a sentence for people.
        clock: seconds that never go back.
    """

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._note = note
        self._clock = clock
        self._lock = Lock()
        self._told: float | None = None
        self._kept = 0

    def __call__(self, text: str) -> None:
        with self._lock:
            now = self._clock()
            if self._told is not None and now - self._told < EVERY_S:
                self._kept += 1
                return
            more = f" ({self._kept:,} more since the last such note)" if self._kept else ""
            self._told, self._kept = now, 0
            self._note(text + more)
