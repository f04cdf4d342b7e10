"""reStructuredText: the source text less comments, labels and title adornments, with its sections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ragctl.readers.assemble import assemble, encoding_metadata, one_line
from ragctl.readers.decoding import decode
from ragctl.readers.media_types import RST
from ragctl.readers.rst_structure import Structure, structure_of
from ragctl.readers.sections import Heading, keep_lines, sections_of
from ragctl.types import Document, Item

# ``literal`` and \\escaped are out of the way first, then :role:`text <target>` and `text <target>`_
_VERBATIM = re.compile(r"``(.+?)``|\\(.)")
_KEPT = re.compile("\0([0-9]+)\0")
_INTERPRETED = re.compile(r"(?::[\w.:+-]+:)?`([^`]+)`(?::[\w.:+-]+:)?_{0,2}")
_TARGET = re.compile(r"\s*<[^<>]*>$")
_EMPHASIS = re.compile(r"(?<![\w*])(\*\*?)(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_SUBSTITUTION = re.compile(r"(?<!\w)\|(?=\S)([^|]+?)(?<=\S)\|_{0,2}")
_REFERENCE = re.compile(r"(?<=\w)__?(?!\w)")

_TITLE_SOURCE_LIMIT = 2000
"""Characters of a title line that are looked at: the patterns are quadratic in its length."""


class RestructuredTextReader:
    """Reads reStructuredText without resolving anything: directives, roles and code stay as written.

    What no reader of the rendered page sees goes: comments (licence headers, notes), labels such as
    `.. _here:`, and the lines of punctuation around titles. Comments inside directives stay. Line
    anchors stay those of the source.

    Args:
        encodings: tried in order for text that is not UTF-8.
    """

    name = "rst"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: no text can be decoded.
            EmptyDocument: there is none.
        """
        source, encoding = decode(data, self._encodings)
        lines = source.split("\n")
        structure = structure_of(lines)
        kept = keep_lines(lines, _dropped(lines, structure))
        headings = [
            Heading(kept.starts[title.line], title.level, plain_title(title.text))
            for title in structure.titles
        ]
        yield assemble(
            item,
            data,
            kept.text,
            reader=f"{self.name}@{self.output_version}",
            media_type=RST,
            sections=sections_of(headings, len(kept.text)),
            anchors=kept.anchors,
            title=headings[0].text if headings else "",
            metadata=encoding_metadata(encoding),
        )


def _dropped(lines: list[str], structure: Structure) -> set[int]:
    dropped = {line for title in structure.titles for line in title.adornment}
    for first, end in structure.unseen:
        dropped.update(range(first, end))
    return dropped


def plain_title(source: str) -> str:
    """A title's text without inline markup: roles and references by their text, targets left out."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        literal, escaped = found.groups()
        if literal is None and escaped.isspace():
            return ""  # an escaped space only parts markup from text
        kept.append(escaped if literal is None else literal)
        return f"\0{len(kept) - 1}\0"

    text = _VERBATIM.sub(keep, source[:_TITLE_SOURCE_LIMIT].replace("\0", ""))
    text = _INTERPRETED.sub(lambda found: _TARGET.sub("", found[1]) or found[1], text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _SUBSTITUTION.sub(r"\1", text)
    text = _REFERENCE.sub("", text)
    return one_line(_KEPT.sub(lambda found: kept[int(found[1])], text))
