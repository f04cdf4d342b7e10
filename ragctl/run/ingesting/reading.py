"""From an item to its documents: unchanged, skipped, found among the kept texts, or read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace

from ragctl.errors import MalformedDocument, TooLarge, UnreadableDocument
from ragctl.readers.auto import reader_for
from ragctl.run.composition import Composition
from ragctl.state.texts import TextCache
from ragctl.types import Document, Item, ItemKey, LedgerItem


class ItemReader:
    """Called with an item, it gives the item's documents; none if there is nothing to be done about it.

    Args:
        ledger: what is known of the items.
        texts: documents that were extracted before.
        in_index: items that somebody can find now, in whatever generation: they are not skipped.
        on_unchanged: told of an item whose bytes are those that are stored, and their digest.
        on_skipped: told of an item that has no reader, and why.
        on_kept: told of an item that has changed, and whose stored version stays (`existing: skip`).
        as_planned: are these the bytes (their digest) that the plan was made with?
    """

    def __init__(
        self,
        composition: Composition,
        ledger: Mapping[ItemKey, LedgerItem],
        texts: TextCache,
        *,
        in_index: Container[ItemKey],
        on_unchanged: Callable[[Item, str], None],
        on_skipped: Callable[[Item, str], None],
        on_kept: Callable[[Item], None],
        as_planned: Callable[[Item, str], bool] = lambda item, digest: True,
    ) -> None:
        self._sources = {source.name: source for source in composition.sources}
        self._max_bytes = composition.spec.extract.max_bytes
        self._ledger = ledger
        self._texts = texts
        self._in_index = in_index
        self._on_unchanged = on_unchanged
        self._on_skipped = on_skipped
        self._on_kept = on_kept
        self._keep_stored = composition.spec.store.existing == "skip"
        self._as_planned = as_planned

    def __call__(self, item: Item) -> Iterator[Document]:
        """The item's documents.

        Raises:
            DocumentError: it cannot be read, is too large, or is not what it should be.
        """
        row = self._ledger.get((item.source, item.path))
        stored = row is not None and row.stored
        in_index = (item.source, item.path) in self._in_index
        by_name = reader_for(item)
        if by_name.reader is None and not in_index:
            self._on_skipped(item, by_name.reason)
            return
        kept = None if stored and self._keep_stored else self._texts.find(item)
        if kept is not None:
            yield from kept
            return
        data = self._bytes(item)
        digest = hashlib.sha256(data).hexdigest()
        if row is not None and stored and row.digest == digest:
            self._on_unchanged(item, digest)
            return
        if stored and self._keep_stored:
            self._on_kept(item)
            return
        if not data.strip() and not in_index:
            self._on_skipped(item, "it is empty")
            return
        if not self._as_planned(item, digest):
            raise UnreadableDocument("it has changed since the plan was made")
        yield from self._texts.find(item, digest) or self._read(item, data, digest, in_index=in_index)

    def _read(self, item: Item, data: bytes, digest: str, *, in_index: bool) -> list[Document]:
        reader, reason = reader_for(item, data)
        if reader is None:
            if in_index:
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
        if item.size is not None and item.size > self._max_bytes:
            raise self._too_large()
        with self._sources[item.source].open(item) as stream:
            data = stream.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise self._too_large()
        return data

    def _too_large(self) -> TooLarge:
        return TooLarge(f"it is larger than extract.max_bytes ({self._max_bytes:,} bytes)")


def digest_of(composition: Composition, item: Item) -> str | None:
    """SHA-256 (hex) of the item's bytes; None if they cannot be had."""
    source = next(one for one in composition.sources if one.name == item.source)
    try:
        with source.open(item) as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except UnreadableDocument:
        return None
