"""The splitter `token`: windows of equal numbers of tokens, wherever in the text they end."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.section_paths import SectionPaths
from ragctl.splitters.sized import Measured, SizedSplitter


class TokenSplitter(SizedSplitter):
    """Cuts between any two tokens, even within a word; `overlap` tokens of each window are the last one's."""

    output_version = 1

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        text, counts, paths = measured.text, measured.counts, SectionPaths(measured)
        start, previous = 0, -1
        while start < len(text):
            room = paths.room(start)
            end = counts.forward(start, len(text), room)
            edges = trimmed(text, start, end)
            if edges is not None and edges[0] > previous:
                path = paths.at(edges[0])
                yield Draft(*edges, path, measured.headers.above(path, text[slice(*edges)]))
                previous = edges[0]
            if end >= len(text):
                return
            start = max(start + 1, counts.back(start, end, min(self._overlap, room // 2)))
