"""Markdown: the source text, with the sections that CommonMark sees in it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragctl.errors import MalformedDocument
from ragctl.readers.assemble import assemble, encoding_metadata, one_line
from ragctl.readers.decoding import decode
from ragctl.readers.front_matter import front_matter
from ragctl.readers.media_types import MARKDOWN
from ragctl.readers.sections import Heading, keep_lines, sections_of
from ragctl.types import Document, Item

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_COMMENT = re.compile(r"\s*(?:<!--.*?-->\s*)+", re.DOTALL)

_HEADING_SOURCE_LIMIT = 2000
"""Characters of a heading that are looked at: far more than any has, and few enough to be quick."""


class MarkdownReader:
    """Reads Markdown: the text keeps its markup, which models read well and people recognise.

    Front matter becomes metadata; HTML comments that stand alone (licence headers, editors' notes)
    go. Sections begin at headings, ATX and setext, that are not inside a quotation, a list or a
    code block. The title is the front matter's, or the first heading of level 1.

    Args:
        encodings: tried in order for text that is not UTF-8.
    """

    name = "markdown"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: no text can be decoded, or its nesting is too deep.
            EmptyDocument: there is none.
        """
        source, encoding = decode(data, self._encodings)
        values, head = front_matter(source)
        lines = source.split("\n")
        dropped = set(range(head))
        found: list[tuple[int, int, str]] = []
        try:
            tokens = _block_parser().parse("\n".join(lines[head:]))
            for line, level, content in _headings(tokens):
                found.append((head + line, level, _plain(content)))
        except RecursionError:
            raise MalformedDocument("its markup is nested too deeply") from None
        for first, end in _comments(tokens):
            dropped.update(range(head + first, head + end))
        kept = keep_lines(lines, dropped)
        headings = [Heading(kept.starts[line], level, text) for line, level, text in found]
        first_title = next((heading.text for heading in headings if heading.level == 1), "")
        title = values.get("title")
        yield assemble(
            item,
            data,
            kept.text,
            reader=f"{self.name}@{self.output_version}",
            media_type=MARKDOWN,
            sections=sections_of(headings, len(kept.text)),
            anchors=kept.anchors,
            title=title if isinstance(title, str) and title else first_title,
            metadata={
                **encoding_metadata(encoding),
                **{key: value for key, value in values.items() if key != "title"},
            },
        )


@functools.cache
def _block_parser() -> MarkdownIt:
    """Blocks only: inline markup matters in headings alone, and they are few."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable("inline")


@functools.cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """(line from 0, level, content with markup) of the headings that stand at the top level."""
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield token.map[0], int(token.tag[1:]), tokens[index + 1].content


def _comments(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Line ranges of HTML blocks that are nothing but comments."""
    for token in tokens:
        if (
            token.type == "html_block"
            and token.level == 0
            and token.map
            and _COMMENT.fullmatch(token.content)
        ):
            yield token.map[0], token.map[1]


def _plain(content: str) -> str:
    """A heading's text without its markup: `code` and *emphasis* bare, links and images by their text."""
    (inline,) = _inline_parser().parseInline(content[:_HEADING_SOURCE_LIMIT])
    return one_line("".join(_texts(inline.children or ())))


def _texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type == "image":
            yield from _texts(token.children or ())
        elif token.type != "html_inline":
            yield token.content
