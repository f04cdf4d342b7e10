"""A document put together from paragraphs, headings, tables, pages and sheets, in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from ragctl.readers.assemble import assemble, one_line
from ragctl.readers.sections import Heading, sections_of
from ragctl.types import Anchor, Block, Document, Item

_SPACES = re.compile(r"\s+")
_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_NOT_IN_TEXT = re.compile("[\0\ud800-\udfff\ufffe\uffff]")
_OTHER_CONTROLS = re.compile("[\x01-\x08\x0e-\x1f\x7f]")
SEPARATOR = " | "


def clean(text: str) -> str:
    """`text` with newlines as `\\n` alone, without control characters, and none that cannot be stored."""
    text = _NEWLINES.sub("\n", text)
    return _OTHER_CONTROLS.sub("", _NOT_IN_TEXT.sub("\ufffd", text))


def cell_text(text: str) -> str:
    """What stands in a cell, on one line and without a pipe."""
    if text.isprintable() and "|" not in text and "  " not in text:  # nearly all: sheets have millions
        return text.strip()
    return _SPACES.sub(" ", clean(text)).strip().replace("|", "/")


def row_line(cells: Iterable[str]) -> str:
    """A table's row as a line; empty if all its cells are. Empty cells at its end are left out."""
    texts = [cell_text(cell) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return SEPARATOR.join(texts)


class TextBuilder:
    """Collects a document's text from its beginning to its end.

    Paragraphs stand apart by a blank line, lines of one list by none. `page` and `sheet` say where the text
    that follows comes from.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._place = Anchor(0)
        self._tight = False
        self._whole = 0
        self._first_heading = ""
        self.length = 0
        self.headings: list[Heading] = []
        self.anchors: list[Anchor] = []
        self.blocks: list[Block] = []

    @property
    def text(self) -> str:
        """What was added so far."""
        return "".join(self._parts)

    def page(self, number: int, *, at: int | None = None) -> None:
        """From here on it is page (or slide) `number`, from 1. `at`: an offset in the last paragraph."""
        self._place = Anchor(0, page=number)
        if at is not None:
            self._anchor(at)

    def sheet(self, name: str) -> None:
        """From here on it is the sheet of that name."""
        self._place = Anchor(0, sheet=name)

    def paragraph(self, text: str, *, tight: bool = False) -> int:
        """Adds a paragraph, which may have several lines. One without text is left out.

        Args:
            tight: no blank line between it and a tight one before it, as between items of a list.

        Returns:
            The offset at which it starts.
        """
        text = clean(text).strip("\n").rstrip()
        if not text or text.isspace():
            return self.length
        if self._parts:
            self._write("\n" if tight and self._tight else "\n\n")
        self._tight = tight
        start = self.length
        self._anchor(start)
        self._write(text)
        return start

    def heading(self, level: int, text: str) -> None:
        """Adds a heading, on a line of its own; `level` 1 is the outermost."""
        text = one_line(clean(text))
        if text:
            self.headings.append(Heading(self.paragraph(text), level, text))
            self._first_heading = self._first_heading or text

    def section(self, level: int, name: str) -> None:
        """What comes next belongs to `name`, which does not stand in the text; an empty one ends others."""
        start = self.length + 2 if self._parts else 0
        self.headings.append(Heading(start, level, one_line(clean(name))))

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Adds a table, its first row that is not empty being its header."""
        lines = [line for line in map(row_line, rows) if line]
        if not lines:
            return
        start = self.paragraph("\n".join(lines))
        if len(lines) > 1:
            self._block(start, "table", lines[0])

    def code(self, text: str) -> None:
        """Adds preformatted text, its lines and blanks as they are."""
        start = self.paragraph(text)
        if self.length > start:
            self._block(start, "code")

    @contextmanager
    def slide(self) -> Iterator[None]:
        """What is added within is one block, and tables and code in it are none."""
        before, parts = self.length, len(self._parts)
        self._whole += 1
        yield
        self._whole -= 1
        if self.length > before:
            gap = 2 if parts else 0
            self._block(before + gap, "slide")

    def document(
        self,
        item: Item,
        data: bytes,
        *,
        reader: str,
        media_type: str,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        """The document; without a title, it is called by its first heading.

        Raises:
            EmptyDocument: nothing was added.
        """
        text = self.text
        headings = [one for one in self.headings if one.start < len(text)]
        return assemble(
            item,
            data,
            text,
            reader=reader,
            media_type=media_type,
            sections=sections_of(headings, len(text)) if text else (),
            anchors=tuple(self.anchors),
            blocks=tuple(self.blocks),
            title=title or self._first_heading,
            metadata=metadata,
        )

    def _block(self, start: int, kind: Literal["table", "code", "slide"], header: str = "") -> None:
        if not self._whole:
            self.blocks.append(Block(start, self.length, kind, header))

    def _anchor(self, start: int) -> None:
        last = self.anchors[-1] if self.anchors else None
        if last and (last.page, last.sheet) == (self._place.page, self._place.sheet):
            return
        place = Anchor(start, page=self._place.page, sheet=self._place.sheet)
        if last and last.start == start:
            self.anchors[-1] = place
        else:
            self.anchors.append(place)

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self.length += len(text)
