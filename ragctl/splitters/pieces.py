"""A span cut into pieces that fit, at the best boundaries there are, by langchain's recursive splitter.

The separators are our own, not those of langchain's `Language`: sections are cut apart before
(langchain's would part a title from its underline), a sentence is a better place than any space,
and Chinese and Japanese sentences end without one. They are regular expressions; the text that
matches goes to the piece after it, so that the pieces put together are the span.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragctl.splitters.boundaries import LINE, SENTENCE, quickest
from ragctl.splitters.token_counts import TokenCounts

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

_SENTENCE_OR_LINE = re.compile(f"{SENTENCE}|{LINE}")
_SCRAP = 4
"""A piece of less than one in so many of the size is a scrap."""


def cut(
    text: str, start: int, end: int, counts: TokenCounts, *, size: int, separators: Sequence[str]
) -> list[tuple[int, int]]:
    """Spans of at most `size` (see `TokenCounts.size`) that put together are [start, end).

    `separators` are regular expressions, the best first. A stretch without any is cut between tokens.
    """
    spans: list[tuple[int, int]] = []
    offset = start
    for piece in _recursively(text[start:end], start, counts, size, separators):
        stop = offset + len(piece)
        while counts.size(offset, stop) > size:
            middle = counts.forward(offset, stop, size)
            spans.append((offset, middle))
            offset = middle
        if stop > offset:
            spans.append((offset, stop))
        offset = stop
    if offset != end:
        raise AssertionError("the splitter's pieces are not the text")
    return _joined(text, spans, counts, size)


def _recursively(
    span: str, start: int, counts: TokenCounts, size: int, separators: Sequence[str]
) -> list[str]:
    splitter = _splitter_class()(
        separators=quickest(separators, span),
        is_separator_regex=True,
        keep_separator="start",
        strip_whitespace=False,
        chunk_size=size,
        chunk_overlap=0,
        length_function=_measure(span, start, counts),
    )
    pieces: list[str] = splitter.split_text(span)
    return pieces


def _measure(span: str, start: int, counts: TokenCounts) -> Callable[[str], int]:
    """A length function for pieces of `span`, which tokenizes nothing.

    langchain asks with the text of a piece, not with its place. Pieces that it has not asked for
    come in the order of the text, so each is found at or shortly after the one before it; an
    equal piece elsewhere has the same length, or one that differs by what a tokenizer makes of its
    neighbours. That is good enough to choose cuts by: the places of the pieces come from
    putting them together, and what goes to a model is counted at the end.
    """
    known: dict[str, int] = {"": 0}
    hint = 0

    def measure(piece: str) -> int:
        nonlocal hint
        length = known.get(piece)
        if length is None:
            at = span.find(piece, hint)
            # never 0: langchain would carry such a piece over and have it twice
            length = max(1, counts.size(start + at, start + at + len(piece)))
            known[piece] = length
            hint = at  # its own parts may be asked for next
        return length

    return measure


def _joined(text: str, spans: list[tuple[int, int]], counts: TokenCounts, size: int) -> list[tuple[int, int]]:
    """The spans without the scraps that the recursion leaves before each long piece.

    Neighbours that fit together become one; a scrap, such as a heading before a long paragraph,
    takes in the beginning of the next.
    """
    out: list[tuple[int, int]] = []
    for start, end in spans:
        if out:
            first, stop = out[-1]
            if counts.size(first, end) <= size:
                out[-1] = (first, end)
                continue
            if is_scrap(counts.size(first, stop), size):
                start = later_cut(text, first, stop, end, counts, size)
                out[-1] = (first, start)
        out.append((start, end))
    return out


def is_scrap(tokens: int, size: int) -> bool:
    return tokens * _SCRAP < size


def later_cut(text: str, first: int, cut: int, end: int, counts: TokenCounts, size: int) -> int:
    """The last good place after `cut` that leaves [first, place) within `size`; `cut` if there is none."""
    limit = counts.forward(first, end, size)
    found = cut
    for place in _SENTENCE_OR_LINE.finditer(text, cut, limit):
        if text[cut : place.start()].strip():
            found = place.start()
    return found


@functools.cache
def _splitter_class() -> type[RecursiveCharacterTextSplitter]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # a second to import

    return RecursiveCharacterTextSplitter
