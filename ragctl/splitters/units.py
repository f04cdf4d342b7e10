"""Slides and messages: they are not packed with one another, nor with the text between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ragctl.types import Block, Section

_KINDS = ("slide", "message")


class Units:
    """The units among a document's blocks, which are sorted and do not overlap."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._units = [one for one in blocks if one.kind in _KINDS]
        self._starts = [one.start for one in self._units]

    def at(self, offset: int) -> int | None:
        """The number of the unit that `offset` is in; None between them."""
        index = bisect_right(self._starts, offset) - 1
        return index if index >= 0 and offset < self._units[index].end else None

    def cut(self, sections: Sequence[Section]) -> Iterator[Section]:
        """The sections, in order, cut where a unit begins or ends within one."""
        edges = sorted({edge for one in self._units for edge in (one.start, one.end)})
        for section in sections:
            start = section.start
            for edge in edges[bisect_right(edges, start) :]:
                if edge >= section.end:
                    break
                yield replace(section, start=start, end=edge)
                start = edge
            yield replace(section, start=start)
