"""Which generation an ingest writes to: the active one of the same recipe, or a new one beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ragctl.run.composition import Composition
from ragctl.state.generations import Generation, Generations
from ragctl.state.ledger import Ledger
from ragctl.types import ItemKey, LedgerItem


@dataclass(frozen=True, slots=True)
class Target:
    """The generation to write to, which may have to be made first, and the others that there are."""

    composition: Composition
    existing: Generation | None
    active: Generation | None
    others: tuple[Generation, ...]
    known: tuple[tuple[Generation, dict[ItemKey, LedgerItem]], ...]

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
            if other.status == "building":
                self.composition.store_of(other).drop()
                generations.mark_dropped(other)
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
            recipe_parts={"extract": recipe.extract, "chunk": recipe.chunk, "embed": recipe.embed},
            embedder=self.composition.embedder.identity,
            dimension=self.composition.embedder.dimension,
        )
        return replace(self, existing=made, known=(*known, (made, {})))

    def lacking(self, ledger: Ledger) -> list[ItemKey]:
        """Items that the active generation has stored, that failed in the target and are not stored there."""
        if self.active is None:
            return []
        before = next(rows for generation, rows in self.known if generation.id == self.active.id)
        now = ledger.items()
        return sorted(key for key, row in before.items() if row.stored and key in now and not now[key].stored)


def choose_target(composition: Composition, generations: Generations) -> Target:
    """The active generation if it has this recipe, else a half-built one that has, else a new one."""
    recipe = composition.recipe.digest
    every = generations.all()
    active = next((one for one in every if one.status == "active"), None)
    candidates = [one for one in every if one.recipe == recipe and one.status in ("active", "building")]
    chosen = active if active in candidates else (candidates[-1] if candidates else None)
    connection = composition.connect()
    return Target(
        composition=composition,
        existing=chosen,
        active=active,
        others=tuple(one for one in every if one != chosen),
        known=tuple((one, Ledger(connection, one.id).items()) for one in every),
    )


def drop_old_generations(composition: Composition, generations: Generations) -> None:
    """Keeps `store.keep_generations` of those that were active once, the latest ones."""
    kept = [one for one in generations.all() if one.status == "kept"]
    surplus = len(kept) - composition.spec.store.keep_generations
    for generation in kept[: max(surplus, 0)]:
        composition.store_of(generation).drop()
        generations.mark_dropped(generation)
