"""Numbers and bullets of a DOCX's lists and headings: Word stores how to count, not the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ragctl.readers.docx_styles import NumberOf, W, small_number, value

if TYPE_CHECKING:
    from lxml.etree import _Element

BULLET = "-"
_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class Level(NamedTuple):
    """How a level of a list counts. `text` has `%1` for the number of the first level, and so on."""

    start: int
    form: str
    text: str


class Numbering:
    """Counts through a document, as Word does when it shows it."""

    def __init__(self, root: _Element | None) -> None:
        self._levels: dict[str, dict[int, Level]] = {}
        self._abstract: dict[str, str] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._started: set[tuple[str, int]] = set()
        if root is not None:
            self._take(root)

    def _take(self, root: _Element) -> None:
        for one in root.iterfind(W + "abstractNum"):
            self._levels[one.get(W + "abstractNumId", "")] = _levels(one)
        for one in root.iterfind(W + "num"):
            number = one.get(W + "numId", "")
            self._abstract[number] = value(one, "abstractNumId") or ""
            self._restarts[number] = {
                small_number(over.get(W + "ilvl")): small_number(value(over, "startOverride"))
                for over in one.iterfind(W + "lvlOverride")
                if value(over, "startOverride") is not None
            }

    def mark(self, number: NumberOf) -> str:
        """The number or bullet of the next paragraph of that list; empty if it has none."""
        abstract = self._abstract.get(number.list_id)
        levels = self._levels.get(abstract or "", {})
        level = levels.get(number.level)
        if abstract is None or level is None:
            return ""
        counts = self._counts.setdefault(abstract, {})
        counts[number.level] = self._next(number, level, counts)
        for deeper in [one for one in counts if one > number.level]:
            del counts[deeper]
        if level.form == "bullet":
            return BULLET
        if level.form == "none":
            return ""
        return _PLACE.sub(
            lambda found: self._shown(int(found[1]) - 1, levels, counts, level), level.text
        ).strip()

    def _next(self, number: NumberOf, level: Level, counts: Mapping[int, int]) -> int:
        restart = self._restarts.get(number.list_id, {}).get(number.level)
        first_time = (number.list_id, number.level) not in self._started
        self._started.add((number.list_id, number.level))
        if restart is not None and first_time:
            return restart
        return counts[number.level] + 1 if number.level in counts else level.start

    @staticmethod
    def _shown(index: int, levels: Mapping[int, Level], counts: Mapping[int, int], of: Level) -> str:
        level = levels.get(index)
        if level is None:
            return ""
        return _FORMS.get(level.form if level is not of else of.form, str)(counts.get(index, level.start))


def _levels(abstract: _Element) -> dict[int, Level]:
    return {
        small_number(one.get(W + "ilvl")): Level(
            small_number(value(one, "start"), 1),
            value(one, "numFmt") or "decimal",
            value(one, "lvlText") or "",
        )
        for one in abstract.iterfind(W + "lvl")
    }


def _letters(number: int) -> str:
    """a … z, aa … zz, as Word counts; no more than a row of five."""
    if number < 1:
        return str(number)
    return chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 5)


def _roman(number: int) -> str:
    if not 0 < number < 4000:
        return str(number)
    out = ""
    for amount, letters in _ROMAN:
        count, number = divmod(number, amount)
        out += letters * count
    return out


_FORMS: Mapping[str, Callable[[int], str]] = {
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "decimalZero": lambda number: f"{number:02d}",
}
