"""Records as they are listed: an item each, or a failure that says what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ragctl.errors import DocumentError, MalformedDocument, UnidentifiedDocument
from ragctl.sources.records import NoId, NoText, Record
from ragctl.types import RECORD_MEDIA_TYPE, Failure, Item


class RecordListing:
    """One listing of a source; holds the ids that it has seen, and no text.

    Args:
        source: the source's name.
        container: what the records are in: a path is `container#id`.
        uri: of the container, without fragment.
        unit: what a record is called there: `row`.
        metadata: given to every item.
    """

    def __init__(self, source: str, container: str, uri: str, unit: str, metadata: Mapping[str, Any]) -> None:
        self._source = source
        self._container = container
        self._uri = uri
        self._unit = unit
        self._metadata = metadata
        self._first: dict[str, int] = {}

    def listed(self, number: int, locator: str, make: Callable[[], Record]) -> Item | Failure:
        """The item of a record, or what is wrong with it.

        Args:
            number: which one it is, from 1.
            make: gives the record, or raises `NoId` or `NoText`.
        """
        try:
            record = make()
        except NoId as error:
            return self.unidentified(number, str(error))
        except NoText as error:
            if repeated := self._repeated(number, error.id):
                return repeated
            path = document_path(self._container, error.id)
            return self._failure(path, MalformedDocument, f"{self._unit} {number:,}: {error}")
        return self._repeated(number, record.id) or self.item(
            record.id, record.fingerprint, locator, size=len(record.content)
        )

    def known(
        self, number: int, record_id: str, fingerprint: str, locator: str, settled: bool
    ) -> Item | Failure:
        """The item of a record whose text has not been looked at."""
        repeated = self._repeated(number, record_id)
        return repeated or self.item(record_id, fingerprint, locator, settled=settled)

    def item(
        self,
        record_id: str,
        fingerprint: str,
        locator: str,
        *,
        size: int | None = None,
        settled: bool = True,
    ) -> Item:
        return Item(
            source=self._source,
            path=document_path(self._container, record_id),
            uri=f"{self._uri}#{quote(record_id, safe='')}",
            fingerprint=fingerprint,
            settled=settled,
            size=size,
            media_type=RECORD_MEDIA_TYPE,
            locator=locator,
            metadata=self._metadata,
        )

    def unidentified(self, number: int, reason: str) -> Failure:
        """A record that does not say which one it is."""
        message = f"{reason}; while it is so, no document of this source is deleted"
        return self._failure(f"{self._container}:{number}", UnidentifiedDocument, message)

    def _repeated(self, number: int, record_id: str) -> Failure | None:
        first = self._first.setdefault(record_id, number)
        if first == number:
            return None
        message = f"its id {record_id!r} is that of {self._unit} {first:,}, which is the one that is taken"
        return self._failure(f"{self._container}:{number}", MalformedDocument, message)

    def _failure(self, document: str, kind: type[DocumentError], message: str) -> Failure:
        return Failure(self._source, document, "list", kind.kind, message, kind.retryable)


def document_path(container: str, record_id: str) -> str:
    """The path of a record's document."""
    return f"{container}#{record_id}"
