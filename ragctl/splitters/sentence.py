"""The splitter `sentence`: as many whole sentences as fit, and none cut that fits by itself."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.splitters.boundaries import CLAUSE, LINE, WORD
from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.pieces import cut
from ragctl.splitters.section_paths import SectionPaths
from ragctl.splitters.sentences import sentence_starts
from ragctl.splitters.sized import Measured, SizedSplitter
from ragctl.splitters.sizes import even

_WITHIN = (LINE, WORD, CLAUSE)


class SentenceSplitter(SizedSplitter):
    """Cuts between sentences; `overlap` repeats whole ones from the end of the chunk before.

    Sentences are told apart by `chunk.language`: its abbreviations, and whether it writes a stop behind
    ordinal numbers. Paragraphs, list items and lines of a table end a sentence too. A sentence that is too
    long by itself is cut at lines and words.
    """

    output_version = 1

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        text, counts, paths = measured.text, measured.counts, SectionPaths(measured)
        units = list(self._units(measured, paths))
        at = 0
        while at < len(units):
            room = paths.room(units[at][0])
            stop = at + 1
            while stop < len(units) and counts.size(units[at][0], units[stop][1]) <= room:
                stop += 1
            start, end = units[at][0], units[stop - 1][1]
            path = paths.at(start)
            yield Draft(start, end, path, measured.headers.above(path, text[start:end]))
            if stop == len(units):
                return
            at = self._next(measured, paths, units, at, stop)

    def _next(
        self, measured: Measured, paths: SectionPaths, units: list[tuple[int, int]], at: int, stop: int
    ) -> int:
        """The first sentence of the next chunk: some of the last ones again, if the new one fits too."""
        room = paths.room(units[stop][0]) if self._overlap else 0
        begin = stop
        while begin - 1 > at:
            again = units[begin - 1][0]
            if measured.counts.size(again, units[stop - 1][1]) > self._overlap:
                break
            if measured.counts.size(again, units[stop][1]) > room:
                break
            begin -= 1
        return begin

    def _units(self, measured: Measured, paths: SectionPaths) -> Iterator[tuple[int, int]]:
        """Sentences, and the pieces of those that do not fit, without white space at their ends.

        Together they cover the text.
        """
        text, counts = measured.text, measured.counts
        least = paths.least_room()
        starts = sentence_starts(text, 0, len(text), self._language)
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            size = counts.size(start, end)
            room = least if size <= least else paths.room(start)
            pieces = [(start, end)]
            if size > room:
                pieces = cut(text, start, end, counts, size=even(size, room), separators=_WITHIN)
            yield from filter(None, (trimmed(text, *piece) for piece in pieces))
