"""A passage for people: the part that matters, with the question's words marked."""

from __future__ import annotations

import re
import unicodedata

from rich.text import Text

# Words that stand in every question and mark nothing. English only: other languages mark more.
_STOP_WORDS = frozenset(
    """
    a an and are as at be by can did do does for from had has have how i if in into is it its my no not of
    on or our should so that the their them then there these they this to was we what when where which who
    why will with would you your
    """.split()
)
_WORD = re.compile(r"\w+", re.UNICODE)
EXCERPT_CHARACTERS = 320


def _folded(word: str) -> str:
    return "".join(
        char for char in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(char)
    )


def _stem(word: str) -> str:
    """A crude stem, for marking only: the commonest English endings go."""
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeioulsz":
        word = word[:-1]  # stopped, running
    return word.removesuffix("e") if len(word) > 3 else word


def question_stems(question: str) -> frozenset[str]:
    """Stems of the words to mark; all words if there are none but stop words."""
    words = [_folded(match.group()) for match in _WORD.finditer(question)]
    telling = [word for word in words if word not in _STOP_WORDS]
    return frozenset(_stem(word) for word in telling or words)


def matches(text: str, stems: frozenset[str]) -> list[tuple[int, int]]:
    """Spans of the words of `text` that the question has too."""
    return [match.span() for match in _WORD.finditer(text) if _stem(_folded(match.group())) in stems]


# Lines that do not go on in the next one: lists, tables, headings, quotes, code and directives.
_OWN_LINE = re.compile(r"\s|[-*+|>#~:=.$]|\d+[.)]\s|\S+:$|$")
_FENCE = re.compile(r"\s*(```|~~~)")


def reflowed(text: str) -> str:
    """`text` for reading: lines of prose that the source broke are joined, all others stay as they are."""
    lines: list[str] = []
    fenced = after_prose = False
    for line in text.splitlines():
        fence = _FENCE.match(line) is not None
        prose = not (fenced or fence or _OWN_LINE.match(line))
        if prose and after_prose:
            lines[-1] += " " + line
        elif line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
        fenced ^= fence
        after_prose = prose
    return "\n".join(lines).strip("\n")


def excerpt(text: str, stems: frozenset[str], limit: int = EXCERPT_CHARACTERS) -> str:
    """At most about `limit` characters of `text` around where most of the question's words stand together."""
    if len(text) <= limit:
        return text
    found = matches(text, stems)
    start = max((span[0] for span in found), default=0, key=lambda at: _distinct(text, stems, at, limit))
    start = max(0, min(start - limit // 4, len(text) - limit))
    start = _word_start(text, start)
    end = start + limit
    if end < len(text):
        space = text.rfind(" ", start, end)
        end = space if space > start else end
    return ("… " if start else "") + text[start:end].strip() + (" …" if end < len(text) else "")


def _distinct(text: str, stems: frozenset[str], start: int, limit: int) -> int:
    window = text[start : start + limit * 3 // 4]
    return len({_stem(_folded(match.group())) for match in _WORD.finditer(window)} & stems)


def _word_start(text: str, at: int) -> int:
    while 0 < at < len(text) and not text[at - 1].isspace():
        at -= 1
    return at


def marked(text: str, stems: frozenset[str], *, colour: bool) -> Text:
    """`text` with the words marked: bold where there is colour, between asterisks where there is none."""
    result = Text()
    at = 0
    for start, end in matches(text, stems):
        result.append(text[at:start])
        word = text[start:end]
        result.append(word if colour else f"*{word}*", style="bold yellow" if colour else None)
        at = end
    result.append(text[at:])
    return result
