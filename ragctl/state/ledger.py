"""The ledger: what is known of every item and document of one generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text
from ragctl.types import EmbeddedDocument, Failure, Item, ItemKey, LedgerItem

if TYPE_CHECKING:
    from psycopg import Connection

# An item with each of its documents. A part that failed has a row of its own (p), which is shown with the
# version before of its document if there is one.
_WITH_DOCUMENTS = """
    i.source, coalesce(d.path, i.path) AS path, i.stored, i.skipped,
    coalesce(p.failure, i.failure) AS failure, greatest(p.attempts, i.attempts) AS attempts,
    coalesce(p.failed_at, i.failed_at) AS failed_at,
    coalesce(p.first_failed_at, i.first_failed_at) AS first_failed_at, {more} d.chunks, d.stored_at
    FROM items i
    LEFT JOIN documents d ON d.generation = i.generation AND d.source = i.source AND d.item = i.path
    LEFT JOIN items p ON p.generation = d.generation AND p.source = d.source AND p.path = d.path
        AND d.path <> d.item
    WHERE i.generation = %s AND NOT EXISTS (
        SELECT FROM documents o WHERE o.generation = i.generation AND o.source = i.source
            AND o.path = i.path AND o.item <> i.path)
"""


class Ledger:
    """Reads and writes `items` and `documents` of one generation.

    Every write joins the caller's transaction if there is one.
    """

    def __init__(self, connection: Connection[Any], generation: int) -> None:
        self._connection = connection
        self._generation = generation

    def items(self) -> dict[ItemKey, LedgerItem]:
        """Everything known, by (source, path)."""
        rows = self._connection.execute(
            "SELECT source, path, fingerprint, digest, stored, failure, skipped "
            "FROM items WHERE generation = %s",
            (self._generation,),
        )
        return {
            (source, path): LedgerItem(
                fingerprint=fingerprint,
                digest=digest,
                stored=stored,
                failure=Failure(**{**failure, "known": True}) if failure else None,
                skipped=skipped,
            )
            for source, path, fingerprint, digest, stored, failure, skipped in rows
        }

    def record_stored(
        self, documents: Sequence[EmbeddedDocument], items: Mapping[ItemKey, Item], run: str
    ) -> None:
        """Notes documents whose chunks were written, and that their items are done."""
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
                [one.document.source for one in documents],
                [one.document.path for one in documents],
                [one.document.item for one in documents],
                [one.document.digest for one in documents],
                [one.document.reader for one in documents],
                [len(one.chunks) for one in documents],
            ),
        )
        digests = {(one.document.source, one.document.item): one.document.digest for one in documents}
        self._upsert_items(
            [(key, fingerprint_to_keep(items[key]), digest, True) for key, digest in digests.items()]
        )

    def record_unchanged(self, item: Item, digest: str) -> None:
        """Its bytes were read and are those that are stored: only the fingerprint moves."""
        self._upsert_items([((item.source, item.path), fingerprint_to_keep(item), digest, True)])

    def _upsert_items(self, rows: Sequence[tuple[ItemKey, str, str, bool]]) -> None:
        self._connection.execute(
            """
            INSERT INTO items (generation, source, path, fingerprint, digest, stored)
            SELECT %s, t.source, t.path, t.fingerprint, t.digest, t.stored
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bool[])
                 AS t (source, path, fingerprint, digest, stored)
            ON CONFLICT (generation, source, path) DO UPDATE SET
                fingerprint = excluded.fingerprint, digest = excluded.digest, stored = excluded.stored,
                failure = NULL, failed_at = NULL, first_failed_at = NULL, attempts = 0, skipped = NULL
            """,
            (
                self._generation,
                [key[0] for key, *_ in rows],
                [key[1] for key, *_ in rows],
                [row[1] for row in rows],
                [row[2] for row in rows],
                [row[3] for row in rows],
            ),
        )

    def record_failure(self, failure: Failure, item: Item, *, since: datetime | None = None) -> None:
        """Notes why an item failed. What is stored of it stays, digest included.

        `attempts` and `first_failed_at` count from the last time that it went well.

        Args:
            since: a failure noted after this moment is of the same attempt: a task of a DAG that was
                tried again.
        """
        self._connection.execute(
            """
            INSERT INTO items
                (generation, source, path, fingerprint, failure, attempts, failed_at, first_failed_at)
            VALUES (%s, %s, %s, %s, %s, 1, now(), now())
            ON CONFLICT (generation, source, path) DO UPDATE SET
                fingerprint = excluded.fingerprint, failure = excluded.failure,
                attempts = items.attempts
                    + CASE WHEN items.failed_at >= %s THEN 0 ELSE 1 END,
                failed_at = now(),
                first_failed_at = coalesce(items.first_failed_at, now()), skipped = NULL
            """,
            (
                self._generation,
                item.source,
                item.path,
                fingerprint_to_keep(item),
                json_text(asdict(failure)),
                since,
            ),
        )

    def record_skipped(self, item: Item, reason: str) -> None:
        """Notes why an item is not one for the index."""
        self._connection.execute(
            """
            INSERT INTO items (generation, source, path, fingerprint, skipped)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (generation, source, path) DO UPDATE SET
                fingerprint = excluded.fingerprint, skipped = excluded.skipped,
                failure = NULL, failed_at = NULL, first_failed_at = NULL, attempts = 0
            """,
            (self._generation, item.source, item.path, fingerprint_to_keep(item), reason),
        )

    def stored_by(self, run: str) -> dict[ItemKey, tuple[int, int]]:
        """(documents, chunks) of every item that this run has stored."""
        rows = self._connection.execute(
            "SELECT source, item, count(*), sum(chunks) FROM documents "
            "WHERE generation = %s AND run = %s GROUP BY source, item",
            (self._generation, run),
        )
        return {(source, item): (int(documents), int(chunks)) for source, item, documents, chunks in rows}

    def documents_of(self, items: Iterable[ItemKey]) -> list[tuple[str, str]]:
        """(source, path) of every stored document of these items."""
        keys = list(items)
        return self._connection.execute(
            """
            SELECT source, path FROM documents
            WHERE generation = %s AND (source, item) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
            """,
            (self._generation, [source for source, _ in keys], [path for _, path in keys]),
        ).fetchall()

    def forget(self, items: Iterable[ItemKey]) -> None:
        """Removes items and their documents from the ledger."""
        keys = list(items)
        for table, column in (("documents", "item"), ("items", "path")):
            self._connection.execute(
                f"DELETE FROM {table} WHERE generation = %s "
                f"AND (source, {column}) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
                (self._generation, [source for source, _ in keys], [path for _, path in keys]),
            )

    def document(self, path: str, source: str | None = None) -> list[dict[str, Any]]:
        """Rows of `items` with that path, joined with what is stored of them; one a source."""
        return _dictionaries(
            self._connection,
            """
            SELECT """
            + _WITH_DOCUMENTS.format(more="d.reader, d.digest, d.run,")
            + """
              AND coalesce(d.path, i.path) = %s AND (%s::text IS NULL OR i.source = %s)
            ORDER BY i.source
            """,
            (self._generation, path, source, source),
        )

    def overview(self) -> list[dict[str, Any]]:
        """Every item with its state, number of chunks and failure, by source and path.

        `attempts` is how often it failed since it last went well; 0 if it did not.
        """
        return _dictionaries(
            self._connection,
            """
            SELECT """
            + _WITH_DOCUMENTS.format(more="")
            + " ORDER BY i.source, i.path, d.path",
            (self._generation,),
        )

    def counts(self) -> tuple[int, int]:
        """(documents, chunks) that the ledger holds to be stored."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(chunks), 0) FROM documents WHERE generation = %s",
            (self._generation,),
        ).fetchone()
        assert row is not None  # an aggregate gives one row
        return int(row[0]), int(row[1])


def fingerprint_to_keep(item: Item) -> str:
    """The item's fingerprint; empty, which no look at it equals, if the item has not settled yet."""
    return item.fingerprint if item.settled else ""


def _dictionaries(
    connection: Connection[Any], query: str, parameters: Sequence[object]
) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()
