"""A mistake in a spec: where it stands, which key it is about, and what is wrong, in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ragctl.errors import SpecError

KeyPath = tuple[str | int, ...]
"""Where a value lives in the spec: `("sources", 0, "path")`, written `sources.0.path`."""

_LONGEST_SHOWN = 60
_MOST_LISTED = 100  # a file with more than these is some other file
_SECRET = re.compile(
    r"://[^/\s]*@|(?:password|passwd|pwd|secret|token|(?:api|access|account)[_-]?key|signature|\bsig)\s*="
    r"|\bsk[-_]\w{8}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the text of a spec, or an override of the command line.

    Attributes:
        rank: 0 for the file, 1 + n for the n-th override: mistakes are shown in this order.
        line, column: from 1; 0 means nowhere in particular.
        origin: the path as the user gave it, or `--set chunk.max_tokens`.
    """

    rank: int
    line: int
    column: int
    origin: str

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}:{self.column}" if self.line else self.origin


PlaceAt = Callable[[int, int], Place]
"""Makes a place of a line and a column, both from 1."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. `path` is empty where it is about the file as a whole."""

    place: Place
    path: KeyPath
    text: str

    @property
    def sentence(self) -> str:
        """What is wrong, with the key in front unless the place names it already."""
        name = dotted(self.path)
        return f"{name}: {self.text}" if name and self.place.origin != f"--set {name}" else self.text

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class MistakeFound(Exception):
    """Reading cannot go on: the text is not YAML, or not to be trusted. Never leaves `ragctl.spec`."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


def dotted(path: KeyPath) -> str:
    """`sources.0.path`; each part shortened, and hidden where it looks like a secret."""
    return ".".join(str(part) if isinstance(part, int) else _presentable(part) for part in path)


def parsed(key: str) -> KeyPath:
    """The path that `sources.0.path` means; up to six digits are a number."""
    return tuple(int(part) if re.fullmatch("[0-9]{1,6}", part) else part for part in key.split("."))


def looks_secret(value: str) -> bool:
    """Does it look as if a login or a key were in it?"""
    return _SECRET.search(value) is not None


def shown(value: str) -> str:
    """The value in quotes, shortened, on one line; hidden where it looks like a secret."""
    return f"'{_presentable(value)}'"


def _presentable(value: str) -> str:
    if looks_secret(value):
        return "(hidden)"
    line = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value
    )
    return line if len(line) <= _LONGEST_SHOWN else line[:_LONGEST_SHOWN] + "…"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, if any is near enough."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def spec_error(mistakes: Sequence[Mistake]) -> SpecError:
    """One error of all mistakes, in the order of their places. `mistakes` must not be empty."""
    ordered = sorted(mistakes, key=lambda mistake: (mistake.place, mistake.sentence))
    lines = tuple(dict.fromkeys(str(mistake) for mistake in ordered))
    first = ordered[0]
    if len(lines) == 1:
        return SpecError(first.sentence, where=str(first.place), mistakes=lines)
    listed = lines[:_MOST_LISTED]
    if more := len(lines) - len(listed):
        listed += (f"{first.place.origin}: and {more} more",)
    return SpecError(f"{len(lines)} mistakes in the spec", where=first.place.origin, mistakes=listed)
