"""Runs an iterator in a thread, some items ahead of the one that uses them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.2
"""How often a thread that waits looks whether it is to stop."""


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def run_ahead(items: Iterator[T], *, depth: int, name: str) -> Generator[T, None, None]:
    """The items in order. What raises there, raises here.

    Closing it early ends the thread after the item that it is at, and closes `items` in that thread.

    Args:
        depth: most items that wait to be used, at least 1.
        name: of the thread.
    """
    ready: Queue[object] = Queue(depth)
    stop = Event()
    thread = Thread(target=_fill, args=(items, ready, stop), name=name, daemon=True)
    thread.start()
    try:
        while True:
            found = _next(ready)
            if found is _END:
                return
            if isinstance(found, _Failed):
                raise found.error
            yield found  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def _next(ready: Queue[object]) -> object:
    while True:
        try:
            return ready.get(timeout=_LOOK_SECONDS)  # on Windows, a wait without end hears no Ctrl-C
        except Empty:
            continue


def _fill(items: Iterator[object], ready: Queue[object], stop: Event) -> None:
    try:
        for item in items:
            if not _put(ready, item, stop):
                return
    except BaseException as error:  # it is raised where the items are used
        _put(ready, _Failed(error), stop)
    else:
        _put(ready, _END, stop)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _put(ready: Queue[object], item: object, stop: Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=_LOOK_SECONDS)
        except Full:
            continue
        return True
    return False
