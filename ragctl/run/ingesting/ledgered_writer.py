"""Documents into an index: made visible and noted in the ledger in one transaction, under the run's lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.run.redone import redone
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger, fingerprint_to_keep
from ragctl.types import EmbeddedDocument, Item, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.stores.faces import GenerationStore


class LedgeredWriter:
    """Writes documents and their ledger rows, as long as the run holds its lease.

    A store without transactions writes first what nobody sees (`stage`). The transaction then makes it
    visible (`commit`) and notes it in the ledger. What has become superfluous is removed last (`tidy`), by
    the next run if this one is killed before.
    """

    def __init__(
        self,
        connection: Connection[Any],
        vectors: GenerationStore,
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
            Mismatch, Unavailable: see `GenerationStore`; none, or all of them where what they take the place
                of could not be removed.
        """
        keys = {(one.document.source, one.document.item) for one in documents}
        fingerprints = {key: fingerprint_to_keep(self._items[key]) for key in keys}
        self._lease.look(self._connection)  # a run that has lost the index is not to write what nobody sees
        staged = self._vectors.stage(documents, fingerprints=fingerprints)

        def commit() -> None:
            with self._lease.held(self._connection):
                self._vectors.commit(staged)
                self._ledger.record_stored(documents, self._items, self._lease.run)

        redone(commit)
        self._vectors.tidy()
