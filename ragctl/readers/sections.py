"""Sections from headings, and text from chosen lines: what several readers build documents with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from ragctl.types import Anchor, Section


class Heading(NamedTuple):
    """A heading that starts at offset `start`; `level` 1 is the outermost."""

    start: int
    level: int
    text: str


def sections_of(headings: Iterable[Heading], length: int) -> tuple[Section, ...]:
    """Sections that cover `length` characters: one for the text before the first heading, one a heading.

    A heading's path holds the nearest headings of each lower level before it. A heading without
    text ends the sections at its level and below, but names nothing.
    """
    out: list[Section] = []
    path: list[tuple[int, str]] = []
    start = 0
    names: tuple[str, ...] = ()
    for heading in headings:
        if heading.start > start:
            out.append(Section(start, heading.start, names))
        start = heading.start
        while path and path[-1][0] >= heading.level:
            path.pop()
        path.append((heading.level, heading.text))
        names = tuple(text for _, text in path if text)
    if length > start or not out:
        out.append(Section(start, length, names))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class KeptLines:
    """The text that is left of a source's lines.

    Attributes:
        text: the kept lines, joined by newlines.
        anchors: where the source's line numbers jump.
        starts: for each source line, counted from 0, the offset in `text` of it or, if it was
            dropped, of the next kept one; `len(text)` after the last.
    """

    text: str
    anchors: tuple[Anchor, ...]
    starts: Sequence[int]


def keep_lines(lines: Sequence[str], dropped: AbstractSet[int]) -> KeptLines:
    """`lines` (without their newlines) less those whose index is in `dropped`."""
    kept: list[str] = []
    anchors: list[Anchor] = []
    starts: list[int] = []
    offset = 0
    expected = -1
    for index, line in enumerate(lines):
        starts.append(offset)
        if index in dropped:
            continue
        if index != expected:
            anchors.append(Anchor(offset, line=index + 1))
        expected = index + 1
        kept.append(line)
        offset += len(line) + 1
    text = "\n".join(kept)
    return KeptLines(text, tuple(anchors), [min(start, len(text)) for start in starts])
