"""Under which headings a place of a document stands, for splitters that cut without looking at sections."""

from __future__ import annotations

from bisect import bisect_right

from ragctl.splitters.embed_input import Headings
from ragctl.splitters.sized import Measured


class SectionPaths:
    """The headings of each place, and the room that they leave an input."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._sections = measured.document.sections
        self._starts = [section.start for section in self._sections]

    def at(self, offset: int) -> Headings:
        """The headings of the section in which `offset` lies."""
        index = bisect_right(self._starts, offset) - 1
        return self._sections[index].headings if index >= 0 else ()

    def room(self, offset: int) -> int:
        """Tokens of text that an input which begins there has; at least 1."""
        measured = self._measured
        header = measured.headers.under(self.at(offset))[1]
        return max(1, measured.body - header - measured.tables.above(offset)[1])

    def least_room(self) -> int:
        """The room that there is wherever in the document; at least 1."""
        measured = self._measured
        return max(1, measured.body - measured.headers.largest - measured.tables.largest)
