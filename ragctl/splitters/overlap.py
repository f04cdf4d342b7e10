"""Where a chunk begins if it repeats the end of the one before it."""

from __future__ import annotations

import re

from ragctl.splitters.boundaries import ITEM, LINE, PARAGRAPH, SENTENCE, WORD
from ragctl.splitters.token_counts import TokenCounts

_BOUNDARIES = tuple(map(re.compile, (f"{PARAGRAPH}|{ITEM}|{SENTENCE}", LINE, WORD)))
_TEXT = re.compile(r"\S")


def overlapping_start(text: str, first: int, start: int, counts: TokenCounts, tokens: int) -> int:
    """An offset in [first, start] with at most `tokens` tokens between it and `start`; `first` ≥ 1.

    The furthest beginning of a paragraph, list item or sentence, else of a line, else of a word.
    Within a stretch of text that has none of them, any place if words are not written apart in it
    (Chinese), none otherwise.
    """
    lowest = counts.back(first, start, tokens)
    if lowest >= start:
        return start
    for boundary in _BOUNDARIES:
        # from one character before, to see what the character at `lowest` follows
        for found in boundary.finditer(text, lowest - 1, start):
            begin = _TEXT.search(text, found.end(), start)
            if begin and begin.start() >= lowest:
                return begin.start()
    apart = text[lowest].isascii() or text[lowest].isspace()
    return start if apart else lowest
