"""A JSON Lines file as a source: a record a line, a document a record.

A record is known by its id, not by its line: `corpus.jsonl#4983`. Its fingerprint is the digest of what
is made of it (title, text and metadata), so that a file that was sorted anew or written out again changes
nothing. What is wrong with one line befalls that line alone.
"""

from __future__ import annotations

import io
import json
import os
import unicodedata
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from ragctl.errors import (
    DocumentError,
    ListingFailed,
    MalformedDocument,
    UnidentifiedDocument,
    UnreadableDocument,
)
from ragctl.sources.line_file import BROKEN, Line, LineFile
from ragctl.sources.records import NoId, NoText, Record, RecordFields
from ragctl.types import RECORD_MEDIA_TYPE, Failure, Item


class _NoJson(Exception):
    """A line that is no JSON object; the message says why. `cut_off`: its end may be missing."""

    def __init__(self, message: str, *, cut_off: bool = False) -> None:
        super().__init__(message)
        self.cut_off = cut_off


class JsonlSource:
    """The records of `file`.

    Args:
        name: the source's name, unique in a spec.
        file: plain, or compressed with gzip, whatever its name.
        id, text, title, metadata_fields: names of fields, see `RecordFields`.
        metadata: given to every item.
        metadata_types: of these fields.
        max_bytes: of a line; a longer one fails.
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
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._name = name
        self._path = Path(file)
        self._file_name = unicodedata.normalize("NFC", self._path.name)
        self._fields = RecordFields(id, text, title, metadata_fields, metadata_types or {})
        self._metadata = dict(metadata or {})
        self._max_bytes = max_bytes
        self._file = LineFile(self._path, longest=max_bytes)

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Every record, in the order of the file, which is read from beginning to end. Blank lines are none.

        A line that is no record is a `Failure`: by its id if it has one that no line before it has, by
        its number else. The ids are held in memory, no text is.

        Raises:
            ListingFailed: the file cannot be read to its end, or ends within a record.
        """
        first_lines: dict[str, int] = {}
        uri = Path(os.path.abspath(self._path)).as_uri()  # noqa: PTH100  (a link keeps its own name)
        try:
            for line in self._file.lines():
                if line.content is None or line.content.strip():
                    yield self._listed(line, first_lines, uri)
        except BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._listing_failed(reason) from None

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The record's bytes, see `types.RECORD_MEDIA_TYPE`.

        A compressed file is quickest in the order of its lines, see `LineFile`.

        Raises:
            UnreadableDocument: the file cannot be read, or at the record's place is not what was listed.
        """
        offset, length = map(int, item.locator.split("+"))
        where = f"{self._name}:{item.path}"
        try:
            content = self._file.read(offset, length)
        except BROKEN as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnreadableDocument(f"cannot be read: {reason}", where=where) from error
        try:
            record = self._record(content)
        except (_NoJson, NoId, NoText):
            record = None
        if record is None or self._document(record.id) != item.path or record.fingerprint != item.fingerprint:
            raise UnreadableDocument(
                f"{self._path.name} has changed since it was listed", where=where, hint="Run it again."
            )
        return io.BytesIO(record.content)

    def _listed(self, line: Line, first_lines: dict[str, int], uri: str) -> Item | Failure:
        try:
            if line.content is None:
                raise NoId(f"it is longer than extract.max_bytes ({self._max_bytes:,} bytes)")
            record = self._record(line.content)
            first = first_lines.setdefault(record.id, line.number)
            if first != line.number:
                return self._repeated(line, record.id, first)
        except NoText as error:
            first = first_lines.setdefault(error.id, line.number)
            if first != line.number:
                return self._repeated(line, error.id, first)
            message = f"line {line.number:,}: {error}"
            return self._failure(self._document(error.id), MalformedDocument, message)
        except (_NoJson, NoId) as error:
            if isinstance(error, _NoJson) and error.cut_off and not line.ended:
                raise self._listing_failed(f"it ends in the middle of line {line.number:,}") from None
            message = f"{error}; while it is so, no document of this source is deleted"
            return self._failure(self._line(line), UnidentifiedDocument, message)
        return Item(
            source=self._name,
            path=self._document(record.id),
            uri=f"{uri}#{quote(record.id, safe='')}",
            fingerprint=record.fingerprint,
            size=len(record.content),
            media_type=RECORD_MEDIA_TYPE,
            locator=f"{line.offset}+{line.length}",
            metadata=self._metadata,
        )

    def _record(self, content: bytes) -> Record:
        return self._fields.record(_values(content))

    def _document(self, record_id: str) -> str:
        return f"{self._file_name}#{record_id}"

    def _line(self, line: Line) -> str:
        return f"{self._file_name}:{line.number}"

    def _repeated(self, line: Line, record_id: str, first: int) -> Failure:
        message = f"its id {record_id!r} is that of line {first:,}, which is the one that is taken"
        return self._failure(self._line(line), MalformedDocument, message)

    def _failure(self, document: str, kind: type[DocumentError], message: str) -> Failure:
        return Failure(self._name, document, "list", kind.kind, message, kind.retryable)

    def _listing_failed(self, reason: str) -> ListingFailed:
        return ListingFailed(
            f"source {self._name!r} cannot be listed: {reason}, so nothing is known about what is gone",
            where=str(self._path),
            hint="Check that the file is there, whole, and may be read.",
        )


def _values(content: bytes) -> dict[str, Any]:
    """The object that a line is.

    Raises:
        _NoJson: it is none.
    """
    try:
        # files that were put together from several may have a byte order mark anywhere
        values = json.loads(content.removeprefix(BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _NoJson(f"it is not UTF-8: {error.reason} at byte {error.start + 1:,}", cut_off=True) from None
    except json.JSONDecodeError as error:
        raise _NoJson(f"it is no JSON: {error.msg} at column {error.colno:,}", cut_off=True) from None
    except RecursionError:
        raise _NoJson("it is nested too deeply") from None
    except ValueError as error:  # a number of too many digits
        raise _NoJson(f"it cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise _NoJson("it is JSON, but no object: a record is one {…} on a line of its own")
    return values
