"""Styles of a DOCX: which paragraphs are headings, titles, code, and which belong to a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lxml.etree import _Element

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"heading\s*([1-9])")
_CODE = re.compile(
    r"(?:html preformatted|macro text|preformatted text|.*\b(?:source ?code|code ?block|verbatim)\b.*|code)"
)
_DEEPEST_CHAIN = 20


class NumberOf(NamedTuple):
    """A list and the level in it, as numbering.xml names them; `list_id` "0" is none."""

    list_id: str
    level: int


class Style(NamedTuple):
    """What a paragraph of the style is.

    Attributes:
        level: of the heading, from 1; 0 if it is none.
        numbered: the list that it belongs to, by its style.
    """

    level: int = 0
    is_title: bool = False
    is_code: bool = False
    numbered: NumberOf | None = None


PLAIN = Style()


def value(parent: _Element | None, name: str) -> str | None:
    """`w:val` of the child `w:name`."""
    child = parent.find(W + name) if parent is not None else None
    return child.get(W + "val") if child is not None else None


def number_of(properties: _Element | None) -> NumberOf | None:
    """The list that a paragraph's properties name."""
    number = properties.find(W + "numPr") if properties is not None else None
    list_id = value(number, "numId")
    if list_id is None:
        return None
    return NumberOf(list_id, small_number(value(number, "ilvl")))


def small_number(text: str | None, default: int = 0) -> int:
    """A count that XML gives, within what makes sense for one."""
    try:
        return max(-1, min(int(text or ""), 1_000_000))
    except ValueError:
        return default


def styles_of(root: _Element | None) -> dict[str, Style]:
    """Style id → what it makes of a paragraph, with what it has from the styles that it is based on."""
    if root is None:
        return {}
    elements = {one.get(W + "styleId", ""): one for one in root.iterfind(W + "style")}
    return {
        name: _resolved(name, elements) for name, one in elements.items() if one.get(W + "type") != "table"
    }


def _resolved(name: str, elements: dict[str, _Element]) -> Style:
    found = PLAIN
    for _ in range(_DEEPEST_CHAIN):
        element = elements.get(name)
        if element is None:
            break
        own = _own(element)
        found = Style(
            found.level or own.level,
            found.is_title or own.is_title,
            found.is_code or own.is_code,
            found.numbered or own.numbered,
        )
        name = value(element, "basedOn") or ""
    return found


def _own(element: _Element) -> Style:
    name = (value(element, "name") or "").lower()
    properties = element.find(W + "pPr")
    heading = _HEADING.fullmatch(name)
    level = int(heading[1]) if heading else outline_level(properties)
    return Style(level, name == "title", bool(_CODE.fullmatch(name)), number_of(properties))


def outline_level(properties: _Element | None) -> int:
    """The level of a heading that properties give, from 1; 0 for the text below."""
    found = small_number(value(properties, "outlineLvl"), 9)
    return found + 1 if 0 <= found <= 8 else 0
