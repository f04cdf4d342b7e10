"""What is different between a lock and what would be used now, and whose doing that is.

The spec's own settings may change: that is what a spec is for. What moves by itself, because
another release or another model file is installed, is drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragctl.spec.lock import Lock

ABSENT = None


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing that is not as the lock says. A value that is not there is None."""

    what: str
    was: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.what} {_shown(self.was)} → {_shown(self.now)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`drift`: what moved by itself. `chosen`: what the spec itself changed. `same`: nothing of either."""

    drift: tuple[Moved, ...] = ()
    chosen: tuple[Moved, ...] = ()
    same: bool = field(default=True)


def compare(locked: Lock, now: Lock, *, embedder_only: bool = False) -> Comparison:
    """Compares two locks of one pipeline.

    Args:
        embedder_only: leave out what has no part in a question: readers, splitters, settings.
    """
    chosen = tuple(_settings(locked, now, given=True))
    sections = {moved.what.partition(".")[0] for moved in chosen}
    drift = [] if "embed" in sections else list(_facts("embedder", locked.embedder, now.embedder))
    if not embedder_only:
        drift += _versions("readers", locked.readers, now.readers, chosen="extract" in sections)
        drift += _versions("splitters", locked.splitters, now.splitters, chosen="chunk" in sections)
        drift += _settings(locked, now, given=False)
        if not drift and not chosen:
            # Nothing that has a name explains it: the digests themselves are made in another way.
            drift += _facts("recipe", locked.recipe, now.recipe)
    same = not drift and not chosen and locked.given == now.given
    same = same and _named(locked.selection) == _named(now.selection)
    same = same and _all_named(locked.chat) == _all_named(now.chat)
    return Comparison(tuple(drift), chosen, same)


def _facts(group: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Moved]:
    for name in [*was, *(name for name in now if name not in was)]:
        before, after = was.get(name, ABSENT), now.get(name, ABSENT)
        if before != after:
            yield Moved(f"{group}.{name}", before, after)


def _versions(group: str, was: Mapping[str, int], now: Mapping[str, int], *, chosen: bool) -> Iterator[Moved]:
    """Of readers or splitters. If the spec chose others, those that are in one only are its doing."""
    for moved in _facts(group, was, now):
        if not chosen or ABSENT not in (moved.was, moved.now):
            yield moved


def _settings(locked: Lock, now: Lock, *, given: bool) -> Iterator[Moved]:
    """Settings that differ: those that the spec gives now or gave then, or those that are defaults."""
    for section in sorted({*locked.settings, *now.settings}):
        by_spec = {*locked.given.get(section, ()), *now.given.get(section, ())}
        moves = list(_facts(section, locked.settings.get(section, {}), now.settings.get(section, {})))
        # Another provider has other settings, and other defaults for those of the same name.
        all_by_spec = any(moved.what == f"{section}.provider" for moved in moves)
        for moved in moves:
            if (all_by_spec or moved.what.partition(".")[2] in by_spec) is given:
                yield moved


def _named(selection: Mapping[str, str]) -> dict[str, str]:
    """Without what is only for people."""
    return {key: value for key, value in selection.items() if key != "because"}


def _all_named(chat: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {key: _named(selection) for key, selection in chat.items()}


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "(none)"
    text = str(value)
    is_digest = len(text) == 64 and all(character in "0123456789abcdef" for character in text)
    return f"{text[:12]}…" if is_digest else text
