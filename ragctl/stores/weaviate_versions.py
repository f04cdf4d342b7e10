"""Which version of each document is the one to be seen, and readings that no change of versions spoils.

Weaviate has no transactions. A document's new chunks are written beside the old ones, under a version of
their own; that they are current is noted in the state, in one transaction (the flip); then the old ones are
deleted. Whoever reads drops what is not current.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from ragctl.errors import Unavailable
from ragctl.types import ItemKey

Found = TypeVar("Found")
Stale = tuple[ItemKey, int]
"""Of this document, everything below this version can go."""

# A document is seldom replaced more than once while it is searched for; each time costs one search more.
_ATTEMPTS = 40


class CurrentVersions(Protocol):
    """The versions of one generation's documents. Every write joins the caller's transaction, if any."""

    def reserve(self) -> int:
        """A version that was never given before, higher than all that were; also if it is not used."""
        ...

    def flip(self, chunks: Mapping[ItemKey, int], version: int) -> None:
        """`version` is the current one of these documents; what they had before is stale from now on.

        Args:
            chunks: how many each document has.

        Raises:
            LeaseLost: one of them has that version or a later one already.
        """
        ...

    def remove(self, documents: Collection[ItemKey], below: int) -> dict[ItemKey, int]:
        """The documents have no version any more; what they had `below` this version is stale.

        Returns how many chunks each of those had that there were.
        """
        ...

    def current(self, documents: Collection[ItemKey]) -> dict[ItemKey, int]:
        """The versions of those of the documents that there are."""
        ...

    def every(self) -> dict[ItemKey, tuple[int, int]]:
        """(version, chunks) of every document."""
        ...

    def totals(self) -> tuple[int, int]:
        """(documents, chunks)."""
        ...

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Readings inside it are as of the moment of entering; inside a transaction it does nothing."""
        ...

    def stale(self, limit: int) -> list[Stale]:
        """What other transactions than the one in progress have made stale and nobody has deleted yet."""
        ...

    def cleaned(self, stale: Sequence[Stale]) -> None:
        """All that was stale of these has been deleted."""
        ...

    def clear(self) -> None:
        """Forgets every document."""
        ...

    def restore(self, versions: Mapping[ItemKey, tuple[int, int]]) -> None:
        """Notes (version, chunks) of documents as a store has them, instead of all that was known."""
        ...

    def in_transaction(self) -> bool:
        """Is there a transaction of the caller's?"""
        ...

    def last(self) -> int:
        """The highest version that was given; 0 if there was none."""
        ...

    def go_on_after(self, version: int) -> None:
        """Later versions are higher than this one, and than all before."""
        ...


def settled(
    versions: CurrentVersions, read: Callable[[], tuple[Found, Collection[ItemKey]]]
) -> tuple[Found, dict[ItemKey, int]]:
    """What `read` finds, with the versions that its documents had from before it began until it was done.

    A version's chunks are all there from its flip until the next one. So if a document had one version all
    the while, `read` met all of them.

    Args:
        read: returns what it found and the documents that occur in it; called again where one of them
            was replaced meanwhile.

    Raises:
        Unavailable: that happened too often.
    """
    for _ in range(_ATTEMPTS):
        with versions.at_one_moment():
            found, documents = read()
            before = versions.current(documents)
        after = versions.current(documents)
        if before == after:
            return found, after
    raise Unavailable(
        "documents of the index are replaced faster than they can be read",
        where="store",
        hint="run the command again when the ingest has come further",
    )
