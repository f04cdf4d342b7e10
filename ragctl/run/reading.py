"""From an item to its documents: unchanged, skipped, found among the kept texts, or read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ragctl.errors import MalformedDocument, UnreadableDocument
from ragctl.readers.auto import reader_for
from ragctl.run.composition import Composition
from ragctl.state.texts import TextCache
from ragctl.types import Document, Item, ItemKey, LedgerItem


class ItemReader:
    """Called with an item, it gives the item's documents; none if there is nothing to be done about it.

    Args:
        ledger: what is known of the items.
        texts: documents that were extracted before.
        on_unchanged: told of an item whose bytes are those that are stored, and their digest.
        on_skipped: told of an item that has no reader, and why.
        as_planned: are these the bytes (their digest) that the plan was made with?
    """

    def __init__(
        self,
        composition: Composition,
        ledger: Mapping[ItemKey, LedgerItem],
        texts: TextCache,
        *,
        on_unchanged: Callable[[Item, str], None],
        on_skipped: Callable[[Item, str], None],
        as_planned: Callable[[Item, str], bool] = lambda item, digest: True,
    ) -> None:
        self._sources = {source.name: source for source in composition.sources}
        self._max_bytes = composition.spec.extract.max_bytes
        self._ledger = ledger
        self._texts = texts
        self._on_unchanged = on_unchanged
        self._on_skipped = on_skipped
        self._as_planned = as_planned

    def __call__(self, item: Item) -> Iterator[Document]:
        """The item's documents.

        Raises:
            DocumentError: it cannot be read, is too large, or is not what it should be.
        """
        row = self._ledger.get((item.source, item.path))
        stored = row is not None and row.stored
        by_name = reader_for(item)
        if by_name.reader is None and not stored:
            self._on_skipped(item, by_name.reason)
            return
        kept = self._texts.find(item)
        if kept is not None:
            yield from kept
            return
        data = self._bytes(item)
        digest = hashlib.sha256(data).hexdigest()
        if not self._as_planned(item, digest):
            raise UnreadableDocument("it has changed since the plan was made")
        if row is not None and stored and row.digest == digest:
            self._on_unchanged(item, digest)
            return
        yield from self._texts.find(item, digest) or self._read(item, data, digest, stored=stored)

    def _read(self, item: Item, data: bytes, digest: str, *, stored: bool) -> list[Document]:
        reader, reason = reader_for(item, data)
        if reader is None:
            if stored:
                raise MalformedDocument(f"it is in the index and can no longer be read: {reason}")
            self._on_skipped(item, reason)
            return []
        made_by = f"{reader.name}@{reader.output_version}"
        documents = [
            replace(document, item=item.path, digest=digest, reader=made_by)
            for document in reader.read(item, data)
        ]
        self._texts.keep(item, digest, documents)
        return documents

    def _bytes(self, item: Item) -> bytes:
        with self._sources[item.source].open(item) as stream:
            data = stream.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise MalformedDocument(f"it is larger than extract.max_bytes ({self._max_bytes:,} bytes)")
        return data
