"""The shapes of a slide: their text, tables, charts and diagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ragctl.readers.office_charts import A, C, R
from ragctl.readers.office_math import M, formula_text
from ragctl.readers.text_builder import clean

if TYPE_CHECKING:
    from lxml.etree import _Element

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_NOT_READ = frozenset({"sldNum", "dt", "ftr", "hdr"})
"""Placeholders for the slide's number, the date, and what stands on every slide."""
_TITLES = frozenset({"title", "ctrTitle"})
_INDENT = "  "
_DEEPEST = 60
"""Groups within groups."""


class Shape(NamedTuple):
    """What is read of a shape: one of them is there.

    Attributes:
        placeholder: its type; empty of any other shape, `body` of one for text.
        text: its paragraphs, a line each.
        rows: of a table.
        linked: (kind, relationship id) of a chart or diagram, which is a part of its own.
    """

    placeholder: str = ""
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    linked: tuple[str, str] = ("", "")

    @property
    def is_title(self) -> bool:
        return self.placeholder in _TITLES


def shapes_of(slide: _Element) -> Iterator[Shape]:
    """The shapes of a `p:sld` or `p:notes` that have something to read, in its order."""
    tree = slide.find(f"{P}cSld/{P}spTree")
    if tree is not None:
        yield from _in_tree(tree, 0)


def _in_tree(tree: _Element, depth: int) -> Iterator[Shape]:
    if depth > _DEEPEST:
        return
    for child in tree:
        if child.tag == P + "sp":
            shape = _text_shape(child)
            if shape is not None:
                yield shape
        elif child.tag == P + "graphicFrame":
            yield from _graphic(child)
        elif child.tag == P + "grpSp":
            yield from _in_tree(child, depth + 1)
        elif child.tag == _MC + "AlternateContent":
            yield from _alternative(child, depth)


def _alternative(element: _Element, depth: int) -> list[Shape]:
    """The first alternative that has something to read: the others say the same in an older way."""
    for alternative in element:
        found = list(_in_tree(alternative, depth + 1))
        if found:
            return found
    return []


def _text_shape(element: _Element) -> Shape | None:
    placeholder = element.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    kind = "" if placeholder is None else placeholder.get("type", "body")
    body = element.find(P + "txBody")
    if body is None or kind in _NOT_READ:
        return None
    text = body_text(body)
    return Shape(kind, text) if text.strip() else None


def body_text(body: _Element) -> str:
    """Paragraphs of a text body, a line each, set in as deep as their level."""
    lines = []
    for paragraph in body.iterfind(A + "p"):
        properties = paragraph.find(A + "pPr")
        level = properties.get("lvl", "0") if properties is not None else "0"
        depth = int(level) if level in "012345678" else 0
        text = clean(_paragraph(paragraph)).strip()
        if text:
            lines.append(_INDENT * depth + text)
    return "\n".join(lines)


def _paragraph(element: _Element) -> str:
    pieces: list[str] = []
    for child in element:
        if child.tag in (A + "r", A + "fld"):
            text = child.find(A + "t")
            pieces.append((text.text or "") if text is not None else "")
        elif child.tag == A + "br":
            pieces.append("\n")
        elif child.tag not in (A + "pPr", A + "endParaRPr"):
            pieces += [formula_text(one) for one in _first_formulas(child)]
    return "".join(pieces)


def _first_formulas(element: _Element) -> Iterator[_Element]:
    choice = element.find(_MC + "Choice")
    yield from (element if choice is None else choice).iter(M + "oMath")


def _graphic(frame: _Element) -> Iterator[Shape]:
    data = frame.find(f"{A}graphic/{A}graphicData")
    if data is None:
        return
    table = data.find(A + "tbl")
    if table is not None:
        yield Shape(rows=tuple(_row(row) for row in table.iterfind(A + "tr")))
    chart = data.find(C + "chart")
    if chart is not None:
        yield Shape(linked=("chart", chart.get(R + "id") or ""))
    diagram = data.find(_DGM + "relIds")
    if diagram is not None:
        yield Shape(linked=("diagram", diagram.get(R + "dm") or ""))


def _row(row: _Element) -> tuple[str, ...]:
    """Cells that another one covers are empty."""
    cells = []
    for cell in row.iterfind(A + "tc"):
        body = cell.find(A + "txBody")
        covered = cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true")
        cells.append("" if body is None or covered else body_text(body))
    return tuple(cells)


def diagram_text(root: _Element) -> str:
    """The texts of a diagram (SmartArt), a line each."""
    bodies = root.iterfind(f"{_DGM}ptLst/{_DGM}pt/{_DGM}t")
    return "\n".join(text for text in map(body_text, bodies) if text)
