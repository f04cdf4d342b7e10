"""Works on several things at once, in threads, and takes no more of them than that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Work was given up because other work failed, or because nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Instead of a result: things to work on in its place, before any other."""

    items: tuple[T, ...]


def in_flight(items: Iterable[T], work: Callable[[T, Event], R | Split[T]], *, limit: int) -> Iterator[R]:
    """The results of `work`, each as it comes.

    An item is taken when a thread is free for it, so at most `limit` are in work and `items` is never
    read ahead. When one fails, no further is begun; results of those that are in work still come, as
    they may have been paid for; then the first failure is raised. Closing the iterator waits for those.

    Args:
        work: called in a thread. Its event is set when it is to give up waiting; it may raise `Stopped`.
        limit: threads, at least 1.
    """
    stopped = Event()
    source, ahead = iter(items), deque[T]()
    pending: set[Future[R | Split[T]]] = set()
    failure: BaseException | None = None
    pool = ThreadPoolExecutor(limit, thread_name_prefix="ragctl-request")
    try:
        while True:
            if failure is None:
                for item in _next(source, ahead, limit - len(pending)):
                    pending.add(pool.submit(work, item, stopped))
            if not pending:
                break
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is not None:
                    failure = failure or error
                    stopped.set()
                    continue
                result = future.result()
                if isinstance(result, Split):
                    ahead.extendleft(reversed(result.items))
                else:
                    yield result
        if failure is not None:
            raise failure
    finally:
        stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _next(source: Iterator[T], ahead: deque[T], free: int) -> Iterator[T]:
    for _ in range(free):
        if ahead:
            yield ahead.popleft()
            continue
        try:
            yield next(source)
        except StopIteration:
            return
