"""A CSV file as a source: a row a record, a record a document. The first row names the columns.

Quoting is that of RFC 4180: a cell may hold line feeds. A record is known by its id, not by its place, and
its fingerprint is the digest of what is made of it, so that a file that was sorted anew changes nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.line_file import BROKEN, LineFile
from ragctl.sources.record_listing import RecordListing, document_path
from ragctl.sources.records import NoId, NoText, Record, RecordFields
from ragctl.types import Failure, Item


class _Broken(Exception):
    """The file cannot be read as rows from here on; the message says why."""


class _Row(NamedTuple):
    number: int
    offset: int
    length: int
    cells: list[str]


class CsvSource:
    """The rows of `file`.

    Args:
        name: the source's name, unique in a spec.
        file: plain, or compressed with gzip, whatever its name.
        delimiter: one character.
        encoding: a codec of Python in which a line feed is the byte 10, as in UTF-8 (with or without a byte
            order mark) and all 8-bit encodings.
        id, text, title, metadata_fields, metadata_types: columns, see `RecordFields`. An empty cell is as
            none.
        metadata: given to every item.
        max_bytes: of a row; a longer one ends the listing, as it may be a quote that is never closed.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        *,
        delimiter: str = ",",
        encoding: str = "utf-8",
        id: str | None = None,  # noqa: A002  (as the spec has it)
        text: Sequence[str] = ("text",),
        title: str | None = "title",
        metadata: Mapping[str, Any] | None = None,
        metadata_fields: Sequence[str] = (),
        metadata_types: Mapping[str, str] | None = None,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._name = name
        self._path = Path(file)
        self._container = unicodedata.normalize("NFC", self._path.name)
        self._delimiter = delimiter
        self._encoding = encoding
        self._fields = RecordFields(id, text, title, metadata_fields, metadata_types or {})
        self._metadata = dict(metadata or {})
        self._max_bytes = max_bytes
        self._file = LineFile(self._path, longest=max_bytes)
        self._columns: list[str] | None = None
        csv.field_size_limit(max(csv.field_size_limit(), min(max_bytes, 2**31 - 1)))

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Every row, in the order of the file. Rows without any cell are none.

        Raises:
            ListingFailed: the file cannot be read to its end, has no such columns, or ends within a row.
        """
        uri = Path(os.path.abspath(self._path)).as_uri()  # noqa: PTH100  (a link keeps its own name)
        listing = RecordListing(self._name, self._container, uri, "row", self._metadata)
        try:
            rows = self._rows()
            self._columns = columns = self._header(rows)
            for row in rows:
                if row.cells:
                    locator = f"{row.offset}+{row.length}"
                    make = partial(self._record, columns, row.cells)
                    yield listing.listed(row.number, locator, make)
        except BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._listing_failed(reason) from None
        except _Broken as error:
            raise self._listing_failed(str(error)) from None

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The record's bytes, see `types.RECORD_MEDIA_TYPE`.

        Raises:
            UnreadableDocument: the file cannot be read, or at the record's place is not what was listed.
        """
        where = f"{self._name}:{item.path}"
        offset, length = map(int, item.locator.split("+"))
        try:
            if self._columns is None:
                self._columns = self._header(self._rows())
            content = self._file.read(offset, length)
            cells = next(csv.reader([content.decode(self._encoding)], delimiter=self._delimiter, strict=True))
            record: Record | None = self._record(self._columns, cells)
        except BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnreadableDocument(f"cannot be read: {reason}", where=where) from error
        except (_Broken, NoId, NoText, csv.Error, UnicodeDecodeError, StopIteration):
            record = None
        if (
            record is None
            or document_path(self._container, record.id) != item.path
            or record.fingerprint != item.fingerprint
        ):
            raise UnreadableDocument(
                f"{self._path.name} has changed since it was listed", where=where, hint="Run it again."
            )
        return io.BytesIO(record.content)

    def _rows(self) -> Iterator[_Row]:
        """Every row with its place, the header among them, numbered from 1."""
        lines = _Lines(self._file, self._encoding, self._max_bytes)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        number = 0
        while True:
            lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _Broken(f"row {number + 1:,}, from line {lines.first:,} on: {error}") from None
            number += 1
            yield _Row(number, lines.offset, lines.length, cells)

    def _header(self, rows: Iterator[_Row]) -> list[str]:
        first = next(rows, None)
        columns = [cell.strip() for cell in first.cells] if first else []
        if not columns:
            raise _Broken("it has no first row with the names of its columns")
        if twice := next((one for one in columns if one and columns.count(one) > 1), None):
            raise _Broken(f"two of its columns are called {twice!r}")
        if not any(one in columns for one in self._fields.text):
            raise _Broken(f"it has no column {' or '.join(map(repr, self._fields.text))}")
        return columns

    def _record(self, columns: Sequence[str], cells: Sequence[str]) -> Record:
        values = {key: cell for key, cell in zip(columns, cells, strict=False) if cell}
        if len(cells) == len(columns):
            return self._fields.record(values)
        wrong = f"it has {len(cells)} cells, and the first row names {len(columns)} columns"
        try:
            name = self._fields.record({**values, self._fields.text[0]: " "}).id
        except (NoId, NoText):
            raise NoId(wrong) from None
        raise NoText(wrong, name)

    def _listing_failed(self, reason: str) -> ListingFailed:
        return ListingFailed(
            f"source {self._name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=str(self._path),
            hint="Check that the file is there, whole, and may be read; and see delimiter and encoding.",
        )


class _Lines:
    """The lines of a file as text, with the place of those that were taken since `begin`."""

    def __init__(self, file: LineFile, encoding: str, longest: int) -> None:
        self._lines = file.lines()
        self._encoding = encoding
        self._longest = longest
        self.first = 1
        self.offset = 0
        self.length = 0
        self._number = 0

    def begin(self) -> None:
        self.offset += self.length
        self.length = 0
        self.first = self._number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._number = line.number
        if not self.length:
            self.offset = line.offset
        self.length = line.offset + line.length + line.ended - self.offset
        if line.content is None or self.length > self._longest:
            raise _Broken(
                f"the row that begins in line {self.first:,} is longer than extract.max_bytes "
                f"({self._longest:,} bytes); perhaps a quote is not closed"
            )
        content = line.content.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.content
        try:
            return content.decode(self._encoding) + ("\n" if line.ended else "")
        except UnicodeDecodeError as error:
            raise _Broken(f"line {line.number:,} is not {self._encoding}: {error.reason}") from None
