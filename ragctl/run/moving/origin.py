"""Where documents are carried from: an index in a store, under the lease of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ragctl.errors import Mismatch
from ragctl.run.composition import Composition
from ragctl.run.moving.content import refuse_wrong_vectors
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.state.generations import Generation
from ragctl.state.ledger import Ledger
from ragctl.state.ledger_rows import ItemRow, LedgerRows
from ragctl.stores.whole_document import WholeDocument

if TYPE_CHECKING:
    from ragctl.state.lease import Lease

MOST_CHUNKS = 1_000
"""Carried at a time, unless one document has more: with vectors of 3,072 numbers some 12 MB."""
ITEMS_AT_ONCE = 1_000


class Origin(Protocol):
    """What is carried: a generation with its documents and what the ledger knows."""

    @property
    def generation(self) -> Generation:
        """What made it; of one that does not lie in a store, `id` is 0."""
        ...

    @property
    def counts(self) -> tuple[int, int]:
        """(documents, chunks)"""
        ...

    def documents(self) -> Iterator[list[WholeDocument]]:
        """All of them, some at a time."""
        ...

    def items(self) -> Iterator[list[ItemRow]]:
        """All that the ledger knows, some at a time; to be called when `documents` has ended."""
        ...


class IndexOrigin:
    """The active generation of an index.

    Args:
        lease: of the index: nobody else writes to it meanwhile.
    """

    def __init__(self, composition: Composition, lease: Lease, generation: Generation) -> None:
        self._composition = composition
        self._lease = lease
        self._survey = composition.survey_of(generation)
        self._ledger = LedgerRows(composition.connect(), generation.id)
        self.generation = generation
        self.counts = self._checked_counts()

    @property
    def composition(self) -> Composition:
        """Of the index."""
        return self._composition

    @property
    def lease(self) -> Lease:
        """Of the index."""
        return self._lease

    def _checked_counts(self) -> tuple[int, int]:
        stored = self._survey.counts()
        known = Ledger(self._composition.connect(), self.generation.id).counts()
        if stored != known:
            raise Mismatch(
                f"index {self.generation.index!r} holds {stored[0]:,} documents and {stored[1]:,} chunks, "
                f"the ledger says {known[0]:,} and {known[1]:,}; nothing was carried",
                hint=f"{self._composition.command('doctor')} says what is missing, and --repair mends it",
            )
        return stored

    def documents(self) -> Iterator[list[WholeDocument]]:
        """All of them, some at a time.

        Raises:
            LeaseLost: another run has taken the index.
            Mismatch: a vector is none, or a document is not whole.
        """
        repair = f"{self._composition.command('doctor', '--repair')}, then an ingest, mends it"
        for some in self._survey.whole_documents(MOST_CHUNKS):
            self._lease.look(self._composition.connect())
            for one in some:
                refuse_wrong_vectors(one, self.generation.dimension, hint=repair)
            yield some

    def items(self) -> Iterator[list[ItemRow]]:
        """All that the ledger knows, some at a time.

        Raises:
            LeaseLost: another run has taken the index.
        """
        for some in self._ledger.items(ITEMS_AT_ONCE):
            self._lease.look(self._composition.connect())
            yield some


@contextmanager
def opened_origin(
    composition: Composition, command: str, *, wait: bool
) -> Iterator[tuple[IndexOrigin, dict[str, Any]]]:
    """The active generation of the spec's index, held by a run; and the run's record.

    Raises:
        NothingPublished: there is none.
        RunInProgress: another run is writing to the index.
        Mismatch: it does not hold what its ledger says.
    """
    composition.connect_to_existing()
    with exclusive_run(composition, command, wait=wait) as (lease, record):
        generation = composition.active_generation()
        record["generation"] = generation.number
        yield IndexOrigin(composition, lease, generation), record
