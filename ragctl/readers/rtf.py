"""RTF by striprtf: paragraphs, tables, and the headings that have an outline level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.document_title import given_title
from ragctl.readers.kinds import RTF
from ragctl.readers.table import missing_library
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

_OUTLINE = re.compile(r"\\outlinelevel([0-8])(?![0-9]) ?")
_CELL = re.compile(r"\\(?:nest)?cell(?![a-z])")
_TITLE = re.compile(r"\{\\title ([^{}]{1,1000})\}")
_BRACES = re.compile(r"\\[\\{}]|[{}]")
_BIN = re.compile(r"\\bin[0-9]")
_LEVELS = "".join(chr(0xE000 + level) for level in range(9))
_CELL_END = "\ue010"
"""Characters without a meaning of their own, put in where striprtf would lose a heading's level or confuse a
cell's end with a pipe."""
_ANY_LEVEL = re.compile(f"[{_LEVELS}]")
_LONGEST_HEADING = 250


class RtfReader:
    """Reads RTF. Pictures, headers, footers and what else is no text of the document's is left out."""

    name = "rtf"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no RTF, or is cut off.
            EmptyDocument: there is no text in it.
            MissingPackage: striprtf is not installed.
        """
        if not data.strip():
            raise EmptyDocument("the file is empty", where=item.path)
        source = data.decode("latin-1").lstrip()
        if not source.startswith("{\\rtf"):
            raise MalformedDocument("it is not an RTF file")
        if not _is_whole(source):
            raise MalformedDocument("it is cut off: groups that begin in it do not end")
        marked = _OUTLINE.sub(lambda found: f"{found[0]} {_LEVELS[int(found[1])]}", source)
        marked = _CELL.sub(lambda found: f"{_CELL_END}{found[0]}", marked)
        builder = TextBuilder()
        _add_lines(builder, _plain(marked).split("\n"))
        title = _TITLE.search(source)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=RTF,
            title=given_title(_plain(f"{{\\rtf1\\ansi {title[1]}}}")) if title else "",
        )


def rtf_text(data: bytes) -> str:
    """The plain text of RTF that is a part of something else.

    Raises:
        MalformedDocument: it is broken.
        MissingPackage: striprtf is not installed.
    """
    return _plain(data.decode("latin-1"))


def _plain(source: str) -> str:
    try:
        import striprtf.striprtf as library
    except ModuleNotFoundError as error:
        raise missing_library("rtf", error) from error
    try:
        convert: Any = library.rtf_to_text  # it has no types
        text: str = convert(source, errors="replace")
    except Exception as error:  # it has no errors of its own: a broken file meets whatever comes first
        raise MalformedDocument(f"it is no whole RTF file ({type(error).__name__})") from None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # \\u halves of one character


def _is_whole(source: str) -> bool:
    """Does every group end? Not told of files with binary data in them, which may hold braces."""
    if _BIN.search(source):
        return True
    depth = 0
    for found in _BRACES.finditer(source):
        brace = found[0]
        depth += (brace == "{") - (brace == "}")
    return depth <= 0


def _add_lines(builder: TextBuilder, lines: list[str]) -> None:
    rows: list[list[str]] = []
    for line in lines:
        if _CELL_END in line:
            cells = [_ANY_LEVEL.sub("", cell).removeprefix("|") for cell in line.split(_CELL_END)]
            rows.append(cells[:-1])
            continue
        builder.table(rows)
        rows = []
        level = _ANY_LEVEL.search(line)
        text = _ANY_LEVEL.sub("", line).strip()
        if level and 0 < len(text) <= _LONGEST_HEADING:
            builder.heading(_LEVELS.index(level[0]) + 1, text)
        else:
            builder.paragraph(text)
    builder.table(rows)
