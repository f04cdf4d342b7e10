"""The ledger's rows as they are, to be carried to another ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text
from ragctl.types import DocumentRecord, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

_KEYS = "(SELECT * FROM unnest(%s::text[], %s::text[]))"


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What the ledger knows of an item; see `LedgerItem`, and for the last three `Ledger.record_failure`.

    `failure` has the fields of `Failure`.
    """

    source: str
    path: str
    fingerprint: str
    digest: str
    stored: bool
    skipped: str | None = None
    failure: dict[str, Any] | None = None
    attempts: int = 0
    failed_at: datetime | None = None
    first_failed_at: datetime | None = None

    @property
    def key(self) -> ItemKey:
        """(source, path)"""
        return self.source, self.path


_COLUMNS = "source, path, fingerprint, digest, stored, skipped, failure, attempts, failed_at, first_failed_at"


class LedgerRows:
    """The ledger of one generation. Every write joins the caller's transaction."""

    def __init__(self, connection: Connection[Any], generation: int) -> None:
        self._connection = connection
        self._generation = generation

    def items(self, at_once: int) -> Iterator[list[ItemRow]]:
        """Every item, `at_once` at a time, by source and path; nothing is held open in between."""
        after: ItemKey = ("", "")
        while True:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM items WHERE generation = %s AND (source, path) > (%s, %s) "
                "ORDER BY source, path LIMIT %s",
                (self._generation, *after, at_once),
            ).fetchall()
            if rows:
                yield [ItemRow(*row) for row in rows]
            if len(rows) < at_once:
                return
            after = rows[-1][:2]

    def count_items(self) -> int:
        """How many there are."""
        row = self._connection.execute(
            "SELECT count(*) FROM items WHERE generation = %s", (self._generation,)
        ).fetchone()
        return int(row[0]) if row else 0

    def put_items(self, rows: Sequence[ItemRow]) -> None:
        """Each of these items is known as its row says, whatever was known of it."""
        columns = list(zip(*(astuple(one) for one in rows), strict=True))
        columns[6] = tuple(json_text(one) if one is not None else None for one in columns[6])
        self._connection.execute(
            f"""
            INSERT INTO items AS i (generation, {_COLUMNS})
            SELECT %s, source, path, fingerprint, digest, stored, skipped, failure::jsonb, attempts,
                   failed_at, first_failed_at
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::text[], %s::text[],
                        %s::int[], %s::timestamptz[], %s::timestamptz[]) AS t ({_COLUMNS})
            ON CONFLICT (generation, source, path) DO UPDATE SET
                fingerprint = excluded.fingerprint, digest = excluded.digest, stored = excluded.stored,
                skipped = excluded.skipped, failure = excluded.failure, attempts = excluded.attempts,
                failed_at = excluded.failed_at, first_failed_at = excluded.first_failed_at
            """,
            (self._generation, *map(list, columns)),
        )

    def put_documents(self, records: Sequence[DocumentRecord], run: str) -> None:
        """These documents are stored. Their items are not whole until `put_items` says so.

        An ingest that comes before that reads the items again, and finds their vectors here.
        """
        self._connection.execute(
            """
            INSERT INTO documents (generation, source, path, item, digest, reader, chunks, run)
            SELECT %s, t.source, t.path, t.item, t.digest, t.reader, t.chunks, %s
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[])
                 AS t (source, path, item, digest, reader, chunks)
            ON CONFLICT (generation, source, path) DO UPDATE SET
                item = excluded.item, digest = excluded.digest, reader = excluded.reader,
                chunks = excluded.chunks, run = excluded.run, stored_at = now()
            """,
            (
                self._generation,
                run,
                *(
                    [getattr(one, name) for one in records]
                    for name in ("source", "path", "item", "digest", "reader", "chunks")
                ),
            ),
        )
        items = sorted({(one.source, one.item) for one in records})
        self._connection.execute(
            f"""
            INSERT INTO items (generation, source, path, fingerprint)
            SELECT %s, source, path, '' FROM {_KEYS} t (source, path)
            ON CONFLICT (generation, source, path) DO UPDATE
            SET fingerprint = '', digest = '', stored = false
            """,
            (self._generation, *_columns(items)),
        )

    def documents(self) -> set[ItemKey]:
        """(source, path) of every document."""
        rows = self._connection.execute(
            "SELECT source, path FROM documents WHERE generation = %s", (self._generation,)
        )
        return set(rows.fetchall())

    def forget_documents(self, documents: Collection[ItemKey]) -> None:
        """Removes documents; their items stay."""
        self._connection.execute(
            f"DELETE FROM documents WHERE generation = %s AND (source, path) IN {_KEYS}",
            (self._generation, *_columns(documents)),
        )

    def forget_items(self, items: Collection[ItemKey]) -> None:
        """Removes items; their documents stay."""
        self._connection.execute(
            f"DELETE FROM items WHERE generation = %s AND (source, path) IN {_KEYS}",
            (self._generation, *_columns(items)),
        )

    def item_keys(self) -> set[ItemKey]:
        """(source, path) of every item."""
        rows = self._connection.execute(
            "SELECT source, path FROM items WHERE generation = %s", (self._generation,)
        )
        return set(rows.fetchall())


def _columns(keys: Collection[ItemKey]) -> tuple[list[str], list[str]]:
    return [source for source, _ in keys], [path for _, path in keys]
