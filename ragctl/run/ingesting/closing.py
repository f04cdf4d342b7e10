"""The end of an ingest, whoever carried it out: deletions, and the flip of the pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.run.composition import Composition
from ragctl.run.redone import redone
from ragctl.run.upkeep.generation_choice import Target, drop_old_generations
from ragctl.run.upkeep.notes import write_notes
from ragctl.state.generations import Generation, Generations
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.types import ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.stores.faces import GenerationStore


@dataclass(frozen=True, slots=True)
class Published:
    """`done`: the generation is the one that is queried now.

    `lacking`: documents of the active one that it has not, which kept it from being published.
    """

    done: bool
    lacking: Sequence[ItemKey] = ()


def delete_gone(
    composition: Composition, lease: Lease, gone: Iterable[tuple[Generation, Sequence[ItemKey]]]
) -> None:
    """Removes items that are not listed any more from each generation that has them.

    Raises:
        LeaseLost: another run took over.
    """
    connection = composition.connect()
    for generation, keys in gone:
        if not keys:
            continue
        ledger = Ledger(connection, generation.id)
        store = composition.store_of(generation)
        redone(partial(_delete, connection, lease, store, ledger, keys))
        store.tidy()


def _delete(
    connection: Connection[Any],
    lease: Lease,
    store: GenerationStore,
    ledger: Ledger,
    keys: Sequence[ItemKey],
) -> None:
    with lease.held(connection):
        store.delete(ledger.documents_of(keys))
        ledger.forget(keys)


def optimize(
    composition: Composition,
    lease: Lease,
    generation: Generation,
    *,
    changed: bool,
    tell: Callable[[str], None],
) -> None:
    """Brings up to date what searches rest on, before the generation is asked.

    No transaction is held meanwhile: it may take minutes, and other commits are not to wait for it.

    Args:
        changed: something was written or deleted; if not, only what is lacking is added: what an earlier
            release did not know, or an index whose build was killed.
        tell: gets a sentence for whatever takes long, or has to be done without.

    Raises:
        LeaseLost: another run took over.
    """
    store = composition.store_of(generation)
    if changed or not store.has_text_index() or not store.has_vector_index():
        lease.look(composition.connect())
        redone(lambda: store.optimize(tell=tell))


def publish(
    composition: Composition, lease: Lease, target: Target, *, allow_partial: bool, drop_old: bool = True
) -> Published:
    """Makes the target the active generation, unless it is, is empty, or lacks what the active one has.

    Args:
        allow_partial: publish it even if it lacks documents.
        drop_old: drop what the spec does not want kept.

    Raises:
        LeaseLost, RunInProgress: another run took over.
        Mismatch: the target holds other documents than its ledger says.
    """
    connection = composition.connect()
    if target.generation.status == "active":
        lease.look(connection)
        composition.stores.point(composition.index, target.generation)
        return Published(True)
    ledger = Ledger(connection, target.generation.id)
    lacking = target.lacking(ledger)
    stored = ledger.counts()
    if not stored[0] or (lacking and not allow_partial):
        return Published(False, lacking)
    found = composition.store_of(target.generation).counts()
    if found != stored:
        raise Mismatch(
            f"the new generation holds {found} documents and chunks, the ledger says {stored}",
            hint="ragctl doctor",
        )
    generations = Generations(connection, composition.index)

    def flip() -> None:
        with lease.held(connection):
            generations.publish(target.generation, instead_of=target.active)
            write_notes(composition)

    redone(flip)
    composition.stores.point(composition.index, target.generation)
    if drop_old:
        drop_old_generations(composition, generations, lease)
    return Published(True)
