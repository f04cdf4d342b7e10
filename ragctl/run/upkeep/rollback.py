"""Back to an older generation: the pointer moves, and on request it is brought up to date first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch, NothingPublished, TooManyFailures, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.consent import Agree
from ragctl.run.ingesting.ingest import Ingest, IngestOptions
from ragctl.run.ingesting.report import IngestReport
from ragctl.run.progress import Progress, Silent
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.generation_view import differing_parts, find_generation
from ragctl.run.upkeep.notes import write_notes
from ragctl.spec.earlier_settings import with_settings
from ragctl.state.generations import Generation
from ragctl.state.ledger import Ledger

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback did.

    Attributes:
        active: number of the generation that is asked now.
        kept: number of the one that was asked before.
        behind: documents of that one which the active one lacked, or had in another version, when
            the rollback began.
        differs: parts of the active one's recipe that are not the spec's: extract, chunk, embed.
        caught_up: what bringing it up to date did; None if that was not asked for.
    """

    index: str
    active: int
    kept: int
    behind: int
    differs: tuple[str, ...]
    caught_up: IngestReport | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `ragctl index SPEC rollback --format json`; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "active": self.active,
            "kept": self.kept,
            "behind": self.behind,
            "differs": list(self.differs),
            "caught_up": self.caught_up.as_json() if self.caught_up else None,
        }


def roll_back(loaded: LoadedSpec, number: int | None = None, *, wait: bool = False) -> Rollback:
    """Makes a kept generation the active one as it is.

    Args:
        number: of the generation; without it, of those older than the active one the one that was
            active last.
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        UsageError: there is no such generation, or it is not a kept one.
        Mismatch: its tables do not hold what the ledger says.
        RunInProgress: another run is writing to the index; nothing was changed.
        NothingPublished: there is nothing yet.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        with exclusive_run(composition, "rollback", wait=wait) as (lease, record):
            active, kept = _choose(composition, number)
            _check_whole(composition, kept)
            behind = composition.generations().behind(kept, active)
            with connection.transaction():
                lease.check(connection)
                composition.generations().publish(kept, instead_of=active)
                write_notes(composition)
            composition.stores.point(composition.index, kept)
            done = _report(composition, active, kept, behind)
            record.update(done.as_json(), generation=kept.number, recipe=kept.recipe, published=True)
        return done


def roll_back_caught_up(
    loaded: LoadedSpec,
    number: int | None = None,
    *,
    wait: bool = False,
    max_cost: float | None = None,
    yes: bool = False,
    agree: Agree | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Rollback:
    """Brings a kept generation up to date by the settings that made it, then makes it the active one.

    If it was asked to stop before the end, `caught_up.interrupted` is true and the pointer has not
    moved.

    Args:
        max_cost, yes, agree: who has agreed to what it may cost, see `IngestOptions`.

    Raises:
        Mismatch: today's readers, splitters or models are not those that made it.
        TooManyFailures: it still lacks documents that the active one has; the pointer has not moved.
        GuardRefused: see `ragctl.run.ingesting.ingest.ingest`.
        UsageError, RunInProgress, NothingPublished: see `roll_back`.
    """
    with Composition(loaded) as composition, database_errors():
        composition.connect_to_existing()
        active, kept = _choose(composition, number)
        behind = composition.generations().behind(kept, active)
        report = _report(composition, active, kept, behind)
    with Composition(with_settings(loaded, kept.settings)) as older, database_errors():
        _check_recipe(older, kept)
        options = IngestOptions(wait=wait, max_cost=max_cost, yes=yes, agree=agree, into=kept.number)
        caught_up = Ingest(older, options, progress or Silent(), stop).run()
    if not caught_up.published and not caught_up.interrupted:
        raise TooManyFailures(
            f"generation {active.number} is still the active one: generation {kept.number} lacks "
            f"{caught_up.lacking:,} documents that it has ({len(caught_up.failures):,} failed)",
            where=f"generation {kept.number}",
            hint="ragctl index SPEC rollback without --catch-up goes back to it as it is",
        )
    return Rollback(
        report.index, report.active, report.kept, report.behind, report.differs, caught_up=caught_up
    )


def _report(
    composition: Composition, active: Generation, kept: Generation, behind: list[tuple[str, str]]
) -> Rollback:
    return Rollback(
        index=composition.index,
        active=kept.number,
        kept=active.number,
        behind=len(behind),
        differs=differing_parts(composition, kept),
    )


_NOT_KEPT = {
    "active": "the active one already",
    "building": "not whole: it is being built",
    "trial": "an experiment's: ragctl experiment SPEC promote makes it the active one",
}


def _choose(composition: Composition, number: int | None) -> tuple[Generation, Generation]:
    """(the active generation, the kept one to go back to)"""
    generations = composition.generations()
    active = generations.active()
    if active is None:
        raise NothingPublished(
            f"the index {composition.index!r} has no active generation to go back from",
            where=str(composition.loaded.path),
        )
    every = generations.all()
    if number is not None:
        chosen = find_generation(every, number)
        if chosen.status != "kept":
            raise UsageError(f"generation {number} is {_NOT_KEPT[chosen.status]}")
        return active, chosen
    kept = [one for one in every if one.status == "kept"]
    older = [one for one in kept if one.number < active.number]
    if not older:
        newer = ", ".join(str(one.number) for one in kept)
        raise UsageError(
            f"no generation older than {active.number} is kept",
            hint=f"a newer one may be named: {newer}"
            if newer
            else "store.keep_generations says how many are kept",
        )
    return active, max(older, key=lambda one: (one.published_at is not None, one.published_at, one.number))


def _check_whole(composition: Composition, generation: Generation) -> None:
    stored = composition.store_of(generation).counts()
    expected = Ledger(composition.connect(), generation.id).counts()
    if stored != expected:
        raise Mismatch(
            f"generation {generation.number} holds {stored[0]:,} documents and {stored[1]:,} chunks, "
            f"the ledger says {expected[0]:,} and {expected[1]:,}; nothing was changed",
            hint="ragctl doctor SPEC says more; ragctl index SPEC prune --all drops it",
        )


def _check_recipe(older: Composition, generation: Generation) -> None:
    if older.recipe.digest == generation.recipe:
        return
    parts = " and ".join(differing_parts(older, generation))
    reason = (
        f"the parts of ragctl that carry out its {parts} settings are of another version now"
        if generation.settings
        else f"its settings were not recorded then, and the spec's {parts} settings are others"
    )
    raise Mismatch(
        f"generation {generation.number} cannot be brought up to date: {reason}; nothing was changed",
        where=f"generation {generation.number}",
        hint="roll back without --catch-up, or ingest with its settings to build a new generation",
    )
