"""Connections to the store for questions that are asked at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.composition import Composition
    from ragctl.run.stores.faces import GenerationStore
    from ragctl.state.generations import Generation

MOST_CONNECTIONS = 8
"""At once, of one process: the embedded server takes 40, and more processes than this one may ask it."""


class StorePool:
    """Gives each thread a store of its own for the time of a search.

    Args:
        first: the store on the composition's own connection, which is not closed here.
    """

    def __init__(self, composition: Composition, generation: Generation, *, first: GenerationStore) -> None:
        self._composition = composition
        self._generation = generation
        self._idle = [first]
        self._opened: list[Connection[Any]] = []
        self._places = BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = Lock()

    @contextmanager
    def one(self) -> Iterator[GenerationStore]:
        """A store for one thread, which waits while all connections are in use.

        Raises:
            Unavailable: the database cannot be reached.
            NothingPublished: it is gone.
        """
        with self._places:
            store = self._taken()
            try:
                yield store
            finally:
                with self._lock:
                    self._idle.append(store)

    def _taken(self) -> GenerationStore:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = self._composition.look()
        if connection is None:
            raise self._composition.nothing_published()
        with self._lock:
            self._opened.append(connection)
        return self._composition.store_of(self._generation, connection)

    def close(self) -> None:
        """Closes the connections that were opened here."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
            self._idle.clear()
