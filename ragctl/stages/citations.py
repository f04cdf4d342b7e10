"""Citations: pieces of evidence in an answer, and whether the cited passage has the quoted words. Pure.

In a model's text a piece of evidence is written `[2: "words of passage 2"]`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragctl.types import Hit

LEAST_QUOTE = 8
"""Characters; a shorter quote stands in nearly every passage, unless it is the whole of one."""

_EVIDENCE = re.compile(r"\[\s*(?P<number>\d{1,4})\s*(?::\s*(?P<quote>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*))?\]")
_QUOTES = "\"'“”„‟‘’‚‛«»‹›「」『』`"
_DASHES = re.compile("[‐‑‒–—−]")
_SPACE = re.compile(r"\s+")
_ELLIPSIS = re.compile(r"\s*(?:\.\.\.|…|\[\.\.\.\]|\[…\])\s*")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of evidence in a text.

    Attributes:
        start, end: where it stands in the text, in characters.
        number: of the passage, from 1.
        quote: the words; empty if there are none.
    """

    start: int
    end: int
    number: int
    quote: str


@dataclass(frozen=True, slots=True)
class Span:
    """Where a quote stands in a hit's text, in characters from 0; the end is exclusive."""

    start: int
    end: int


def evidence_in(text: str) -> Iterator[Evidence]:
    """Every piece of evidence in a text, in order, also those without a quote."""
    for found in _EVIDENCE.finditer(text):
        quote = (found["quote"] or "").strip().strip(_QUOTES).strip()
        yield Evidence(found.start(), found.end(), int(found["number"]), quote)


def span_of(evidence: Evidence, hits: Sequence[Hit]) -> Span | None:
    """Where the quote stands in its passage; None if it does not, or is too short to mean anything.

    White space, case, and the kinds of quotation marks and dashes do not count; dots at the ends neither.
    """
    if not 1 <= evidence.number <= len(hits):
        return None
    text = hits[evidence.number - 1].text
    folded, places = _folded(text)
    quote, _ = _folded(_ELLIPSIS.sub(" ", evidence.quote) if _outer_dots(evidence.quote) else evidence.quote)
    quote = quote.strip().rstrip(".,;:")
    if len(quote) < min(LEAST_QUOTE, len(folded.strip())) or not quote:
        return None
    start = folded.find(quote)
    if start < 0:
        return None
    return Span(places[start], places[start + len(quote) - 1] + 1)


def renumbered(text: str, numbers: Sequence[int]) -> str:
    """A text whose evidence names passages by other numbers; what names no passage is left out.

    Args:
        numbers: the new number of each passage, in the order of the old ones, from 1.
    """
    made: list[str] = []
    done = 0
    for one in evidence_in(text):
        made.append(text[done : one.start])
        if 1 <= one.number <= len(numbers):
            piece = text[one.start : one.end]
            made.append(piece.replace(str(one.number), str(numbers[one.number - 1]), 1))
        done = one.end
    return "".join([*made, text[done:]])


def _outer_dots(quote: str) -> bool:
    inner = _ELLIPSIS.split(quote)
    return len([part for part in inner if part.strip()]) == 1


def _folded(text: str) -> tuple[str, list[int]]:
    """Text in which what does not count is the same, and the place in the text of each of its characters."""
    made: list[str] = []
    places: list[int] = []
    for place, one in enumerate(text):
        for part in unicodedata.normalize("NFKC", one).casefold():
            if unicodedata.category(part) in ("Cc", "Cf") and not part.isspace():
                continue
            part = '"' if part in _QUOTES else _DASHES.sub("-", part)
            if part.isspace():
                if made and made[-1] == " ":
                    continue
                part = " "
            made.append(part)
            places.append(place)
    return "".join(made), places
