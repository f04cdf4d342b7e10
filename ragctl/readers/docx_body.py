"""The body of a DOCX in reading order: headings, lists, tables, code, text boxes and footnotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragctl.readers.docx_numbering import BULLET, Numbering
from ragctl.readers.docx_runs import PAGE_BREAK, paragraph_text
from ragctl.readers.docx_styles import (
    PLAIN,
    NumberOf,
    Style,
    W,
    number_of,
    outline_level,
    small_number,
    value,
)
from ragctl.readers.office_charts import chart_rows
from ragctl.readers.text_builder import TextBuilder, clean

if TYPE_CHECKING:
    from lxml.etree import _Element

_INDENT = "  "
_DEEPEST_INDENT = 8
_LONGEST_HEADING = 250
"""Characters; some templates give the style of a heading to whole paragraphs."""
_WIDEST = 63
"""Columns of a table in Word."""
_DEEPEST = 50
"""Tables within tables, and text boxes within text boxes."""
_CONTAINERS = frozenset(
    W + name
    for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo", "txbxContent", "body")
)


@dataclass(slots=True)
class Parts:
    """What a body refers to.

    Attributes:
        notes: (kind, id) → the paragraphs of a note.
        charts: relationship id → a chart.
    """

    styles: dict[str, Style] = field(default_factory=dict)
    numbering: Numbering = field(default_factory=lambda: Numbering(None))
    notes: dict[tuple[str, str], list[_Element]] = field(default_factory=dict)
    charts: dict[str, _Element] = field(default_factory=dict)
    default_style: str = ""


class BodyReader:
    """Adds a body to a builder. `title` is the text of the first paragraph of style Title."""

    def __init__(self, builder: TextBuilder, parts: Parts, *, has_pages: bool) -> None:
        self._builder = builder
        self._parts = parts
        self._page = 1 if has_pages else 0
        self._code: list[str] = []
        self._notes = 0
        self._depth = 0
        self.title = ""
        if has_pages:
            builder.page(1)

    def read(self, container: _Element) -> None:
        """All blocks of a body, a text box or a cell."""
        if self._depth > _DEEPEST:
            return
        self._depth += 1
        for child in _blocks(container):
            if child.tag == W + "p":
                self._paragraph(child)
            else:
                self._end_code()
                self._table(child)
        self._end_code()
        self._depth -= 1

    def _paragraph(self, element: _Element) -> None:
        properties = element.find(W + "pPr")
        style = self._style(properties)
        found = paragraph_text(element)
        text, notes = self._numbered_notes(found.text, found.notes)
        if style.is_code:
            self._code.append(text.replace(PAGE_BREAK, ""))
        else:
            self._end_code()
            self._add(text, properties, style)
        for box in found.boxes:
            self.read(box)
        for chart in (self._parts.charts[one] for one in found.charts if one in self._parts.charts):
            name, rows = chart_rows(chart)
            self._builder.paragraph(name)
            self._builder.table(rows)
        for line in notes:
            self._builder.paragraph(line, tight=True)

    def _add(self, text: str, properties: _Element | None, style: Style) -> None:
        text, breaks = _without_breaks(text)
        if not text:
            self._turn(breaks, 0)
            return
        level = outline_level(properties) or style.level
        mark, indent = self._mark(properties, style)
        if style.is_title and not self.title:
            self.title = text
        if (level or style.is_title) and len(text) <= _LONGEST_HEADING:
            at = self._builder.length
            self._turn([one for one in breaks if one == 0], at)
            named = f"{mark} {text}" if mark and mark != BULLET else text
            self._builder.heading(level or 1, named)
            self._turn([one for one in breaks if one > 0], self._builder.length)
            return
        before = [one for one in breaks if one == 0]
        self._turn(before, 0)
        lead = f"{_INDENT * indent}{mark} " if mark else ""
        start = self._builder.paragraph(lead + text, tight=bool(mark))
        for offset in breaks[len(before) :]:
            self._turn([offset], min(start + len(lead) + offset, self._builder.length - 1))

    def _turn(self, breaks: list[int], at: int) -> None:
        """Turns as many pages; `at` 0: before what comes next."""
        if not self._page or not breaks:
            return
        self._page += len(breaks)
        self._builder.page(self._page, at=at if at and breaks[0] > 0 else None)

    def _style(self, properties: _Element | None) -> Style:
        name = value(properties, "pStyle") or self._parts.default_style
        return self._parts.styles.get(name, PLAIN)

    def _mark(self, properties: _Element | None, style: Style) -> tuple[str, int]:
        """The number or bullet before a paragraph, and how deep its list is, from 0."""
        own = number_of(properties)
        number = own or style.numbered
        if number is None or number.list_id == "0":
            return "", 0
        if own is None and style.level:
            number = NumberOf(number.list_id, max(number.level, style.level - 1))
        return self._parts.numbering.mark(number), min(max(number.level, 0), _DEEPEST_INDENT)

    def _numbered_notes(self, text: str, notes: list[tuple[str, str]]) -> tuple[str, list[str]]:
        """The text with numbers in the place of references, and the notes, which stand after it."""
        lines: list[str] = []
        for kind, name in notes:
            self._notes += 1
            text = text.replace(f"[{kind}:{name}]", f"[{self._notes}]", 1)
            written = " ".join(
                paragraph_text(one).text.strip() for one in self._parts.notes.get((kind, name), ())
            )
            if written.strip():
                lines.append(f"[{self._notes}] {written.strip()}".replace(PAGE_BREAK, ""))
        return text, lines

    def _table(self, table: _Element) -> None:
        rows = list(_rows(table))
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            self.read(rows[0][0][0])
            return
        self._turn([0] * sum(1 for _ in table.iter(W + "lastRenderedPageBreak")), 0)
        self._builder.table(
            [text for cell, width in row for text in (self._cell(cell), *[""] * (width - 1))] for row in rows
        )

    def _cell(self, cell: _Element) -> str:
        """Its text on one line, with lists and tables in it; empty if it goes on from the row above."""
        merge = cell.find(f"{W}tcPr/{W}vMerge")
        if merge is not None and merge.get(W + "val") != "restart":
            return ""
        inner = TextBuilder()
        reader = BodyReader(inner, self._parts, has_pages=False)
        reader._depth = self._depth + 1
        reader._notes = self._notes
        reader.read(cell)
        self._notes = reader._notes
        return inner.text

    def _end_code(self) -> None:
        if self._code:
            self._builder.code("\n".join(self._code))
            self._code = []


def _blocks(container: _Element) -> Iterator[_Element]:
    """Paragraphs and tables, also within content controls and what was inserted; nothing that was deleted."""
    for child in container:
        if child.tag in (W + "p", W + "tbl"):
            yield child
        elif child.tag in _CONTAINERS:
            yield from _blocks(child)


def _rows(table: _Element) -> Iterator[list[tuple[_Element, int]]]:
    """For each row, its cells and how many columns each takes."""
    for row in _children(table, W + "tr"):
        if row.find(f"{W}trPr/{W}del") is None:
            cells = _children(row, W + "tc")
            found = [(cell, _columns(cell)) for cell in cells]
            if found:
                yield found


def _columns(cell: _Element) -> int:
    return max(1, min(small_number(value(cell.find(W + "tcPr"), "gridSpan"), 1), _WIDEST))


def _children(parent: _Element, tag: str) -> Iterator[_Element]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _CONTAINERS:
            yield from _children(child, tag)


def _without_breaks(text: str) -> tuple[str, list[int]]:
    """The text and the offsets at which pages begin in it."""
    parts = [clean(part) for part in text.split(PAGE_BREAK)]
    whole = "".join(parts)
    lead = len(whole) - len(whole.lstrip())
    offsets: list[int] = []
    length = 0
    for part in parts[:-1]:
        length += len(part)
        offsets.append(max(length - lead, 0))
    return whole.strip(), offsets
