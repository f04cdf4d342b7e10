"""Where in the source a document's offsets lie."""

from __future__ import annotations

from bisect import bisect_right

from ragctl.types import Anchor, Document

_NOWHERE = Anchor(0)


class Places:
    """Looks up offsets of a document; ascending ones cost no more than one pass over the text."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._anchors = document.anchors
        self._starts = [anchor.start for anchor in document.anchors]
        self._counted = (_NOWHERE, 0, 0)

    def at(self, offset: int) -> Anchor:
        """Line, page and sheet at `offset`, as far as they are known."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return Anchor(offset)
        anchor = self._anchors[index]
        line = None if anchor.line is None else anchor.line + self._newlines(anchor, offset)
        return Anchor(offset, line=line, page=anchor.page, sheet=anchor.sheet)

    def _newlines(self, anchor: Anchor, offset: int) -> int:
        """Newlines between the anchor and `offset`, counted on from the last look."""
        last, counted_to, newlines = self._counted
        if last is not anchor or counted_to > offset:
            counted_to, newlines = anchor.start, 0
        newlines += self._text.count("\n", counted_to, offset)
        self._counted = (anchor, offset, newlines)
        return newlines
