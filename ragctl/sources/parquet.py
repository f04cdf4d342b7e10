"""A Parquet file as a source: a row a record, a record a document. Only the columns named are read.

A record is known by its id, not by its place, and its fingerprint is the digest of what is made of it, so
that a file that was written anew in another order changes nothing. Rows are read in batches, one row group
after the other, and no more than a batch is held as rows.
"""

from __future__ import annotations

import io
import os
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.record_listing import RecordListing, document_path
from ragctl.sources.records import NoId, NoText, Record, RecordFields
from ragctl.sources.typed_values import plain
from ragctl.types import Failure, Item

BATCH_ROWS = 256
_BROKEN = (OSError, pa.ArrowException, EOFError)
_USUAL_IDS = ("id", "_id")


class ParquetSource:
    """The rows of `file`.

    Args:
        name: the source's name, unique in a spec.
        id, text, title, metadata_fields, metadata_types: columns, see `RecordFields`. Dates become ISO text.
        metadata: given to every item.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        *,
        id: str | None = None,  # noqa: A002  (as the spec has it)
        text: Sequence[str] = ("text",),
        title: str | None = "title",
        metadata: Mapping[str, Any] | None = None,
        metadata_fields: Sequence[str] = (),
        metadata_types: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._path = Path(file)
        self._container = unicodedata.normalize("NFC", self._path.name)
        self._fields = RecordFields(id, text, title, metadata_fields, metadata_types or {})
        self._metadata = dict(metadata or {})
        self._lock = threading.Lock()
        self._cursor: _Cursor | None = None

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Every row, in the order of the file.

        Raises:
            ListingFailed: the file cannot be read to its end, or has no such columns.
        """
        uri = Path(os.path.abspath(self._path)).as_uri()  # noqa: PTH100  (a link keeps its own name)
        listing = RecordListing(self._name, self._container, uri, "row", self._metadata)
        number = 0
        try:
            with _opened(self._path) as file:
                columns = self._columns(file)
                for group in range(file.num_row_groups):
                    for row, values in enumerate(_rows(file, group, columns)):
                        number += 1
                        make = partial(self._fields.record, values)
                        yield listing.listed(number, f"{group}:{row}", make)
        except _BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._listing_failed(reason.splitlines()[0] if reason else type(error).__name__) from None

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The record's bytes, see `types.RECORD_MEDIA_TYPE`. Quickest in the order of the file.

        Raises:
            UnreadableDocument: the file cannot be read, or at the record's place is not what was listed.
        """
        where = f"{self._name}:{item.path}"
        group, row = map(int, item.locator.split(":"))
        try:
            values = self._read(group, row)
            record = None if values is None else self._fields.record(values)
        except _BROKEN as error:
            raise UnreadableDocument(f"cannot be read: {error}", where=where) from error
        except (NoId, NoText, ListingFailed):  # it is another file by now
            record = None
        if not self._is(record, item):
            raise UnreadableDocument(
                f"{self._path.name} has changed since it was listed", where=where, hint="Run it again."
            )
        assert record is not None
        return io.BytesIO(record.content)

    def _is(self, record: Record | None, item: Item) -> bool:
        return (
            record is not None
            and document_path(self._container, record.id) == item.path
            and record.fingerprint == item.fingerprint
        )

    def _read(self, group: int, row: int) -> dict[str, Any] | None:
        """The row there; None if there is none."""
        with self._lock:
            stamp = _stamp(self._path)
            cursor = self._cursor
            if cursor is None or cursor.stamp != stamp or not cursor.is_before(group, row):
                if cursor is not None:
                    cursor.close()
                self._cursor = None
                file = _opened(self._path)
                columns = self._columns(file)
                if group >= file.num_row_groups:
                    file.close()
                    return None
                self._cursor = cursor = _Cursor(file, group, columns, stamp)
            return cursor.at(row)

    def _columns(self, file: Any) -> list[str]:
        """Those of the columns that are there and asked for."""
        there = list(file.schema_arrow.names)
        ids = _USUAL_IDS if self._fields.id is None else (self._fields.id,)
        for wanted in (ids, tuple(self._fields.text)):
            if not any(one in there for one in wanted):
                raise self._listing_failed(f"it has no column {' or '.join(map(repr, wanted))}")
        title = () if self._fields.title is None else (self._fields.title,)
        asked = dict.fromkeys((*ids, *self._fields.text, *title, *self._fields.metadata))
        return [one for one in asked if one in there]

    def _listing_failed(self, reason: str) -> ListingFailed:
        return ListingFailed(
            f"source {self._name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=str(self._path),
            hint="Check that the file is there, whole, may be read and is Parquet.",
        )


class _Cursor:
    """Reads one row group onwards: the next row that is asked for is mostly the next one there."""

    def __init__(self, file: Any, group: int, columns: list[str], stamp: tuple[int, ...]) -> None:
        self.stamp = stamp
        self._file = file
        self._group = group
        self._rows = _rows(file, group, columns)
        self._next = 0
        self._last: dict[str, Any] | None = None

    def is_before(self, group: int, row: int) -> bool:
        """Can it be reached by going on? The row that was read last can, too."""
        return group == self._group and row >= self._next - 1

    def at(self, row: int) -> dict[str, Any] | None:
        while self._next <= row:
            self._last = next(self._rows, None)
            self._next += 1
        return self._last

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> Any:
    return pq.ParquetFile(path, memory_map=False, pre_buffer=False)


def _rows(file: Any, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    batches = file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False)
    for batch in batches:
        for values in batch.to_pylist():
            yield {key: plain(value) for key, value in values.items()}


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)
