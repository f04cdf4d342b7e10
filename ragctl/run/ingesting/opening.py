"""The beginning of an ingest, whoever carries it out: the run is opened, its generation made ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.plan import Plan
from ragctl.run.composition import Composition
from ragctl.run.ingesting.draft import Draft
from ragctl.run.run_record import record_at_start
from ragctl.run.upkeep.generation_choice import Target, drop_leftovers
from ragctl.run.upkeep.notes import write_notes
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.state.runs import Runs
from ragctl.state.spending import close_left_budgets
from ragctl.types import Item

if TYPE_CHECKING:
    from ragctl.run.stores.faces import GenerationStore


@dataclass(frozen=True, slots=True)
class Opened:
    """A run that has been opened: the generation that it writes to, and its record so far."""

    target: Target
    record: dict[str, Any]


def open_run(
    composition: Composition, lease: Lease, draft: Draft, *, command: str, again: bool = False
) -> Opened:
    """Makes the index the pipeline's, closes what dead runs left, and notes that this one has begun.

    Args:
        command: what the run is called in the list of runs.
        again: the run may have been opened before.

    Raises:
        LeaseLost: nothing of it was done.
    """
    connection = composition.connect()
    generations = composition.generations()
    runs = Runs(connection, composition.index)
    with lease.held(connection):
        generations.claim_index(composition.spec.name)
        runs.close_dead()
        close_left_budgets(connection, composition.index)
        target = draft.target.made(generations)
        record = record_at_start(composition, connection)
        pipeline = composition.spec.name
        runs.start(lease.run, pipeline=pipeline, command=command, record=record, again=again)
    return Opened(target, record)


def ready_generation(composition: Composition, lease: Lease, target: Target, plan: Plan) -> GenerationStore:
    """The store of the target, its tables in being; what could not be listed is in its ledger.

    Raises:
        Mismatch: index and ledger disagree about what is stored; nothing was written.
        LeaseLost: nothing was written.
    """
    connection = composition.connect()
    ledger = Ledger(connection, target.generation.id)
    vectors = composition.store_of(target.generation)
    composition.stores.refuse_taken(composition.index)
    if target.generation.status not in ("building", "trial"):
        _see_that_it_is_whole(vectors, ledger)
    for failure in plan.unlisted:
        with lease.held(connection):
            ledger.record_failure(failure, Item(failure.source, failure.document, uri="", fingerprint=""))
    vectors.create()
    drop_leftovers(composition, lease)
    with lease.held(connection):
        write_notes(composition)
    return vectors


def _see_that_it_is_whole(vectors: GenerationStore, ledger: Ledger) -> None:
    stored, known = vectors.counts(), ledger.counts()
    if stored != known:
        raise Mismatch(
            f"the index holds {stored[0]:,} documents and {stored[1]:,} chunks, "
            f"the ledger says {known[0]:,} and {known[1]:,}; nothing was written",
            hint="ragctl doctor SPEC says what is missing, and --repair mends it",
        )
