"""A query of a database as a source: a row a record, a record a document.

With an `updated` column the listing reads ids and that column alone, and a row is fetched when it is to be
read; without one the listing reads every row to its end, to see which have changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import ListingFailed, UnreadableDocument
from ragctl.sources.record_listing import RecordListing, document_path
from ragctl.sources.records import NoId, NoText, Record, RecordFields
from ragctl.sources.sql_databases import Database, DatabaseFailed, database_of
from ragctl.sources.typed_values import plain
from ragctl.types import Failure, Item

_CONTAINER = "row"
_RACY = timedelta(seconds=2)
"""A row that was updated within this may change again under the same time."""


class SqlSource:
    """The rows of a query.

    Args:
        name: the source's name, unique in a spec.
        query: one SELECT; it is run as a subquery, in a read-only transaction.
        dsn_env: name of the environment variable with the connection string of PostgreSQL; or
        path: the file of an SQLite database.
        id: the column that names a row.
        updated: the column that changes whenever the row does: a time, a date or a number.
        text, title, metadata_fields, metadata_types: columns, see `RecordFields`. Dates become ISO text.
        metadata: given to every item.
        timeout_seconds: of one statement.
        environment: where `dsn_env` is looked up.
    """

    def __init__(
        self,
        name: str,
        query: str,
        *,
        dsn_env: str | None = None,
        path: Path | None = None,
        id: str = "id",  # noqa: A002  (as the spec has it)
        updated: str | None = None,
        text: Sequence[str] = ("text",),
        title: str | None = "title",
        metadata: Mapping[str, Any] | None = None,
        metadata_fields: Sequence[str] = (),
        metadata_types: Mapping[str, str] | None = None,
        timeout_seconds: float = 600,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._query = query.strip().rstrip(";").rstrip()
        self._database = partial(
            database_of,
            name,
            dsn_env=dsn_env,
            path=path,
            environment=environment or {},
            timeout=timeout_seconds,
        )
        self._where = dsn_env or str(path)
        self._id = id
        self._updated = updated
        self._fields = RecordFields(id, text, title, metadata_fields, metadata_types or {})
        self._metadata = dict(metadata or {})
        settings = [self._query, id, list(text), title, list(metadata_fields), dict(metadata_types or {})]
        self._settings = json.dumps(settings, sort_keys=True)
        self._lock = threading.Lock()
        self._opened: Database | None = None

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self._close()

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | Failure]:
        """Every row, ordered by its id, fetched in batches; it holds the ids in memory.

        Raises:
            ListingFailed: the database cannot be reached, refuses the query, or breaks off.
            UsageError: the environment variable is not set.
        """
        columns = "*" if self._updated is None else f"{_quoted(self._id)}, {_quoted(self._updated)}"
        statement = f"SELECT {columns} FROM (\n{self._query}\n) AS q ORDER BY {_quoted(self._id)}"
        try:
            with closing(self._database()) as database:
                listing = RecordListing(self._name, _CONTAINER, database.uri, "row", self._metadata)
                for number, values in enumerate(database.rows(statement), 1):
                    yield self._listed(listing, number, values)
        except DatabaseFailed as error:
            raise ListingFailed(
                f"source {self._name!r} cannot be listed: {error}, so nothing is known about what is gone",
                where=self._where,
                hint="Check that the database can be reached, and run the query there.",
            ) from None

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The record's bytes, see `types.RECORD_MEDIA_TYPE`.

        Raises:
            UnreadableDocument: the database fails, or the row is not as it was listed.
        """
        where = f"{self._name}:{item.path}"
        try:
            values = self._row(json.loads(item.locator))
        except DatabaseFailed as error:
            raise UnreadableDocument(f"cannot be read: {error}", where=where) from error
        if values is None or self._fingerprint_of(values) != item.fingerprint:
            raise UnreadableDocument(
                "the row has changed since it was listed", where=where, hint="Run it again."
            )
        try:
            record = self._record(values)
        except (NoId, NoText) as error:
            raise UnreadableDocument(f"row: {error}", where=where) from None
        if document_path(_CONTAINER, record.id) != item.path:
            raise UnreadableDocument("the row has another id by now", where=where, hint="Run it again.")
        return io.BytesIO(record.content)

    def _listed(self, listing: RecordListing, number: int, values: Mapping[str, Any]) -> Item | Failure:
        locator = json.dumps(plain(values.get(self._id)))
        if self._updated is None:
            return listing.listed(number, locator, lambda: self._record(values))
        try:
            record_id = self._fields.identity(_plain(values))
        except NoId as error:
            return listing.unidentified(number, str(error))
        fingerprint = self._fingerprint_of(values)
        return listing.known(number, record_id, fingerprint, locator, _is_settled(values[self._updated]))

    def _record(self, values: Mapping[str, Any]) -> Record:
        return self._fields.record(_plain(values))

    def _fingerprint_of(self, values: Mapping[str, Any]) -> str:
        """Of the row as it is; empty, which is always read, if it has not been updated yet (NULL)."""
        if self._updated is None:
            try:
                return self._record(values).fingerprint
            except (NoId, NoText):
                return ""
        updated = plain(values.get(self._updated))
        if updated is None:
            return ""
        known = json.dumps([self._settings, plain(values.get(self._id)), updated], sort_keys=True)
        return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()

    def _row(self, record_id: str | int) -> dict[str, Any] | None:
        with self._lock:
            if self._opened is None:
                self._opened = self._database()
            condition = f"{_quoted(self._id)} = {self._opened.placeholder}"
            query = self._opened.escaped(self._query)
            try:
                return self._opened.row(f"SELECT * FROM (\n{query}\n) AS q WHERE {condition}", record_id)
            except DatabaseFailed:
                self._close()  # the next one may be let in again
                raise

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(value) for key, value in values.items()}


def _quoted(column: str) -> str:
    # with its table: SQLite takes a quoted name that is no column for a text
    return 'q."' + column.replace('"', '""') + '"'


def _is_settled(updated: Any) -> bool:
    """Is it so long ago that another change would give another value? A number is taken for a counter."""
    if isinstance(updated, str):
        try:
            updated = datetime.fromisoformat(updated)
        except ValueError:
            return True
    if isinstance(updated, datetime):
        now = datetime.now(UTC) if updated.tzinfo else datetime.now(UTC).replace(tzinfo=None)
        # a time without a zone may be any zone's
        return updated < now - (_RACY if updated.tzinfo else timedelta(hours=14))
    return updated < datetime.now(UTC).date() - timedelta(days=1) if isinstance(updated, date) else True
