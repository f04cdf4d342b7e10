"""The text of a DOCX paragraph: its runs, without what was deleted, with what stands in boxes beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragctl.readers.docx_styles import W
from ragctl.readers.office_charts import C, R
from ragctl.readers.office_math import M, formula_text

if TYPE_CHECKING:
    from lxml.etree import _Element

PAGE_BREAK = "\x0c"
"""Stands in `ParagraphText.text` where Word began a page when it last laid the document out."""
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_WITHOUT_TEXT = frozenset(
    W + name
    for name in ("pPr", "rPr", "del", "moveFrom", "delText", "instrText", "delInstrText", "fldData", "rt",
                 "annotationRef", "commentReference", "sdtPr", "sdtEndPr", "object", "pict", "drawing")
)  # fmt: skip
_PICTURES = frozenset({W + "drawing", W + "pict", W + "object"})
_SIGNS = {
    W + "tab": "\t",
    W + "cr": "\n",
    W + "noBreakHyphen": "-",
    W + "ptab": "\t",
    W + "lastRenderedPageBreak": PAGE_BREAK,
}
_CHECKED = ("1", "true", "on")
_W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"


@dataclass(slots=True)
class ParagraphText:
    """What a paragraph holds.

    Attributes:
        pieces: of its text, in order; footnotes are `[1]`.
        notes: (kind, id) of the notes that it refers to: `footnote` or `endnote`.
        boxes: `w:txbxContent` elements: text boxes that hang on it.
        charts: relationship ids.
    """

    pieces: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[_Element] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def paragraph_text(paragraph: _Element) -> ParagraphText:
    """Everything in a `w:p` that is read."""
    found = ParagraphText()
    _collect(paragraph, found)
    return found


def _collect(element: _Element, found: ParagraphText) -> None:
    for child in element:
        tag = child.tag
        if tag == W + "t":
            found.pieces.append(child.text or "")
        elif tag == W + "br":
            if child.get(W + "type") not in ("page", "column"):
                found.pieces.append("\n")
        elif tag in _SIGNS:
            found.pieces.append(_SIGNS[tag])
        elif tag in _WITHOUT_TEXT:
            if tag in _PICTURES:
                _collect_boxes(child, found)
                found.charts += [chart.get(R + "id") or "" for chart in child.iter(C + "chart")]
        else:
            _collect_special(child, tag, found)


def _collect_special(child: _Element, tag: object, found: ParagraphText) -> None:
    if tag in (W + "footnoteReference", W + "endnoteReference"):
        kind = str(tag)[len(W) :].removesuffix("Reference")
        found.notes.append((kind, child.get(W + "id") or ""))
        found.pieces.append(f"[{kind}:{child.get(W + 'id')}]")
    elif tag == M + "oMath":
        found.pieces.append(formula_text(child))
    elif tag == _MC + "AlternateContent":
        _collect_alternative(child, found)
    elif tag == W + "sym":
        found.pieces.append(_symbol(child))
    elif tag == W + "sdt":
        _collect_control(child, found)
    else:
        _collect(child, found)


def _collect_alternative(element: _Element, found: ParagraphText) -> None:
    """One of the alternatives: the first that has text, since the others say the same in an older way."""
    for alternative in element:
        inner = ParagraphText()
        _collect(alternative, inner)
        if inner.pieces or inner.boxes or inner.charts:
            found.pieces += inner.pieces
            found.notes += inner.notes
            found.boxes += inner.boxes
            found.charts += inner.charts
            return


def _collect_boxes(element: _Element, found: ParagraphText) -> None:
    """Text boxes, but not those within text boxes: these are found when the outer one is read."""
    for box in element.iter(W + "txbxContent"):
        if not any(one is not box for one in box.iterancestors(W + "txbxContent") if _is_in(one, element)):
            fallback = next(box.iterancestors(_MC + "Fallback"), None)
            if fallback is None or not _is_in(fallback, element):
                found.boxes.append(box)


def _is_in(inner: _Element, outer: _Element) -> bool:
    return any(one is outer for one in inner.iterancestors())


def _collect_control(element: _Element, found: ParagraphText) -> None:
    """A field to fill in; a check box says whether it is checked."""
    box = element.find(f"{W}sdtPr/{_W14}checkbox")
    if box is not None:
        checked = box.find(_W14 + "checked")
        is_checked = checked is not None and checked.get(_W14 + "val") in _CHECKED
        found.pieces.append("[x]" if is_checked else "[ ]")
        return
    content = element.find(W + "sdtContent")
    if content is not None:
        _collect(content, found)


def _symbol(element: _Element) -> str:
    """A character of a symbol font: those of the private area mean nothing without it."""
    try:
        code = int(element.get(W + "char") or "", 16)
    except ValueError:
        return ""
    return chr(code) if 0x20 < code < 0xD800 else ""
