"""Where a reStructuredText source has its section titles and comments.

A scanner of the block structure, not a parser: it reads the lines at the left margin in the way
that docutils' state machine does (Body, Text and Line in `docutils/parsers/rst/states.py`) and
takes everything indented to belong to the block above it, which is where titles cannot stand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_EXPLICIT = re.compile(r"\.\.(?: |$)")
# what `.. ` may introduce, other than a comment
_CONSTRUCT = re.compile(
    r"""\.\.[ ]+(?:
        \[(?:[0-9]+|\#?[\w.:+-]*|\*)\](?:[ ]|$)     # footnote or citation
      | _(?![ ])                                    # hyperlink target
      | \|(?![ ])                                   # substitution
      | (?:(?!_)\w)+(?:[-._+:](?:(?!_)\w)+)*[ ]?::(?:[ ]|$)   # directive
    )""",
    re.VERBOSE,
)
_PLACE = re.compile(r"\.\. _(?:`[^`]+`|(?:[^:\\]|\\.|:(?! |$))+):$")
_GRID_TABLE = re.compile(r"\+-[-+]+-\+ *$")
_SIMPLE_TABLE = re.compile(r"=+( +=+)+ *$")
_SIMPLE_TABLE_BORDER = re.compile(r"=+( +=+)* *$")
_ITEM = re.compile(
    r"""[-+*\u2022\u2023\u2043](?:[ ]|$)                    # bullet
      | :(?![: ])(?:[^:\\]|\\.|:(?![ `]|$))*(?<![ ]):(?:[ ]|$)   # field
      | \|(?:[ ]|$)                                         # line block
      | __(?:[ ]|$)                                         # anonymous target
    """,
    re.VERBOSE,
)
_ENUMERATOR = re.compile(r"\(?(?:[0-9]+|[a-zA-Z]|[ivxlcdmIVXLCDM]+|\#)[.)](?:[ ]|$)")
_DOCTEST = re.compile(r">>>(?: |$)")
_SHORT = 4
"""An adornment shorter than this and than its title is none (docutils)."""


class Title(NamedTuple):
    """A section title: its line from 0, its level from 1, its source text, the lines of its adornment."""

    line: int
    level: int
    text: str
    adornment: tuple[int, ...]


class Structure(NamedTuple):
    """Titles in order, and line ranges (first, end) of what a rendered page does not show: comments,
    and targets that only give a place a name (`.. _here:`)."""

    titles: list[Title]
    unseen: list[tuple[int, int]]


def structure_of(lines: Sequence[str]) -> Structure:
    """Scans `lines`, which are without line ends."""
    scan = _Scan([line.expandtabs(8).rstrip() for line in lines])
    return Structure(scan.titles, scan.unseen)


class _Scan:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.titles: list[Title] = []
        self.unseen: list[tuple[int, int]] = []
        self._styles: list[str] = []
        at = 0
        while at < len(lines):
            at = self._block(at)

    def _line(self, at: int) -> str:
        return self.lines[at] if at < len(self.lines) else ""

    def _block(self, at: int) -> int:
        """Where the block that begins at line `at` ends."""
        line = self.lines[at]
        if not line:
            return at + 1
        if line[0] == " ":
            return self._quotation(at)
        if _EXPLICIT.match(line):
            return self._explicit(at)
        if _ITEM.match(line) or self._is_enumerated(at):
            return self._literal_end(at + 1) if line.endswith("::") else at + 1
        if _GRID_TABLE.match(line) or _DOCTEST.match(line):
            return self._blank_after(at)
        if _SIMPLE_TABLE.match(line):
            return self._simple_table_end(at)
        if _ADORNMENT.match(line):
            return self._adorned(at)
        return self._text(at)

    def _indented_end(self, at: int) -> int:
        """After the lines from `at` on that are indented or blank."""
        while at < len(self.lines) and (not self.lines[at] or self.lines[at][0] == " "):
            at += 1
        return at

    def _blank_after(self, at: int) -> int:
        while self._line(at):
            at += 1
        return at

    def _quotation(self, at: int) -> int:
        """A block quotation or what belongs to a list item; there may be comments at its margin."""
        end = self._indented_end(at)
        margin = _indent(self.lines[at])
        while at < end:
            line = self.lines[at]
            if _indent(line) == margin and _EXPLICIT.match(line, margin):
                at = self._explicit(at, margin)
            else:
                at += 1
        return end

    def _explicit(self, at: int, margin: int = 0) -> int:
        """Explicit markup: with all that is indented more than its two dots."""
        line = self.lines[at][margin:]
        end = at + 1
        # an empty comment ends at once: what is indented after it is not its text
        if line != ".." or self._line(at + 1):
            while end < len(self.lines) and (not self.lines[end] or _indent(self.lines[end]) > margin):
                end += 1
        if not _CONSTRUCT.match(line) or (_PLACE.match(line) and not self._has_text(at + 1, end)):
            self.unseen.append((at, end))
        return end

    def _has_text(self, start: int, end: int) -> bool:
        return any(self.lines[start:end])

    def _is_enumerated(self, at: int) -> bool:
        """A list item, not a paragraph or a title that begins like one: the next line decides."""
        if not _ENUMERATOR.match(self.lines[at]):
            return False
        following = self._line(at + 1)
        return not following or following[0] == " " or bool(_ENUMERATOR.match(following))

    def _simple_table_end(self, at: int) -> int:
        """After the second border below the top one, or the first that a blank line follows."""
        borders = 0
        for index in range(at + 1, len(self.lines)):
            if _SIMPLE_TABLE_BORDER.match(self.lines[index]):
                borders += 1
                if borders == 2 or not self._line(index + 1):
                    return index + 1
        return at + 1  # never closed: no table

    def _adorned(self, at: int) -> int:
        """A line of punctuation: the overline of a title, a transition, or text after all."""
        over = self.lines[at]
        following = self._line(at + 1)
        if not following:
            return at + 1 if len(over) >= _SHORT else self._text(at)
        title = following.strip()
        if not _ADORNMENT.match(following) and self._line(at + 2) == over:
            if len(over) >= _SHORT or _width(title) <= len(over):
                self._title(at + 1, title, over[0] * 2, (at, at + 2))
                return at + 3
        elif len(over) >= _SHORT:
            return at + 2  # an error in docutils, too
        return self._text(at)

    def _text(self, at: int) -> int:
        line, under = self.lines[at], self._line(at + 1)
        if _ADORNMENT.match(under) and (len(under) >= _SHORT or _width(line) <= len(under)):
            self._title(at, line, under[0], (at + 1,))
            return at + 2
        end = at + 1
        while self._line(end) and self._line(end)[0] != " ":
            end += 1
        if self.lines[end - 1].endswith("::"):
            return self._literal_end(end)
        return end

    def _literal_end(self, at: int) -> int:
        """After a literal block: indented, or quoted by one punctuation character a line."""
        while at < len(self.lines) and not self.lines[at]:
            at += 1
        quote = self._line(at)[:1]
        if quote == " ":
            return self._indented_end(at)
        if quote and not quote.isalnum() and quote.isascii():
            while self._line(at).startswith(quote):
                at += 1
        return at

    def _title(self, line: int, text: str, style: str, adornment: tuple[int, ...]) -> None:
        if style not in self._styles:
            self._styles.append(style)
        self.titles.append(Title(line, self._styles.index(style) + 1, text, adornment))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _width(text: str) -> int:
    """Columns on a terminal, as docutils counts them: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
