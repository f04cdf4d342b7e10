"""The splitter `recursive`: at paragraphs, else lines, sentences, words, whatever the content type."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.splitters.boundaries import CLAUSE, LINE, PARAGRAPH, SENTENCE, WORD
from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.overlap import overlapping_start
from ragctl.splitters.pieces import cut
from ragctl.splitters.section_paths import SectionPaths
from ragctl.splitters.sized import Measured, SizedSplitter
from ragctl.splitters.sizes import even

_SEPARATORS = (PARAGRAPH, LINE, SENTENCE, WORD, CLAUSE)


class RecursiveSplitter(SizedSplitter):
    """Cuts as the recursive splitters of other libraries do: sections and blocks count for nothing.

    A chunk stands under the headings of the place where it begins.
    """

    output_version = 1

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        text, counts, paths = measured.text, measured.counts, SectionPaths(measured)
        room = paths.least_room()
        overlap = min(self._overlap, room // 2)
        total = counts.size(0, len(text))
        size = total if total <= room else even(total, room - overlap)
        previous = -1
        for first, stop in cut(text, 0, len(text), counts, size=max(1, size), separators=_SEPARATORS):
            edges = trimmed(text, first, stop)
            if edges is None:
                continue
            start, end = edges
            if previous >= 0 and overlap:
                start = overlapping_start(text, previous + 1, start, counts, overlap)
            previous = start
            path = paths.at(start)
            yield Draft(start, end, path, measured.headers.above(path, text[start:end]))
