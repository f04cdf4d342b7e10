"""By which boundaries a text is cut, the best first, by its content type."""

from __future__ import annotations

from ragctl.splitters.boundaries import CLAUSE, ITEM, LINE, PARAGRAPH, SENTENCE, WORD
from ragctl.splitters.code_boundaries import code_separators

PROSE = (PARAGRAPH, ITEM, SENTENCE, LINE, WORD, CLAUSE)
TABLE = (LINE, r" (?=\| )", SENTENCE, WORD, CLAUSE)
"""Rows, then cells."""

_BY_TYPE = {
    "text/markdown": (r"\n(?=(?:\*{3,}|-{3,}|_{3,})[ \t]*\n)", *PROSE),
    # a directive with all that is indented under it, then any block at the left margin
    "text/x-rst": (r"\n[ \t]*\n(?=\.\. )", r"\n[ \t]*\n(?=\S)", *PROSE),
}
_CODE = "text/x-"
_NO_CODE = frozenset({"text/x-log"})


def separators_of(media_type: str) -> tuple[str, ...]:
    """Regular expressions; the text that matches goes to the piece after it."""
    known = _BY_TYPE.get(media_type)
    if known:
        return known
    if media_type.startswith(_CODE) and media_type not in _NO_CODE:
        return code_separators(media_type.removeprefix(_CODE))
    return PROSE
