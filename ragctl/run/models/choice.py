"""Which embedder a spec comes to: the one that it names, or with `provider: auto` one of its options.

A choice is made once and pinned: in the spec's lock, and by the index that was built with it. Later runs
take what is pinned, also where the criteria would choose otherwise by now; `reselect` chooses anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ragctl.errors import GuardRefused, LockBroken, LockDrift
from ragctl.run.models.option_facts import criteria_of, facts_of, options_of
from ragctl.selection.decision import Selection as Selection
from ragctl.selection.decision import select
from ragctl.spec.lock import Lock, lock_path, read_lock
from ragctl.spec.recipe import recipe_settings
from ragctl.state.generations import Generations
from ragctl.state.migrations import schema_version

if TYPE_CHECKING:
    from ragctl.run.composition import Composition
    from ragctl.spec.embed_settings import AutoEmbedder, GivenEmbedder
    from ragctl.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True)
class Choice:
    """One embedder.

    Attributes:
        settings: of the embedder, as if the spec had named it alone.
        key: where in the spec they stand, such as `embed`.
        number: which option it is, from 0; None if the spec names it alone.
        pinned_by: what says so; None if the spec does, or if it was chosen just now.
        selection: how it was chosen just now.
    """

    settings: GivenEmbedder
    key: str
    number: int | None = None
    pinned_by: Literal["lock", "index"] | None = None
    selection: Selection | None = None

    @property
    def name(self) -> str:
        """For people: `openai text-embedding-3-small`."""
        return f"{self.settings.provider} {self.settings.model}"


class NothingChosen(GuardRefused):
    """No option meets the criteria. `selection` says of each why; None where it came from a DAG's task."""

    kind = "nothing_chosen"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        selection: Selection | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.selection = selection

    def as_json(self) -> dict[str, object]:
        shown = {} if self.selection is None else {"selection": self.selection.as_json()}
        return {**super().as_json(), **shown}


def choose_embedder(composition: Composition, *, reselect: bool) -> Choice:
    """The spec's embedder; of several options the one that is pinned, or else the one that is best now.

    Raises:
        NothingChosen: no option meets the criteria.
        LockDrift: what is pinned is not among the options any more.
    """
    embed = composition.spec.embed
    if embed.provider != "auto":
        return Choice(embed, "embed")
    pinned = None if reselect else _pinned(composition, embed)
    if pinned is not None:
        return pinned
    selection = select_now(composition, count=False)
    if selection.chosen is None:
        raise NothingChosen(
            selection.sentence,
            where=composition.loaded.where("embed.selection_criteria"),
            hint="loosen a criterion, or add an option",
            selection=selection,
        )
    return replace(_option(embed, selection.chosen.number), selection=selection)


def select_now(composition: Composition, *, count: bool = True, tokens: int | None = None) -> Selection:
    """What the criteria choose now, whatever is pinned.

    Args:
        count: estimate the number of tokens even if no criterion asks for it.
        tokens: that were counted, in the place of an estimate.
    """
    embed = composition.spec.embed
    assert embed.provider == "auto"  # who names its model has nothing to choose from
    criteria = criteria_of(embed)
    asked = criteria.max_cost_usd is not None or criteria.max_minutes is not None
    facts = facts_of(composition, count=(count or asked) and tokens is None)
    known = facts if tokens is None else replace(facts, tokens=tokens)
    return select(options_of(composition, embed), criteria, known)


def switch_note(composition: Composition, now: Selection) -> str | None:
    """A sentence, where the criteria choose another option now than the one that is used."""
    choice = composition.choice
    if now.chosen is not None and now.chosen.number == choice.number:
        return None
    is_used = f"{choice.name} is {'used' if choice.pinned_by is None else 'pinned'}"
    if now.chosen is None:
        return f"{is_used}; by now, {now.sentence}"
    way = f"{composition.command('ingest', '--reselect')} switches, and builds a new generation"
    return f"{is_used}; the criteria would now choose {now.chosen.name}: {way}"


def selection_fact(composition: Composition) -> dict[str, str]:
    """What the lock says of the choice; nothing where the spec names its embedder alone."""
    choice = composition.choice
    if choice.number is None:
        return {}
    fact = {"provider": choice.settings.provider, "model": choice.settings.model}
    if choice.selection is not None:
        return {**fact, "because": choice.selection.sentence}
    locked = _lock_of(composition.loaded)
    before = dict(locked.selection) if locked is not None else {}
    return {**fact, "because": before["because"]} if "because" in before else fact


def refuse_unpinned(loaded: LoadedSpec) -> None:
    """Sees that all tasks of a DAG use the same embedder, whatever each of them could choose.

    Raises:
        LockBroken: the spec leaves the choice open, and no lock pins it.
    """
    if loaded.spec.embed.provider != "auto":
        return
    lock = _lock_of(loaded)
    if lock is None or not lock.selection:
        raise LockBroken(
            "the spec has `provider: auto`, and no lock pins what was chosen",
            where=loaded.lock.origin if loaded.lock else str(lock_path(loaded.path)),
            hint="ragctl ingest SPEC chooses and writes the lock; put it beside the spec, or export the DAG "
            "with --embed-spec",
        )


def _pinned(composition: Composition, embed: AutoEmbedder) -> Choice | None:
    lock = _lock_of(composition.loaded)
    if lock is not None and lock.selection:
        number = _number_of(composition, embed, lock.settings.get("embed", {}), lock.selection)
        if number is None:
            raise _gone(composition, lock)
        return replace(_option(embed, number), pinned_by="lock")
    number = _number_of(composition, embed, _indexed_settings(composition), {})
    return replace(_option(embed, number), pinned_by="index") if number is not None else None


def _option(embed: AutoEmbedder, number: int) -> Choice:
    option = embed.embedder_options[number]
    settings: Any = option.settings
    if isinstance(option.cost, float) and getattr(settings, "usd_per_million_tokens", 0.0) is None:
        settings = settings.model_copy(update={"usd_per_million_tokens": option.cost})
    return Choice(settings, f"embed.embedder_options.{number}", number)


def _number_of(
    composition: Composition,
    embed: AutoEmbedder,
    settings: Mapping[str, Any],
    named: Mapping[str, str],
) -> int | None:
    """The option of these settings; else the one of that name, whose settings the spec has changed since."""
    exact, alike = [], []
    for number, option in enumerate(embed.embedder_options):
        if settings and recipe_settings(composition.spec, option.settings)["embed"] == dict(settings):
            exact.append(number)
        if (option.provider, option.model) == (named.get("provider"), named.get("model")):
            alike.append(number)
    return next(iter([*exact, *alike]), None)


def _lock_of(loaded: LoadedSpec) -> Lock | None:
    """The lock, embedded or beside the spec; one that cannot be read pins nothing, and others say so."""
    try:
        return loaded.lock.lock if loaded.lock else read_lock(loaded.path)
    except LockBroken:
        return None


def _indexed_settings(composition: Composition) -> Mapping[str, Any]:
    """The embedder's settings of the generation that is asked now; nothing if there is none."""
    connection = composition.look()
    if connection is None:
        return {}
    with closing(connection):
        if not schema_version(connection):
            return {}
        active = Generations(connection, composition.index).active()
        found: Mapping[str, Any] = active.settings.get("embed", {}) if active is not None else {}
        return found


def _gone(composition: Composition, lock: Lock) -> LockDrift:
    loaded = composition.loaded
    pinned = f"{lock.selection['provider']} {lock.selection['model']}"
    embed = composition.spec.embed
    there = ", ".join(_names(embed)) if embed.provider == "auto" else ""
    return LockDrift(
        f"the lock pins {pinned}, which is not among embed.embedder_options any more ({there})",
        where=loaded.lock.origin if loaded.lock else str(lock_path(loaded.path)),
        hint=f"put it back; or {composition.command('ingest', '--reselect')} builds a new generation",
        moved=[("selection", pinned, None)],
    )


def _names(embed: AutoEmbedder) -> Iterator[str]:
    for option in embed.embedder_options:
        yield f"{option.provider} {option.model}"
