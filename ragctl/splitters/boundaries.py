"""Places where text may be cut, as regular expressions, from the best to the worst.

A match is the white space at the place, empty where sentences follow one another without any.
"""

from __future__ import annotations

from collections.abc import Sequence

PARAGRAPH = r"\n[ \t]*\n"
ITEM = r"\n(?=[ \t]*(?:[-*+\u2022|]|#\.|\d{1,3}[.)])[ \t])"
"""Before a list item or the row of a table."""
_FULL_STOPS = "。！？"
SENTENCE = rf"(?<=[.!?])\s+(?=\S)|(?<=[{_FULL_STOPS}])"
_SPACED_SENTENCE = r"\s(?<=[.!?]\s)\s*(?=\S)"
"""The same in a text without full stops of Chinese or Japanese. It begins with white space, so that the
search can leap to the next."""
LINE = r"\n"
WORD = r"\s+"
CLAUSE = r"(?<=[,;:，、；：])"
"""Within a stretch without white space."""


def quickest(separators: Sequence[str], text: str) -> list[str]:
    """The separators, with those put quicker that can be for this text; they match the same."""
    if not text.isascii() and any(stop in text for stop in _FULL_STOPS):
        return list(separators)
    return [_SPACED_SENTENCE if one == SENTENCE else one for one in separators]
