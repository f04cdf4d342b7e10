"""Headers, footers and page numbers of a PDF: lines that stand at the edge of page after page."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ragctl.readers.pdf_lines import Line

LEAST_PAGES = 3
LEAST_SHARE = 0.5
"""A line is furniture if it stands in its place on three pages at least, and on half of the pages that have
text: headers of even and odd pages may differ."""
EDGE = 0.12
"""Of a page's height, above and below, where furniture is looked for."""
_LINES_LOOKED_AT = 4
_SAME_PLACE = 6.0
"""Points; a running head's place is rounded to it."""
_NUMBER = re.compile(r"\d+")

Page = tuple[tuple[float, float], Sequence[Line]]
"""Where its lower and upper edge are, in points, and its lines."""


def furniture(pages: Sequence[Page]) -> set[tuple[int, int]]:
    """(index of the page, index of the line) of every line that is a header, a footer or a page number.

    Only what is sure: the text is the same each time, but for one number that grows by as much as the pages
    do.
    """
    seen: dict[tuple[str, int], list[tuple[int, int, tuple[int, ...]]]] = defaultdict(list)
    for number, (edges, lines) in enumerate(pages):
        for index, place in _edge_lines(edges, lines):
            text = lines[index].text
            numbers = tuple(int(one[:9]) for one in _NUMBER.findall(text))
            seen[_NUMBER.sub("#", text), place].append((number, index, numbers))
    with_text = sum(1 for _, lines in pages if lines)
    least = max(LEAST_PAGES, LEAST_SHARE * with_text)
    found: set[tuple[int, int]] = set()
    for places in seen.values():
        if len({page for page, _, _ in places}) >= least and _count_pages(places):
            found.update((page, index) for page, index, _ in places)
    return found


def _edge_lines(edges: tuple[float, float], lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """Index and rounded place of the lines nearest to the page's upper and lower edge."""
    lower, upper = edges
    margin = (upper - lower) * EDGE
    above = sorted(range(len(lines)), key=lambda index: -lines[index].top)[:_LINES_LOOKED_AT]
    below = sorted(range(len(lines)), key=lambda index: lines[index].bottom)[:_LINES_LOOKED_AT]
    for index in above:
        if lines[index].bottom > upper - margin:
            yield index, round(lines[index].bottom / _SAME_PLACE)
    for index in below:
        if lines[index].top < lower + margin:
            yield index, round(lines[index].bottom / _SAME_PLACE)


def _count_pages(places: Sequence[tuple[int, int, tuple[int, ...]]]) -> bool:
    """Each number is the same all over, or goes up as the page does."""
    for (page, _, numbers), (next_page, _, next_numbers) in pairwise(sorted(places)):
        steps = {after - before for before, after in zip(numbers, next_numbers, strict=True)}
        if not steps <= {0, next_page - page}:
            return False
    return True
