"""Headings of a PDF: those of its bookmarks where they are found in the text, by size of letters else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ragctl.readers.pdf_lines import HYPHEN, Line

LARGER = 1.08
"""A heading's letters are at least as many times larger than those of most of the text."""
LONGEST = 160
"""Characters of a heading."""
MOST_SHARE = 0.3
"""If more of the text than this is large, size tells nothing."""
DEEPEST = 4
_NUMBERED = re.compile(r"(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?|[A-Z]\.|[IVX]{1,5}\.)\s+[^\W\d_]")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_KEY = re.compile(r"[\W_]+")
_BOOKMARKS_FOUND = 0.5
_LEAST_BOOKMARKS = 3
"""A single one is often the title alone."""
_LEAST_BODY = 0.35
"""Of the text, that is of one size. Less: it is text that was put under a scanned image, letter by letter."""
_LINES_OF_ONE = 3
_GAP_WITHIN = 0.6
"""Of a line's height, between the lines of one heading."""


class Bookmark(NamedTuple):
    """`level` from 1; `page` is an index."""

    title: str
    level: int
    page: int


class Place(NamedTuple):
    """A heading takes `lines` lines from line `line` of page `page` on, all of them indexes and counts."""

    page: int
    line: int
    lines: int
    level: int


def headings(
    pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark]
) -> Mapping[tuple[int, int], Place]:
    """The headings by (index of the page, index of their first line).

    Bookmarks are believed if there are some and half of them stand in the text of their page; those that do
    not are left out.
    """
    marked = _marked(pages, bookmarks)
    found = marked if marked else _by_size(pages)
    return {(place.page, place.line): place for place in found}


def _key(text: str) -> str:
    return _KEY.sub("", text.replace(HYPHEN, "")).casefold()


def _marked(pages: Sequence[Sequence[Line]], bookmarks: Sequence[Bookmark]) -> list[Place]:
    used: set[tuple[int, int]] = set()
    found: list[Place] = []
    keys: dict[int, list[str]] = {}
    inside = [one for one in bookmarks if 0 <= one.page < len(pages) and _key(one.title)]
    for mark in inside:
        if mark.page not in keys:
            keys[mark.page] = [_key(line.text) for line in pages[mark.page]]
        place = _place_of(mark, keys[mark.page], used)
        if place is not None:
            used.update((place.page, place.line + offset) for offset in range(place.lines))
            found.append(place)
    return found if len(found) >= max(_LEAST_BOOKMARKS, _BOOKMARKS_FOUND * len(inside)) else []


def _place_of(mark: Bookmark, keys: Sequence[str], used: set[tuple[int, int]]) -> Place | None:
    """Where the title stands alone on its lines; a number before it, as of a chapter, may be left out."""
    wanted = _key(mark.title)
    for first in range(len(keys)):
        joined = ""
        for count, key in enumerate(keys[first : first + _LINES_OF_ONE], start=1):
            joined += key
            numbered = joined.endswith(wanted) and len(joined) - len(wanted) <= 4
            if (joined == wanted or numbered) and (mark.page, first) not in used:
                return Place(mark.page, first, count, mark.level)
            if len(joined) > len(wanted) + 4:
                break
    return None


def _by_size(pages: Sequence[Sequence[Line]]) -> list[Place]:
    weight: Counter[float] = Counter()
    bold = 0
    for lines in pages:
        for line in lines:
            weight[_rounded(line.size)] += len(line.text)
            bold += len(line.text) * line.bold
    if not weight:
        return []
    body, of_body = weight.most_common(1)[0]
    total = weight.total()
    large = sum(count for size, count in weight.items() if size >= body * LARGER)
    if body <= 0 or large > MOST_SHARE * total or of_body < _LEAST_BODY * total:
        return []
    bold_tells = bold < MOST_SHARE * total
    found: list[tuple[Place, float]] = []
    for number, lines in enumerate(pages):
        found += _on_page(number, lines, body, bold_tells)
    sizes = sorted({size for _, size in found}, reverse=True)
    level = {size: min(index, DEEPEST) for index, size in enumerate(sizes, start=1)}
    return [place._replace(level=level[size]) for place, size in found]


def _on_page(number: int, lines: Sequence[Line], body: float, bold_tells: bool) -> list[tuple[Place, float]]:
    found: list[tuple[Place, float]] = []
    index = 0
    while index < len(lines):
        count = _lines_of_heading(lines, index, body, bold_tells)
        text = " ".join(line.text for line in lines[index : index + count])
        if count and count <= _LINES_OF_ONE and len(text) <= LONGEST and _LETTERS.search(text):
            found.append((Place(number, index, count, 0), _rounded(lines[index].size)))
        index += max(count, 1)
    return found


def _lines_of_heading(lines: Sequence[Line], index: int, body: float, bold_tells: bool) -> int:
    """How many lines from here on are of one large size; 1 of a numbered bold one; 0 if it is no heading."""
    first = lines[index]
    size = _rounded(first.size)
    if size >= body * LARGER:
        count = 1
        while index + count < len(lines) and _rounded(lines[index + count].size) == size:
            gap = lines[index + count - 1].bottom - lines[index + count].top
            if not -1.5 * first.height < gap < _GAP_WITHIN * first.height:
                break
            count += 1
        return count
    return int(bold_tells and first.bold and size >= body and bool(_NUMBERED.match(first.text)))


def _rounded(size: float) -> float:
    """To half a point: one size is drawn as 10.9 and 10.91."""
    return round(size * 2) / 2
