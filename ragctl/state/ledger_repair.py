"""Mending a ledger: making rows again from what lies beside the vectors, and taking back what is not so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.types import DocumentRecord, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

_KEYS = "(SELECT * FROM unnest(%s::text[], %s::text[]))"


class LedgerRepair:
    """The ledger of one generation. Every write joins the caller's transaction."""

    def __init__(self, connection: Connection[Any], generation: int) -> None:
        self._connection = connection
        self._generation = generation

    def records(self) -> dict[ItemKey, DocumentRecord]:
        """Every document that the ledger holds to be stored, and whose item it knows.

        The fingerprint is empty where the item has changed or failed since.
        """
        rows = self._connection.execute(
            """
            SELECT d.source, d.path, d.item, d.digest, d.reader, d.chunks,
                   CASE WHEN i.digest = d.digest AND i.failure IS NULL THEN i.fingerprint ELSE '' END
            FROM documents d
            JOIN items i ON i.generation = d.generation AND i.source = d.source AND i.path = d.item
            WHERE d.generation = %s
            """,
            (self._generation,),
        )
        return {
            (source, path): DocumentRecord(
                source=source,
                path=path,
                item=item,
                digest=digest,
                reader=reader,
                fingerprint=fingerprint,
                chunks=chunks,
            )
            for source, path, item, digest, reader, chunks, fingerprint in rows
        }

    def items_without_documents(self) -> list[ItemKey]:
        """Items that are held to be stored and of which no document is known."""
        return self._connection.execute(
            """
            SELECT source, path FROM items i WHERE generation = %s AND stored AND NOT EXISTS
                (SELECT 1 FROM documents d
                 WHERE d.generation = i.generation AND d.source = i.source AND d.item = i.path)
            ORDER BY source, path
            """,
            (self._generation,),
        ).fetchall()

    def is_empty(self) -> bool:
        """Is nothing held to be stored?"""
        row = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM documents WHERE generation = %s) "
            "OR EXISTS (SELECT 1 FROM items WHERE generation = %s AND stored)",
            (self._generation, self._generation),
        ).fetchone()
        return not (row and row[0])

    def adopt(self, records: Sequence[DocumentRecord], run: str) -> None:
        """Makes the rows of documents that are stored; what is known of an item already stays."""
        self._connection.execute(
            """
            INSERT INTO documents (generation, source, path, item, digest, reader, chunks, run)
            SELECT %s, t.source, t.path, t.item, t.digest, t.reader, t.chunks, %s
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[])
                 AS t (source, path, item, digest, reader, chunks)
            ON CONFLICT DO NOTHING
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
        items = {(one.source, one.item): one for one in records}
        self._connection.execute(
            """
            INSERT INTO items AS i (generation, source, path, fingerprint, digest, stored)
            SELECT %s, t.source, t.path, t.fingerprint, t.digest, true
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
                 AS t (source, path, fingerprint, digest)
            ON CONFLICT (generation, source, path) DO UPDATE SET stored = true, digest = excluded.digest
                WHERE NOT i.stored
            """,
            (
                self._generation,
                [source for source, _ in items],
                [path for _, path in items],
                [one.fingerprint for one in items.values()],
                [one.digest for one in items.values()],
            ),
        )

    def forget_documents(self, documents: Collection[ItemKey]) -> None:
        """Removes documents; what else there is of their items will be stored again."""
        self._items_again(documents)
        self._connection.execute(
            f"DELETE FROM documents WHERE generation = %s AND (source, path) IN {_KEYS}",
            (self._generation, *_columns(documents)),
        )

    def store_again(self, records: Sequence[DocumentRecord]) -> None:
        """Has the next ingest that writes to this generation read and store the documents' items again.

        An item counts as not stored until then, so that no setting of `existing` keeps it as it is.
        Until then the ledger has as many chunks of the documents as the records say.
        """
        self._items_again([(one.source, one.path) for one in records])
        self._connection.execute(
            """
            UPDATE documents d SET digest = '', chunks = t.chunks
            FROM unnest(%s::text[], %s::text[], %s::int[]) AS t (source, path, chunks)
            WHERE d.generation = %s AND d.source = t.source AND d.path = t.path
            """,
            (
                [one.source for one in records],
                [one.path for one in records],
                [one.chunks for one in records],
                self._generation,
            ),
        )

    def _items_again(self, documents: Collection[ItemKey]) -> None:
        self._connection.execute(
            f"""
            UPDATE items i SET fingerprint = '', digest = '', stored = false
            FROM documents d
            WHERE i.generation = %s AND d.generation = i.generation AND d.source = i.source
              AND d.item = i.path AND (d.source, d.path) IN {_KEYS}
            """,
            (self._generation, *_columns(documents)),
        )

    def read_again(self, items: Collection[ItemKey]) -> None:
        """As `store_again`, for items of which no document is known."""
        self._connection.execute(
            "UPDATE items SET fingerprint = '', digest = '', stored = false "
            f"WHERE generation = %s AND (source, path) IN {_KEYS}",
            (self._generation, *_columns(items)),
        )

    def forget_all(self) -> int:
        """Removes everything, as nothing is stored; returns how many documents were known."""
        known = self._connection.execute(
            "DELETE FROM documents WHERE generation = %s", (self._generation,)
        ).rowcount
        self._connection.execute("DELETE FROM items WHERE generation = %s", (self._generation,))
        return known


def _columns(keys: Collection[ItemKey]) -> tuple[list[str], list[str]]:
    return [source for source, _ in keys], [path for _, path in keys]
