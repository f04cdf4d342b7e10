"""Documents into an index: chunks, vectors and ledger rows in one transaction, under the run's lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger, fingerprint_to_keep
from ragctl.types import EmbeddedDocument, Item, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.stores.pgvector import PgVectorStore


class LedgeredWriter:
    """Writes documents and their ledger rows in one transaction, as long as the run holds its lease."""

    def __init__(
        self,
        connection: Connection[Any],
        vectors: PgVectorStore,
        ledger: Ledger,
        items: Mapping[ItemKey, Item],
        lease: Lease,
    ) -> None:
        self._connection = connection
        self._vectors = vectors
        self._ledger = ledger
        self._items = items
        self._lease = lease

    def replace(self, documents: list[EmbeddedDocument]) -> None:
        """All of them, or none.

        Raises:
            LeaseLost: none, because another run has taken over.
        """
        with self._lease.held(self._connection):
            keys = {(one.document.source, one.document.item) for one in documents}
            fingerprints = {key: fingerprint_to_keep(self._items[key]) for key in keys}
            self._vectors.replace(documents, fingerprints=fingerprints)
            self._ledger.record_stored(documents, self._items, self._lease.run)
