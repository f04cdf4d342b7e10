"""The ledger's rows of items that are more than one document: members of archives, attachments, segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ragctl.types import ItemKey

if TYPE_CHECKING:
    from psycopg import Connection


class LedgerParts:
    """Reads and removes such rows of one generation. Every write joins the caller's transaction."""

    def __init__(self, connection: Connection[Any], generation: int) -> None:
        self._connection = connection
        self._generation = generation

    def items_in_parts(self) -> set[ItemKey]:
        """Items of which documents are stored whose path is not the item's own."""
        rows = self._connection.execute(
            "SELECT DISTINCT source, item FROM documents WHERE generation = %s AND path <> item",
            (self._generation,),
        )
        return set(rows.fetchall())

    def failed_parts(self, item: ItemKey) -> set[ItemKey]:
        """Rows of parts of the item that failed: `item!/part`, or a segment `item#3`."""
        rows = self._connection.execute(
            """
            SELECT source, path FROM items
            WHERE generation = %s AND source = %s AND NOT stored AND failure IS NOT NULL
              AND (starts_with(path, %s || '!/') OR (starts_with(path, %s || '#')
                   AND substr(path, length(%s) + 2) ~ '^[0-9]+$'))
            """,
            (self._generation, item[0], item[1], item[1], item[1]),
        )
        return set(rows.fetchall())

    def forget_documents(self, documents: Iterable[tuple[str, str]]) -> None:
        """Removes stored documents, by source and path; their items stay."""
        keys = list(documents)
        self._connection.execute(
            "DELETE FROM documents WHERE generation = %s "
            "AND (source, path) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            (self._generation, [source for source, _ in keys], [path for _, path in keys]),
        )
