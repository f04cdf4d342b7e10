"""The splitter `token`: windows of tokens, as large as the limit allows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.section_paths import SectionPaths
from ragctl.splitters.sized import Measured, SizedSplitter

_WORD_START = re.compile(r"(?<=\s)\S")
_TEXT = re.compile(r"\S")
_LONGEST_WORD = 100
"""Characters. What is longer is cut between its tokens."""


class TokenSplitter(SizedSplitter):
    """Fills each chunk to the limit; the next one begins `overlap` tokens before its end.

    Nothing is looked for in the text but the edges of words, which stay whole.
    """

    output_version = 1

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        text, counts, paths = measured.text, measured.counts, SectionPaths(measured)
        overlap = min(self._overlap, paths.least_room() // 2)
        whole = trimmed(text, 0, len(text))
        start, end = whole or (0, 0)
        covered = start
        while covered < end:
            stop = counts.forward(start, end, paths.room(start))
            stop = _at_word(text, max(start, covered), stop, end)
            edges = trimmed(text, start, stop)
            if edges is not None:
                path = paths.at(start)
                yield Draft(*edges, path, measured.headers.above(path, text[slice(*edges)]))
            covered = stop
            begin = counts.back(start + 1, stop, overlap) if overlap else stop
            start = _next(text, begin, stop)


def _at_word(text: str, first: int, stop: int, end: int) -> int:
    """`stop`, or the beginning of the word that it is in, if that is after `first` and not far."""
    if stop >= end or text[stop].isspace() or text[stop - 1].isspace():
        return stop
    begins = _WORD_START.finditer(text, max(first + 1, stop - _LONGEST_WORD), stop)
    return max((found.start() for found in begins), default=stop)


def _next(text: str, begin: int, stop: int) -> int:
    """The beginning of the first word from `begin` on; not after the first one behind `stop`."""
    found = _WORD_START.search(text, begin, min(stop, begin + _LONGEST_WORD))
    first = found or _TEXT.search(text, begin)
    return first.start() if first else stop
