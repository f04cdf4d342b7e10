"""A first pass over an HTML tree: which part holds the content, which tables are only layout."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

INVISIBLE = frozenset(
    "head script style template noscript iframe object embed canvas svg audio video map "
    "button select textarea datalist dialog".split()
)
"""Elements whose content no reader of the page sees as text."""

_BOILERPLATE_ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "menu", "menubar"])
_PAGE_FURNITURE = frozenset(["header", "footer", "aside"])
"""Boilerplate of the page, but content inside its main part: an article has a header of its own."""

_LAYS_OUT = frozenset("table h1 h2 h3 h4 h5 h6 pre blockquote section article main".split())
"""What a cell of data does not hold; a table with one of these arranges the page."""

_MAIN_SHARE = 0.5

_LINE_NUMBERS = frozenset(["linenos", "linenodiv", "lineno", "line-numbers-rows"])
"""Classes that Pygments and Prism give to the numbers beside lines of code."""

_SELF_LINK_MARKS = frozenset(["", "¶", "#", "§", "🔗", "\u200b", "\uf0c1"])


def is_invisible(element: _Element) -> bool:
    """Not shown, or no text: also what the attribute `hidden` takes away, and numbers of lines of code."""
    hidden = element.get("hidden")
    if element.tag in INVISIBLE or (hidden is not None and hidden != "until-found"):
        return True
    return not _LINE_NUMBERS.isdisjoint((element.get("class") or "").split())


def is_boilerplate(element: _Element, *, in_main: bool, in_header: bool) -> bool:
    """Navigation anywhere; headers, footers and asides of the page itself; lists in any header,
    which are menus."""
    if element.tag == "nav" or element.get("role") in _BOILERPLATE_ROLES:
        return True
    if in_header and element.tag in ("ul", "ol"):
        return True
    return not in_main and element.tag in _PAGE_FURNITURE


def is_main(element: _Element) -> bool:
    return element.tag in ("main", "article") or element.get("role") == "main"


def is_self_link(element: _Element) -> bool:
    """The mark beside a heading that links to it: `¶`, `#` and their like."""
    if element.tag != "a" or len(element) or not (element.get("href") or "").startswith("#"):
        return False
    return (element.text or "").strip() in _SELF_LINK_MARKS


@dataclass(frozen=True, slots=True)
class Survey:
    """`content` is the element to read, `layout` the tables that are no data."""

    content: _Element
    layout: AbstractSet[_Element]


def survey(body: _Element) -> Survey:
    """One pass over `body`.

    The content is the largest `<main>` or `<article>` if it has at least half of the page's text,
    else the whole body.
    """
    from lxml.etree import iterwalk

    tally = _Tally()
    walk = iterwalk(body, events=("start", "end"))
    for event, element in walk:
        if event == "end":
            tally.end(element)
            if element is not body:
                tally.letters += _letters(element.tail)
        elif is_invisible(element):
            walk.skip_subtree()
        else:
            tally.start(element)
    main = tally.main if tally.main_letters >= tally.letters * _MAIN_SHARE else None
    return Survey(body if main is None else main, tally.layout)


class _Tally:
    """What is known half-way: letters seen, open tables and main parts, the largest main part."""

    def __init__(self) -> None:
        self.letters = 0
        self.main: _Element | None = None
        self.main_letters = 0
        self.layout: set[_Element] = set()
        self._tables: list[_Element] = []
        self._mains: list[tuple[_Element, int]] = []

    def start(self, element: _Element) -> None:
        if self._tables and element.tag in _LAYS_OUT:
            self.layout.add(self._tables[-1])
        if element.tag == "table":
            self._tables.append(element)
        if is_main(element):
            self._mains.append((element, self.letters))
        self.letters += _letters(element.text)

    def end(self, element: _Element) -> None:
        if self._tables and self._tables[-1] is element:
            self._tables.pop()
        if self._mains and self._mains[-1][0] is element:
            letters = self.letters - self._mains.pop()[1]
            if letters >= self.main_letters:
                self.main, self.main_letters = element, letters


def _letters(text: str | None) -> int:
    return len(text.strip()) if text else 0
