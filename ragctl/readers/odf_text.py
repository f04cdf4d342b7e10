"""The text of an OpenDocument body: paragraphs, headings, lists, tables and notes, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragctl.errors import MalformedDocument
from ragctl.readers.text_builder import TextBuilder

if TYPE_CHECKING:
    from lxml.etree import _Element

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
TEXT = f"{{{_URN}text:1.0}}"
TABLE = f"{{{_URN}table:1.0}}"
DRAW = f"{{{_URN}drawing:1.0}}"
OFFICE = f"{{{_URN}office:1.0}}"
PRESENTATION = f"{{{_URN}presentation:1.0}}"
_SVG = f"{{{_URN}svg-compatible:1.0}}"
STYLE = f"{{{_URN}style:1.0}}"
_INDENT = "  "
_DEEPEST = 60
"""Lists, tables and frames within each other."""
_MOST_BLANKS = 1000
"""That one `text:s` or one row of empty cells may stand for."""
_MOST_COLUMNS = 20_000
"""A sheet has 16,384."""
_NOT_READ = frozenset(
    {
        TEXT + "tracked-changes",
        TEXT + "sequence-decls",
        TEXT + "variable-decls",
        TEXT + "user-field-decls",
        TEXT + "table-of-content-source",
        TEXT + "note-citation",
        TEXT + "ruby-text",
        OFFICE + "forms",
        OFFICE + "annotation",
        OFFICE + "annotation-end",
        OFFICE + "binary-data",
        DRAW + "layer-set",
        _SVG + "title",
        _SVG + "desc",
        PRESENTATION + "notes",
    }
)
_FRAMES = frozenset(
    DRAW + name for name in ("frame", "text-box", "custom-shape", "rect", "ellipse", "g", "line")
)
_CODE_STYLES = ("Preformatted_20_Text", "Preformatted Text")


class OdfBody:
    """Adds a body to a builder.

    Args:
        parents: style of paragraphs → the style that it is made from.
    """

    def __init__(self, builder: TextBuilder, parents: dict[str, str]) -> None:
        self._builder = builder
        self._parents = parents
        self._depth = 0
        self._notes: list[_Element] = []
        self._boxes: list[_Element] = []
        self._numbered = 0
        self._code: list[str] = []
        self.title = ""

    def read(self, container: _Element) -> None:
        """All blocks within an element."""
        self._read(container)
        self._end_code()

    def _read(self, container: _Element) -> None:
        if self._depth > _DEEPEST:
            return
        self._depth += 1
        for child in container:
            if child.tag not in _NOT_READ:
                self._block(child)
        self._depth -= 1

    def _block(self, element: _Element) -> None:
        tag = element.tag
        if tag in (TEXT + "p", TEXT + "h"):
            self._paragraph(element)
            return
        self._end_code()
        if tag == TEXT + "list":
            self._list(element, 0)
        elif tag == TABLE + "table":
            self._table(element)
        else:
            self._read(element)

    def _paragraph(self, element: _Element, lead: str = "") -> None:
        text = self._text(element)
        style = self._root_style(element.get(TEXT + "style-name") or "")
        if style in _CODE_STYLES and not lead:
            self._code.append(text)
        else:
            self._end_code()
            level = element.get(TEXT + "outline-level", "1")
            if style == "Title" and not self.title:
                self.title = text.strip()
            if element.tag == TEXT + "h" or (style == "Title" and len(text) < 250):
                self._builder.heading(int(level) if level in "123456789" else 1, text)
            else:
                self._builder.paragraph(lead + text.strip() if text.strip() else "", tight=bool(lead))
        self._add_waiting()

    def _add_waiting(self) -> None:
        """Text boxes that hang on the last paragraph, and its notes."""
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._read(box)
        notes, self._notes = self._notes, []
        for note in notes:
            self._numbered += 1
            body = note.find(TEXT + "note-body")
            text = " ".join(self.lines(body)) if body is not None else ""
            self._builder.paragraph(f"[{self._numbered}] {text}", tight=True)

    def _root_style(self, name: str) -> str:
        """The nearest style that was not made for a few paragraphs only."""
        for _ in range(20):
            if name not in self._parents or not _is_automatic(name):
                return name
            name = self._parents[name]
        return name

    def _text(self, element: _Element) -> str:
        pieces: list[str] = []
        self._collect(element, pieces)
        return "".join(pieces)

    def _collect(self, element: _Element, pieces: list[str]) -> None:
        pieces.append(_collapsed(element.text))
        for child in element:
            self._collect_one(child, pieces)
            pieces.append(_collapsed(child.tail))

    def _collect_one(self, child: _Element, pieces: list[str]) -> None:
        tag = child.tag
        if tag == TEXT + "s":
            pieces.append(" " * repeated(child, TEXT + "c", _MOST_BLANKS))
        elif tag == TEXT + "tab":
            pieces.append("\t")
        elif tag == TEXT + "line-break":
            pieces.append("\n")
        elif tag == TEXT + "note":
            self._notes.append(child)
            pieces.append(f"[{self._numbered + len(self._notes)}]")
        elif tag in _FRAMES:
            self._boxes.append(child)
        elif tag not in _NOT_READ:
            self._collect(child, pieces)

    def _list(self, element: _Element, depth: int) -> None:
        """Items with a dash each: numbers are in styles, and their count in no place."""
        if depth > _DEEPEST:
            return
        for item in element:
            lead = _INDENT * min(depth, 8) + ("- " if item.tag == TEXT + "list-item" else "")
            for child in item:
                if child.tag == TEXT + "list":
                    self._list(child, depth + 1)
                elif child.tag == TEXT + "p":
                    self._paragraph(child, lead)
                    lead = _INDENT * (min(depth, 8) + 1)
                elif child.tag not in _NOT_READ:
                    self._block(child)

    def _table(self, table: _Element) -> None:
        rows = [[self._cell(cell) for cell in cells] for cells, _ in rows_of(table)]
        if len(rows) == 1 and len(rows[0]) == 1:
            self._builder.paragraph(rows[0][0])
        else:
            self._builder.table(rows)

    def _cell(self, cell: _Element | None) -> str:
        return "" if cell is None else " ".join(self.lines(cell))

    def lines(self, container: _Element) -> list[str]:
        """The blocks within a cell, a note or a frame, read by themselves."""
        if self._depth > _DEEPEST:
            return []
        inner = TextBuilder()
        body = OdfBody(inner, self._parents)
        body._depth = self._depth + 1
        body.read(container)
        return inner.text.splitlines()

    def _end_code(self) -> None:
        if self._code:
            self._builder.code("\n".join(self._code))
            self._code = []


def rows_of(table: _Element) -> Iterator[tuple[list[_Element | None], int]]:
    """A table's rows: their cells, None where there is nothing or another cell covers; and how often each is.

    Rows and cells that a table repeats only to fill a sheet are left out: they are empty.
    """
    for row in table.iter(TABLE + "table-row"):
        if next(row.iterancestors(TABLE + "table"), None) is not table:
            continue
        cells: list[_Element | None] = []
        for cell in row:
            if cell.tag not in (TABLE + "table-cell", TABLE + "covered-table-cell"):
                continue
            found = cell if cell.tag == TABLE + "table-cell" and len(cell) else None
            cells += [found] * repeated(cell, TABLE + "number-columns-repeated", _MOST_BLANKS)
            if len(cells) > _MOST_COLUMNS:
                raise MalformedDocument(f"a table in it has more than {_MOST_COLUMNS:,} columns")
        while cells and cells[-1] is None:
            cells.pop()
        yield cells, repeated(row, TABLE + "number-rows-repeated", _MOST_BLANKS) if cells else 1


def repeated(element: _Element, name: str, most: int) -> int:
    """A count among the attributes, from 1 to `most`."""
    text = element.get(name, "1")
    return max(1, min(int(text), most)) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def parents_of(*roots: _Element | None) -> dict[str, str]:
    """Style → the style that it is made from, of all that are declared."""
    return {
        one.get(STYLE + "name", ""): one.get(STYLE + "parent-style-name", "")
        for root in roots
        if root is not None
        for one in root.iter(STYLE + "style")
    }


def _is_automatic(name: str) -> bool:
    """`P12`, as the programs call styles of single paragraphs."""
    return name[:1] == "P" and name[1:].isdigit()


def _collapsed(text: str | None) -> str:
    """White space as OpenDocument has it: a run is one space."""
    if not text:
        return ""
    lead = " " if text[0] in " \t\r\n" else ""
    tail = " " if text[-1] in " \t\r\n" else ""
    words = " ".join(text.split())
    return f"{lead}{words}{tail}" if words else " "
