"""Objects into a collection and out of it; every object that the server refused is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable
from ragctl.stores.weaviate_faults import RefusedObjects, fault_of, weaviate_errors
from ragctl.stores.weaviate_objects import NewObject

if TYPE_CHECKING:
    from weaviate.collections import Collection
    from weaviate.collections.classes.filters import _Filters

# Of a request. Servers take messages of 10 MB at the least, those of today 100 MB.
_BATCH_BYTES = 4_000_000
_TRIES = 4
_FIRST_PAUSE_S = 0.5

# The server, or a node of its cluster, has no time now, and may have later.
_PASSING = (
    "timeout",
    "timed out",
    "deadline exceeded",
    "connection refused",
    "connection reset",
    "broken pipe",
    "unavailable",
    "leader not found",
    "too many requests",
    "rate limit",
    "not enough memory",
    "status 503",
    "status code: 503",
    "cannot reach enough replicas",
)


class WeaviateWriter:
    """Writes and deletes in one collection, or in one tenant of it.

    Args:
        collection: with its tenant and its consistency level.
        batch_objects: objects of a request at most.
        concurrency: requests under way at once.
        pause: waits so many seconds before refused objects are sent again.
    """

    def __init__(
        self,
        collection: Collection[Any, Any],
        *,
        batch_objects: int,
        concurrency: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._collection = collection
        self._batch_objects = batch_objects
        self._concurrency = concurrency
        self._pause = pause

    def insert(self, objects: Iterable[NewObject]) -> None:
        """All of them; those with ids that are there already take the place of what had them.

        Raises:
            RefusedObjects: the server does not take some of them; the others may be written.
            Unavailable: it does not take them now, however often it was asked.
            Mismatch: the collection is gone, or holds vectors of another dimension.
        """
        batches = _batches(objects, self._batch_objects)
        if self._concurrency == 1:
            for batch in batches:
                self._insert(batch)
            return
        with ThreadPoolExecutor(self._concurrency) as pool:
            # No more than these are in memory at once.
            for some in _groups(batches, self._concurrency):
                list(pool.map(self._insert, some))

    def _insert(self, batch: Sequence[NewObject]) -> None:
        left = batch
        for tried in range(_TRIES):
            if tried:
                self._pause(_FIRST_PAUSE_S * 2 ** (tried - 1))
            refused = self._send(left)
            lasting = [(one, reason) for one, reason in refused if not _may_pass(reason)]
            if lasting:
                raise _refusal(lasting, len(batch))
            if not refused:
                return
            left = [one for one, _ in refused]
        raise _refusal(refused, len(batch))

    def _send(self, batch: Sequence[NewObject]) -> list[tuple[NewObject, str]]:
        """What was refused, with the server's reason."""
        from weaviate.exceptions import WeaviateInsertManyAllFailedError

        with weaviate_errors():
            try:
                answer = self._collection.data.insert_many([one.data for one in batch])
            except WeaviateInsertManyAllFailedError as error:
                # One sentence for all of them; the reasons come after a preamble.
                reason = error.message.partition("errors: ")[2] or error.message
                return [(one, reason) for one in batch]
        return [(batch[number], error.message) for number, error in sorted(answer.errors.items())]

    def delete(self, which: _Filters) -> int:
        """Everything that fits, also where that is more than the server deletes at once; how many went.

        Raises:
            Unavailable: some of it cannot be deleted.
        """
        gone = 0
        while True:
            with weaviate_errors():
                answer = self._collection.data.delete_many(which)
            gone += answer.successful
            if answer.failed and not answer.successful:
                raise Unavailable(
                    f"Weaviate failed to delete {answer.failed:,} objects",
                    where="store",
                    hint="run the same command again; ragctl doctor SPEC says what is left",
                )
            if not answer.successful:
                return gone


def any_of(name: str, values: Sequence[str]) -> _Filters:
    """Objects whose property has one of these values."""
    from weaviate.classes.query import Filter

    return Filter.by_property(name).contains_any(list(values))


def any_id(ids: Sequence[str]) -> _Filters:
    """Objects with these ids."""
    from weaviate.classes.query import Filter

    return Filter.by_id().contains_any(list(ids))


def _batches(objects: Iterable[NewObject], most: int) -> Iterator[list[NewObject]]:
    batch: list[NewObject] = []
    size = 0
    for one in objects:
        if batch and (len(batch) == most or size + one.bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.bytes
    if batch:
        yield batch


def _groups(batches: Iterator[list[NewObject]], size: int) -> Iterator[list[list[NewObject]]]:
    group: list[list[NewObject]] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _may_pass(reason: str) -> bool:
    said = reason.lower()
    return any(part in said for part in _PASSING)


def _refusal(refused: Sequence[tuple[NewObject, str]], of: int) -> Exception:
    first, reason = refused[0]
    known = fault_of(reason, where=first.where)
    what = f"Weaviate refused {len(refused):,} of {of:,} objects, the first of them: {reason.strip()[:500]}"
    if known is not None:
        known.message = f"{what} ({known.message.partition(':')[0]})"
        return known
    if _may_pass(reason):
        return Unavailable(
            what, where=first.where, hint="run the same command again: what was committed is kept"
        )
    return RefusedObjects(what, where=first.where, hint="nothing of this batch is visible")
