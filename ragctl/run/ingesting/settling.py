"""The end of items of several documents: what they no longer have goes, and they are noted as whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ragctl.run.composition import Composition
from ragctl.run.ingesting.reading import InParts, digest_of
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger, fingerprint_to_keep
from ragctl.state.ledger_parts import LedgerParts
from ragctl.types import Item, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.stores.faces import GenerationStore
    from ragctl.state.generations import Generation


class Settling:
    """Called after all documents have been written, or failed.

    Until then such an item's row says that it is not stored whole, so that a run that is killed before does
    not leave a part of it behind for good.
    """

    def __init__(
        self, composition: Composition, generation: Generation, lease: Lease, store: GenerationStore
    ) -> None:
        self._composition = composition
        self._connection: Connection[Any] = composition.connect()
        self._ledger = Ledger(self._connection, generation.id)
        self._parts = LedgerParts(self._connection, generation.id)
        self._lease = lease
        self._store = store
        self._were_in_parts = self._parts.items_in_parts()

    def settle(self, in_parts: Iterable[InParts], read: Mapping[ItemKey, Item], failed: set[ItemKey]) -> int:
        """Notes items whole and removes documents that their items no longer give; returns how many.

        Args:
            in_parts: items that gave other than one document of their own path.
            read: items that were read in this run.
            failed: what failed in this run: items, documents and parts.
        """
        removed = 0
        several = {(one.item.source, one.item.path): one for one in in_parts}
        for key, parts in several.items():
            if key not in failed:
                removed += self._settle(key, parts, failed)
        for key in (self._were_in_parts & read.keys()) - several.keys() - failed:
            with self._lease.held(self._connection):
                removed += self._remove_all_but(key, {key[1]})
                self._ledger.forget(self._parts.failed_parts(key))
        return removed

    def _settle(self, key: ItemKey, parts: InParts, failed: set[ItemKey]) -> int:
        failing = {path for path in parts.documents | parts.failed if (key[0], path) in failed}
        item = parts.item
        digest = "" if failing else (parts.digest or digest_of(self._composition, item) or "")
        with self._lease.held(self._connection):
            stale = self._parts.failed_parts(key) - {(key[0], path) for path in failing}
            self._ledger.forget(stale)
            removed = self._remove_all_but(key, parts.documents | failing)
            if self._ledger.documents_of([key]):
                self._ledger.record_unchanged(item, digest)
                self._store.note_fingerprint(key, fingerprint_to_keep(item))
            else:
                self._ledger.record_skipped(item, "none of its parts could be stored")
        return removed

    def _remove_all_but(self, key: ItemKey, paths: set[str]) -> int:
        """Removes documents of the item that it no longer has."""
        gone = [one for one in self._ledger.documents_of([key]) if one[1] not in paths]
        if gone:
            self._store.delete(gone)
            self._parts.forget_documents(gone)
        return len(gone)
