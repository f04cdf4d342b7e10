"""Where a chunk begins if it repeats the end of the one before it."""

from __future__ import annotations

import re

from ragctl.splitters.token_counts import TokenCounts

_BOUNDARY = re.compile(r"\n\s*(?=\S)|(?<=[.!?])\s+(?=\S)|(?<=[。！？])(?=\S)")
_WORD = re.compile(r"\s+(?=\S)")


def overlapping_start(text: str, first: int, start: int, counts: TokenCounts, tokens: int) -> int:
    """An offset in [first, start], `first` being at least 1, with at most `tokens` tokens between it and `start`.

    The furthest beginning of a line or sentence, else of a word. Within a stretch of text that has
    neither, any place if words are not written apart in it (Chinese), none otherwise.
    """
    lowest = counts.back(first, start, tokens)
    if lowest >= start:
        return start
    if _begins(text, lowest):
        return lowest
    for boundary in (_BOUNDARY, _WORD):
        # from one character before, to see what the character at `lowest` follows
        found = boundary.search(text, lowest - 1, start)
        if found and lowest <= found.end() < start:
            return found.end()
    apart = text[lowest].isascii() or text[lowest].isspace()
    return start if apart else lowest


def _begins(text: str, offset: int) -> bool:
    return text[offset - 1] == "\n" and not text[offset].isspace()
