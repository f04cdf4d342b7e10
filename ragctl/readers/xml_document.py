"""XML of any kind: titles as headings, prose as paragraphs, records as tables or `name: value` lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragctl.readers import kinds
from ragctl.readers.safe_xml import parse_xml
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

if TYPE_CHECKING:
    from lxml.etree import _Element

_TITLES = frozenset(
    {
        "title",
        "article-title",
        "invention-title",
        "head",
        "heading",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "caption",
    }
)
_PROSE = frozenset(
    {"p", "para", "paragraph", "abstract", "text", "body", "content", "note", "quote", "li", "simpara"}
)
_CODE = frozenset({"code", "pre", "programlisting", "screen", "literallayout"})
_LONG_TEXT = 200
DEEPEST = 200
"""Levels that are gone into; what lies deeper is taken as one text."""
_MOST_LEVELS = 6


class XmlReader:
    """Reads XML without a format of its own.

    An element with text between its children is a paragraph. Siblings of one name that hold only short
    values are a table, one of them alone is `name: value` lines. An element's title is the heading of all
    in it. References to entities that the file declares are left out.

    Args:
        encodings: none is tried: XML names its own.
    """

    name = "xml"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is not well-formed.
            EmptyDocument: there is no text in it.
        """
        builder = TextBuilder()
        _add(builder, parse_xml(data.strip(), item.path, drop_entities=True), 1, 0)
        yield builder.document(item, data, reader=f"{self.name}@{self.output_version}", media_type=kinds.XML)


def _name(element: _Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all_text(element: _Element) -> str:
    return " ".join("".join(element.itertext()).split())  # type: ignore[arg-type]


def _is_mixed(element: _Element) -> bool:
    """Does text stand between its children?"""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def _add(builder: TextBuilder, element: _Element, level: int, depth: int) -> None:
    name = _name(element).lower()
    if name in _CODE:
        builder.code("".join(element.itertext()))  # type: ignore[arg-type]
    elif len(element) == 0 or _is_mixed(element) or depth > DEEPEST:
        _add_text(builder, element, name)
    else:
        _add_children(builder, element, level, depth)


def _add_text(builder: TextBuilder, element: _Element, name: str) -> None:
    text = _all_text(element)
    if not text:
        facts = ", ".join(f"{str(key).rpartition('}')[2]}={value!s}" for key, value in element.attrib.items())
        builder.paragraph(f"{_name(element)}: {facts}" if facts else "", tight=True)
    elif name in _PROSE or (_is_mixed(element) and len(element)) or len(text) > _LONG_TEXT:
        builder.paragraph(text)
    else:
        builder.paragraph(f"{_name(element)}: {text}", tight=True)


def _add_children(builder: TextBuilder, element: _Element, level: int, depth: int) -> None:
    children = list(element)
    below = level
    at = 0
    while at < len(children):
        end = at + 1
        while end < len(children) and children[end].tag == children[at].tag:
            end += 1
        columns = _columns(children[at:end])
        text = _all_text(children[at]) if _name(children[at]).lower() in _TITLES else ""
        if text and level <= _MOST_LEVELS:
            builder.heading(level, text)
            below, end = level + 1, at + 1
        elif columns:
            rows = [_cells(one, columns) for one in children[at:end]]
            builder.table([columns, *rows])
        else:
            for one in children[at:end]:
                _add(builder, one, below, depth + 1)
        at = end


def _columns(siblings: Sequence[_Element]) -> list[str]:
    """The names of values that siblings have, if they are records; none if they are not."""
    if len(siblings) < 2:
        return []
    names: dict[str, None] = {}
    for one in siblings:
        if _is_mixed(one) or not len(one):
            return []
        seen = set()
        for value in one:
            name = _name(value)
            if len(value) or name in seen or len(value.text or "") > _LONG_TEXT:
                return []
            seen.add(name)
            names.setdefault(name)
    return list(names) if len(names) > 1 else []


def _cells(record: _Element, columns: Sequence[str]) -> list[str]:
    values = {_name(one): one.text or "" for one in record}
    return [values.get(name, "") for name in columns]
