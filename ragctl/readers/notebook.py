"""Jupyter notebooks: prose, code and what it printed, in the order of the cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.assemble import encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.json_text import parse_json
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MOST_OUTPUT = 2_000
"""Characters of one cell's output that are kept; the rest is mostly numbers. That it is cut is said."""


class NotebookReader:
    """Reads notebooks of format 3 to 4; pictures and HTML among the outputs are left out.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "notebook"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no JSON, or has no cells.
            EmptyDocument: there is no text in it.
        """
        text, encoding = decode(data, self._encodings)
        notebook = parse_json(text)
        cells = _cells(notebook)
        if cells is None:
            raise MalformedDocument("it is JSON, but no notebook: it has no cells")
        builder = TextBuilder()
        for cell in cells:
            if isinstance(cell, Mapping):
                _add_cell(builder, cell)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=kinds.NOTEBOOK,
            metadata={**_language(notebook), **encoding_metadata(encoding)},
        )


def _cells(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, Mapping):
        return None
    if isinstance(notebook.get("cells"), list):
        return list(notebook["cells"])
    sheets = notebook.get("worksheets")  # format 3
    if not isinstance(sheets, list):
        return None
    return [cell for sheet in sheets if isinstance(sheet, Mapping) for cell in _listed(sheet.get("cells"))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A cell's text: a string, or a list of lines."""
    if isinstance(value, list):
        return "".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def _add_cell(builder: TextBuilder, cell: Mapping[str, Any]) -> None:
    kind = cell.get("cell_type")
    source = _text(cell.get("source", cell.get("input")))
    if kind == "code":
        builder.code(source)
        for output in _listed(cell.get("outputs")):
            if isinstance(output, Mapping):
                _add_output(builder, output)
    elif kind == "heading":  # format 3
        level = cell.get("level")
        builder.heading(level if isinstance(level, int) and 1 <= level <= 6 else 1, source)
    elif kind == "markdown":
        _add_markdown(builder, source)
    else:
        builder.paragraph(source)


def _add_markdown(builder: TextBuilder, source: str) -> None:
    lines: list[str] = []
    fenced = False
    for line in source.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        found = None if fenced else _HEADING.fullmatch(line.strip())
        if found:
            builder.paragraph("\n".join(lines))
            lines = []
            builder.heading(len(found[1]), found[2])
        else:
            lines.append(line)
    builder.paragraph("\n".join(lines))


def _add_output(builder: TextBuilder, output: Mapping[str, Any]) -> None:
    data = output.get("data")
    found = _text(output.get("text")) or (_text(data.get("text/plain")) if isinstance(data, Mapping) else "")
    if output.get("output_type") in ("error", "pyerr"):
        found = f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"
    found = _ANSI.sub("", found).strip()
    if len(found) > MOST_OUTPUT:
        found = f"{found[:MOST_OUTPUT]} […{len(found) - MOST_OUTPUT:,} more characters of output]"
    builder.paragraph(found)


def _language(notebook: Mapping[str, Any]) -> dict[str, str]:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, Mapping):
        return {}
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(section)
        if isinstance(part, Mapping) and isinstance(part.get(key), str):
            return {"language": part[key].lower()}
    return {}
