"""The workers that read untrusted and heavy formats: started when the first is needed, recycled."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ragctl.readers.parts import Found
from ragctl.readers.worker_process import Limits, Worker
from ragctl.types import Item

RECYCLED_AFTER = 200
"""Items; libraries lose some memory with each."""
_GROWN = 2
"""A worker that has kept one part in so many of the memory that it may have is not used again."""


class WorkerPool:
    """Lends workers. Thread-safe; as many run at once as there are threads that read.

    Close it, or use it in a `with`. Workers also end when this process does, however it ends.
    """

    def __init__(self, limits: Limits | None = None, *, recycled_after: int = RECYCLED_AFTER) -> None:
        self._limits = limits or Limits()
        self._recycled_after = recycled_after
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self.started = 0

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, name: str, options: Mapping[str, Any], item: Item, data: bytes) -> Iterator[Found]:
        """What the reader of that name finds in `data`; all of it, once it is whole.

        Raises:
            ReaderStopped, ReaderCrashed, DocumentError, MissingPackage: see `Worker.read`.
            Unavailable: no worker can be started.
        """
        worker = self._lend()
        try:
            found = worker.read(name, options, item, data)
        finally:
            self._take_back(worker)
        return iter(found)

    def close(self) -> None:
        """Ends all idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _lend(self) -> Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.end()
            self.started += 1
        return Worker(self._limits)

    def _take_back(self, worker: Worker) -> None:
        grown = (worker.resident or 0) > self._limits.memory // _GROWN
        if not worker.alive or grown or worker.served >= self._recycled_after:
            worker.end()
            return
        with self._lock:
            self._idle.append(worker)
