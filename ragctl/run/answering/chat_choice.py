"""Which chat models a spec comes to: the ones that it names, or with `provider: auto` some of its options.

A choice is pinned by the spec's lock, as that of the embedder is: later runs take what is pinned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ragctl.errors import LockBroken, LockDrift
from ragctl.run.models.choice import NothingChosen
from ragctl.run.models.gpu import find_gpu
from ragctl.run.models.places import endpoint_of
from ragctl.run.models.prices import price_of_settings
from ragctl.selection.decision import Criteria, Facts, Option, Selection, select
from ragctl.spec.lock import Lock, lock_path, read_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragctl.run.composition import Composition
    from ragctl.spec.llm_settings import AutoChat, OpenAIChat, OpenAIChatOption

SECTIONS = ("ask.rephrase", "ask.query", "ask.verify", "ask.answer", "ask.answer.combine", "eval.judge")
"""Where a spec may leave the choice of a chat model to its criteria."""


@dataclass(frozen=True, slots=True)
class ChosenChat:
    """One chat model of several.

    Attributes:
        settings: as if the spec had named it alone.
        key: where its option stands, such as `ask.answer.llm_options.1`.
        because: why it was chosen; None if it is pinned by a lock that does not say.
    """

    settings: OpenAIChat
    key: str
    because: str | None


def section_at(composition: Composition, key: str) -> Any:
    """The section of the spec at `ask.answer` and the like; None if it is not there or names no model."""
    found: Any = composition.spec
    for part in key.split("."):
        found = getattr(found, part, None)
    return None if getattr(found, "provider", "none") == "none" else found


def choose_chat(composition: Composition, section: AutoChat, key: str) -> ChosenChat:
    """The option that is pinned, or else the one that is best now.

    Raises:
        NothingChosen: no option meets the criteria.
        LockDrift: what is pinned is not among the options any more.
    """
    lock = None if composition.reselect else _lock_of(composition)
    pinned = lock.chat.get(key) if lock is not None else None
    if lock is not None and pinned is not None:
        named: list[tuple[str, str]] = [(one.provider, one.model) for one in section.llm_options]
        if (pinned["provider"], pinned["model"]) not in named:
            raise _gone(composition, key, pinned)
        number = named.index((pinned["provider"], pinned["model"]))
        return _chosen(section, key, number, pinned.get("because"))
    selection = _select(composition, section)
    if selection.chosen is None:
        raise NothingChosen(
            selection.sentence,
            where=composition.loaded.where(f"{key}.selection_criteria"),
            hint="loosen a criterion, or add an option",
            selection=selection,
        )
    return _chosen(section, key, selection.chosen.number, selection.sentence)


def chat_facts(composition: Composition) -> dict[str, dict[str, str]]:
    """What the lock says of these choices: provider, model, and why, by the section's place in the spec."""
    facts = {}
    for key in SECTIONS:
        section = section_at(composition, key)
        if section is not None and section.provider == "auto":
            chosen = choose_chat(composition, section, key)
            fact = {"provider": chosen.settings.provider, "model": chosen.settings.model}
            facts[key] = {**fact, "because": chosen.because} if chosen.because else fact
    return facts


def _select(composition: Composition, section: AutoChat) -> Selection:
    given, embed = section.selection_criteria, composition.spec.embed.selection_criteria
    criteria = replace(
        Criteria(**{name: getattr(given, name) for name in Criteria.__slots__}),
        privacy_sensitive=given.privacy_sensitive or embed.privacy_sensitive,
        allowed_hosts=(*given.allowed_hosts, *embed.allowed_hosts),
    )
    gpu = find_gpu(composition.environment)
    facts = Facts(
        gpu=gpu.found,
        gpu_reason=gpu.reason,
        sensitive_text=any(source.sensitivity == "sensitive" for source in composition.spec.sources),
    )
    return select([_option(number, one) for number, one in enumerate(section.llm_options)], criteria, facts)


def _option(number: int, option: OpenAIChatOption) -> Option:
    settings = option.settings
    return Option(
        number=number,
        provider=option.provider,
        model=option.model,
        use_gpu=option.use_gpu,
        cost=option.cost,
        endpoint=endpoint_of(settings),
        usd_per_million_tokens=price_of_settings(settings).usd_per_million_tokens,
        max_tokens=option.max_tokens or option.context_tokens,
        quality=option.quality,
    )


def _chosen(section: AutoChat, key: str, number: int, because: str | None) -> ChosenChat:
    option = section.llm_options[number]
    settings = option.settings
    update: dict[str, Any] = {}
    if isinstance(option.cost, float) and settings.usd_per_million_tokens is None:
        update["usd_per_million_tokens"] = option.cost
    if option.max_tokens is not None and settings.context_tokens is None:
        update["context_tokens"] = option.max_tokens
    return ChosenChat(settings.model_copy(update=update), f"{key}.llm_options.{number}", because)


def _lock_of(composition: Composition) -> Lock | None:
    """A lock that cannot be read pins nothing here; whoever compares the lock says so."""
    loaded = composition.loaded
    try:
        return loaded.lock.lock if loaded.lock else read_lock(loaded.path)
    except LockBroken:
        return None


def _gone(composition: Composition, key: str, pinned: Mapping[str, str]) -> LockDrift:
    loaded = composition.loaded
    name = f"{pinned['provider']} {pinned['model']}"
    return LockDrift(
        f"the lock pins {name}, which is not among {key}.llm_options any more",
        where=loaded.lock.origin if loaded.lock else str(lock_path(loaded.path)),
        hint=f"put it back; or {composition.command('ingest', '--reselect')} chooses anew",
        moved=[(f"chat.{key}", name, None)],
    )
