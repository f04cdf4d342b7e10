"""HTML: the page's main text, its blocks as lines, its headings as sections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragctl.errors import MalformedDocument
from ragctl.readers.assemble import assemble, encoding_metadata, one_line
from ragctl.readers.decoding import decode
from ragctl.readers.html_survey import survey
from ragctl.readers.html_text import PageText
from ragctl.readers.media_types import HTML
from ragctl.readers.sections import sections_of
from ragctl.types import Document, Item

if TYPE_CHECKING:
    from lxml.etree import _Element

_CHARSET = re.compile(rb"""<(?:meta\b[^>]*?\bcharset|\?xml\b[^>]*?\bencoding)\s*=\s*["']?([\w.:-]+)""", re.I)
_PRESCAN_BYTES = 4096
"""Browsers look at 1,024 bytes for a declaration; some pages have a longer licence above it."""


class HtmlReader:
    """Reads HTML and XHTML with libxml2's forgiving HTML parser: no DTD, no network, no entities of
    the document's own.

    Scripts, styles, hidden elements and navigation go; so do the page's header, footer and asides.
    If a `<main>` or `<article>` has at least half of the text, it alone is read. A page that has
    nothing else is read whole. Links are their text, images their alternative text, `<pre>` is kept
    as it is, a table of data has a line a row: `a | b`. The last two are blocks.

    Args:
        encodings: tried in order where the text is neither UTF-8 nor what it declares.
    """

    name = "html"
    output_version = 2
    """2: blocks; pipes within a cell are written `/`; numbers beside lines of code go."""

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document, with the lines of the source where elements begin (up to line 65,534).

        Raises:
            MalformedDocument: no text can be decoded, or the parser had to stop before the end
                (elements nested more than 2,048 deep).
            EmptyDocument: there is none.
        """
        declared = _CHARSET.search(data, 0, _PRESCAN_BYTES)
        source, encoding = decode(
            data, self._encodings, declared=declared[1].decode("ascii") if declared else None
        )
        page, title = page_of(source)
        text = page.text if page else ""
        headings = page.headings if page else []
        if not title:
            title = next((heading.text for heading in headings if heading.level == 1), "")
        yield assemble(
            item,
            data,
            text,
            reader=f"{self.name}@{self.output_version}",
            media_type=HTML,
            sections=sections_of(headings, len(text)) if page else (),
            anchors=tuple(page.anchors) if page else (),
            blocks=tuple(page.blocks) if page else (),
            title=title,
            metadata=encoding_metadata(encoding),
        )


def page_of(source: str) -> tuple[PageText | None, str]:
    """What the page shows, None if it has no element, and its title, which may be empty.

    Raises:
        MalformedDocument: the parser had to stop before the end.
    """
    root = _parse(source)
    return (None, "") if root is None else (_page(root), _title(root))


def _parse(source: str) -> _Element | None:
    """The tree, or None if there is no element.

    Raises:
        MalformedDocument: the parser gave up half-way.
    """
    from lxml import etree

    # huge_tree: a data URI or a text of more than 10 MB is no attack
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = etree.fromstring(source.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedDocument(f"not HTML: {error}") from None
    for entry in parser.error_log:
        if entry.level == etree.ErrorLevels.FATAL:
            raise MalformedDocument(f"the HTML parser stopped at line {entry.line}: {entry.message}")
    return root


def _page(root: _Element) -> PageText:
    body = root.find("body")
    found = survey(root if body is None else body)
    for boilerplate in (False, True):
        page = PageText(found, boilerplate=boilerplate)
        page.read(found.content)
        if page.text:
            break
    return page


def _title(root: _Element) -> str:
    element = root.find("head/title")
    return one_line("".join(map(str, element.itertext()))) if element is not None else ""
