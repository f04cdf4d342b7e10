"""Which generation an ingest writes to, and which ones it drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from ragctl.errors import Mismatch, RollbackUndone
from ragctl.run.composition import Composition
from ragctl.spec.recipe import recipe_settings
from ragctl.state.generations import Generation, Generations
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.types import ItemKey, LedgerItem


@dataclass(frozen=True, slots=True)
class Target:
    """The generation to write to, which may have to be made first, and the others that there are.

    Attributes:
        known: the generations that what is gone from the sources is deleted from, with their ledgers.
        trial: it is an experiment's, and changes no other one.
    """

    composition: Composition
    existing: Generation | None
    active: Generation | None
    others: tuple[Generation, ...]
    known: tuple[tuple[Generation, dict[ItemKey, LedgerItem]], ...]
    trial: bool = False

    @property
    def generation(self) -> Generation:
        assert self.existing is not None  # made() comes first
        return self.existing

    def ledger_items(self) -> dict[ItemKey, LedgerItem]:
        """What is known in the target itself."""
        if self.existing is None:
            return {}
        return next(rows for generation, rows in self.known if generation.id == self.existing.id)

    def known_items(self) -> Iterator[tuple[Generation, dict[ItemKey, LedgerItem]]]:
        """Every generation with its ledger, the target among them."""
        yield from self.known

    def made(self, generations: Generations) -> Target:
        """The same, with the generation in being; half-built ones of other recipes are dropped."""
        for other in self.others:
            store = self.composition.store_of(other)
            if other.status == "building" and not self.trial:
                store.drop()
                generations.mark_dropped(other)
            elif store.exists():
                store.index_inputs()  # its vectors will be looked up
        known = tuple(
            (generation, rows)
            for generation, rows in self.known
            if generation.status != "building" or generation == self.existing
        )
        if self.existing is not None:
            return replace(self, known=known)
        recipe = self.composition.recipe
        made = generations.create(
            recipe=recipe.digest,
            recipe_parts=asdict(recipe),
            embedder=self.composition.embedder.identity,
            dimension=self.composition.embedder.dimension,
            settings=recipe_settings(self.composition.spec, self.composition.embed_settings),
            store=self.composition.spec.store.type,
            trial=self.trial,
        )
        return replace(self, existing=made, known=(*known, (made, {})))

    def lacking(self, ledger: Ledger) -> list[ItemKey]:
        """Items that the active generation has stored and the target has not, for whatever reason.

        Call it after what is gone from the sources has been deleted from both.
        """
        if self.active is None:
            return []
        before = Ledger(self.composition.connect(), self.active.id).items()
        now = ledger.items()
        return sorted(
            key for key, row in before.items() if row.stored and (key not in now or not now[key].stored)
        )


def choose_target(
    composition: Composition,
    generations: Generations,
    *,
    into: int | None = None,
    undo_rollback: bool = False,
    trial: bool = False,
) -> Target:
    """The active generation if it has this recipe, else a half-built one that has, else a new one.

    Args:
        into: number of the kept or trial generation to write to instead, whose recipe must be this one.
        trial: an experiment's generation of this recipe, or a new one; the others are left as they are.
        undo_rollback: a newer generation than the active one may be built by a recipe that was
            rolled back.

    Raises:
        Mismatch: there is no kept generation `into` of this recipe.
        RollbackUndone: not without being told to.
    """
    every = generations.all()
    if trial:
        return _trial(composition, every)
    active = next((one for one in every if one.status == "active"), None)
    if into is not None:
        chosen: Generation | None = _kept(every, into, composition.recipe.digest)
    else:
        chosen = _of_recipe(every, active, composition.recipe.digest)
        if not undo_rollback:
            _guard_rollback(composition, generations, active, chosen)
    connection = composition.connect()
    return Target(
        composition=composition,
        existing=chosen,
        active=active,
        others=tuple(one for one in every if one != chosen),
        known=tuple((one, Ledger(connection, one.id).items()) for one in every),
    )


def _trial(composition: Composition, every: Sequence[Generation]) -> Target:
    recipe = composition.recipe.digest
    existing = next((one for one in every if one.status == "trial" and one.recipe == recipe), None)
    ledger = () if existing is None else ((existing, Ledger(composition.connect(), existing.id).items()),)
    others = tuple(one for one in every if one != existing)
    return Target(composition, existing, active=None, others=others, known=ledger, trial=True)


def _of_recipe(every: Sequence[Generation], active: Generation | None, recipe: str) -> Generation | None:
    candidates = [one for one in every if one.recipe == recipe and one.status in ("active", "building")]
    return active if active in candidates else (candidates[-1] if candidates else None)


def _kept(every: Sequence[Generation], number: int, recipe: str) -> Generation:
    for one in every:
        if one.number == number and one.status in ("kept", "trial") and one.recipe == recipe:
            return one
    raise Mismatch(f"there is no kept generation {number} of this recipe (any more)")


def _guard_rollback(
    composition: Composition,
    generations: Generations,
    active: Generation | None,
    chosen: Generation | None,
) -> None:
    """Refuses to build anew what was rolled back: the same recipe, or the same settings by later code."""
    if active is None or chosen == active:
        return
    recipe = composition.recipe.digest
    settings = recipe_settings(composition.spec, composition.embed_settings)
    for newer in generations.newer_published(active):
        if newer.recipe == recipe or newer.settings == settings:
            raise RollbackUndone(
                f"generation {active.number} of {composition.index!r} was rolled back to, and this ingest "
                f"would undo that by the settings of generation {newer.number}; nothing was written",
                where=str(composition.loaded.path),
                hint=f"to keep generation {active.number} up to date, give the spec its settings "
                f"(ragctl index SPEC show {active.number}); to build a new generation all the same: --yes",
            )


def drop_old_generations(
    composition: Composition, generations: Generations, lease: Lease | None = None
) -> None:
    """Keeps `store.keep_generations` of those that were active once: those that were so last."""
    surplus = surplus_generations(generations, composition.spec.store.keep_generations)
    drop_generations(composition, generations, surplus, lease)


def surplus_generations(generations: Generations, keep: int) -> list[Generation]:
    """Kept generations beyond the `keep` that were published last."""
    kept = [one for one in generations.all() if one.status == "kept"]
    kept.sort(key=lambda one: (one.published_at is not None, one.published_at, one.number))
    return kept[: max(len(kept) - keep, 0)]


def drop_generations(
    composition: Composition,
    generations: Generations,
    which: Sequence[Generation],
    lease: Lease | None = None,
) -> None:
    """Drops tables and ledger of each, in a transaction that needs the lease if one is given.

    Raises:
        LeaseLost: another run took over.
    """
    connection = composition.connect()
    for generation in which:
        with connection.transaction():
            if lease is not None:
                lease.check(connection)
            composition.store_of(generation).drop()
            generations.mark_dropped(generation)
        if composition.stores.apart:  # which could not be taken back, had the transaction failed
            composition.store_of(generation).drop()


def drop_leftovers(composition: Composition, lease: Lease) -> list[Generation]:
    """Drops what lies in a store apart of generations that were dropped; returns those that had something.

    A run was killed, or its transaction failed, between the two.

    Raises:
        LeaseLost: another run took over.
    """
    if not composition.stores.apart:
        return []
    connection = composition.connect()
    found = {one.number for one in composition.catalog(connection).found(composition.index)}
    left = [one for one in composition.generations().dropped() if one.number in found]
    left = [one for one in left if composition.store_of(one).exists()]
    for generation in left:
        lease.look(connection)
        composition.store_of(generation).drop()
    return left
