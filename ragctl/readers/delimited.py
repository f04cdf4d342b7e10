"""CSV and TSV: a table, its first row the header."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from ragctl.errors import MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.assemble import assemble, encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.text_builder import row_line
from ragctl.types import Anchor, Block, Document, Item

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50
_LONGEST_FIELD = 64 << 20


class DelimitedReader:
    """Reads delimited text as lines of cells, `a | b | c`; newlines within a cell become blanks.

    Args:
        encodings: tried in order where the text is not UTF-8.
    """

    name = "delimited"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document, all of it one table.

        Raises:
            MalformedDocument: no text can be decoded, or a field has no end.
            EmptyDocument: there is none.
        """
        text, encoding = decode(data, self._encodings)
        lines, anchors = _rows(text, delimiter_of(text, item))
        table = "\n".join(lines)
        yield assemble(
            item,
            data,
            table,
            reader=f"{self.name}@{self.output_version}",
            media_type=_kind(item),
            anchors=tuple(anchors),
            blocks=(Block(0, len(table), "table", lines[0]),) if len(lines) > 1 else (),
            metadata=encoding_metadata(encoding),
        )


def delimiter_of(text: str, item: Item) -> str:
    """A tab for TSV; otherwise what divides the first lines into the same number of cells, most of them."""
    if _kind(item) == kinds.TSV:
        return "\t"
    sample = text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]
    best, most = ",", (0, 0)
    for delimiter in _DELIMITERS:
        counts = [line.count(delimiter) for line in sample if line.strip()]
        if not counts or not counts[0]:
            continue
        alike = sum(count == counts[0] for count in counts)
        if (alike, counts[0]) > most:
            best, most = delimiter, (alike, counts[0])
    return best


def _kind(item: Item) -> str:
    declared = (item.media_type or "").partition(";")[0].strip().lower()
    suffix = PurePosixPath(item.path).suffix.lower()
    return kinds.TSV if declared == kinds.TSV or suffix in (".tsv", ".tab") else kinds.CSV


def _rows(text: str, delimiter: str) -> tuple[list[str], list[Anchor]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    lines: list[str] = []
    anchors: list[Anchor] = []
    length, expected, begins = 0, -1, 1
    try:
        for row in reader:
            line = row_line(row)
            if line:
                if begins != expected:
                    anchors.append(Anchor(length, line=begins))
                expected = begins + 1
                lines.append(line)
                length += len(line) + 1
            begins = reader.line_num + 1
    except csv.Error as error:
        raise MalformedDocument(f"line {reader.line_num} is no row of a table: {error}") from None
    return lines, anchors
