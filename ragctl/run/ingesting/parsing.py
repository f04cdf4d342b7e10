"""The part of reading that needs neither ledger nor database, and so can run beside other items' parsing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from ragctl.errors import MissingPackage
from ragctl.readers.auto import Choice, Readers
from ragctl.readers.kinds import ARCHIVES
from ragctl.readers.nested import Outcome, read_nested
from ragctl.readers.table import READERS
from ragctl.types import Document, Item, ItemKey


@dataclass(slots=True)
class Parsed:
    """What a reader made of an item, or the error that it raised.

    Attributes:
        choice: without a reader, `outcomes` are empty.
        seconds: by the clock.
    """

    choice: Choice
    outcomes: list[Outcome] = field(default_factory=list)
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def lacks(self) -> MissingPackage | None:
        """The package that the reader lacks."""
        return self.error if isinstance(self.error, MissingPackage) else None


@dataclass(slots=True)
class ToParse:
    """An item whose bytes are to be read by a reader; `parsing` once that has begun in a thread."""

    item: Item
    data: bytes
    digest: str
    in_index: bool
    parsing: Future[Parsed] | None = None


Decided = Iterable[Document] | ToParse


def parse(readers: Readers, item: Item, data: bytes) -> Parsed:
    """Reads the item with the reader for it; raises nothing."""
    choice = readers.choose(item, data)
    parsed = Parsed(choice)
    if choice.reader is None:
        return parsed
    started = time.perf_counter()
    try:
        parsed.outcomes = list(read_nested(choice.reader, item, data, readers.choose))
    except Exception as error:  # raised again where the item's turn comes
        parsed.error = error
    parsed.seconds = time.perf_counter() - started
    return parsed


class Ahead:
    """Begins with the next few items while one is gone on with, so that several workers parse at a time.

    What the ledger and the database say of an item is asked in the caller's thread, in the order of the
    items; only the parsing of formats that run in worker processes is in threads.

    Args:
        decide: what is to be done about an item; a `ToParse` if it is to be parsed.
        workers: as many items are parsed at a time; with one, nothing is begun before its turn.
    """

    def __init__(self, readers: Readers, decide: Callable[[Item], Decided], workers: int) -> None:
        self._readers = readers
        self._decide = decide
        self._workers = workers
        self._begun: dict[ItemKey, Decided | Exception] = {}
        self._threads: ThreadPoolExecutor | None = None

    def items(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, of which the next ones have been begun with."""
        if self._workers == 1:
            yield from items
            return
        with self._running():
            waiting: deque[Item] = deque()
            for item in items:
                self._begin(item)
                waiting.append(item)
                if len(waiting) > self._workers:
                    yield waiting.popleft()
            yield from waiting

    def decided(self, item: Item) -> Decided:
        """What `decide` said of the item.

        Raises:
            Exception: that it raised.
        """
        found = self._begun.pop((item.source, item.path), None)
        if found is None:
            return self._decide(item)
        if isinstance(found, Exception):
            raise found
        return found

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="ragctl-parse")
        try:
            yield
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, item: Item) -> None:
        try:
            found: Decided | Exception = self._decide(item)
        except Exception as error:  # raised again where the item's turn comes
            found = error
        if isinstance(found, ToParse) and self._threads is not None and self._is_heavy(item, found.data):
            found.parsing = self._threads.submit(parse, self._readers, item, found.data)
        self._begun[item.source, item.path] = found

    def _is_heavy(self, item: Item, data: bytes) -> bool:
        choice = self._readers.choose(item, data)
        if choice.reader is None:
            return False
        return READERS[choice.reader.name].where != "inline" or choice.media_type in ARCHIVES
