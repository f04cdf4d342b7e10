"""Places where text may be cut, as regular expressions, from the best to the worst.

A match is the white space at the place, empty where sentences follow one another without any.
"""

PARAGRAPH = r"\n[ \t]*\n"
ITEM = r"\n(?=[ \t]*(?:[-*+\u2022|]|#\.|\d{1,3}[.)])[ \t])"
"""Before a list item or the row of a table."""
SENTENCE = r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])"
LINE = r"\n"
WORD = r"\s+"
CLAUSE = r"(?<=[,;:，、；：])"
"""Within a stretch without white space."""
