"""store: documents with vectors → documents in an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from ragctl.types import EmbeddedDocument, StoredDocument

# One transaction each: large enough that its price is small, small enough that progress is seen.
BATCH_CHUNKS = 256
BATCH_DOCUMENTS = 100


class DocumentWriter(Protocol):
    """Where documents go: a vector store, or one that also keeps a ledger in the same transaction."""

    def replace(self, documents: list[EmbeddedDocument]) -> None: ...


def store(documents: Iterable[EmbeddedDocument], into: DocumentWriter) -> Iterator[StoredDocument]:
    """Writes documents in batches, each batch whole or not at all.

    A document comes out after the batch that holds it has been committed.
    """
    batch: list[EmbeddedDocument] = []
    chunks = 0
    for document in documents:
        batch.append(document)
        chunks += len(document.chunks)
        if chunks >= BATCH_CHUNKS or len(batch) >= BATCH_DOCUMENTS:
            yield from _write(batch, into)
            batch, chunks = [], 0
    if batch:
        yield from _write(batch, into)


def _write(batch: list[EmbeddedDocument], into: DocumentWriter) -> Iterator[StoredDocument]:
    into.replace(batch)
    for item in batch:
        yield StoredDocument(
            document=item.document,
            chunks=len(item.chunks),
            embedded=item.embedded,
            cached=item.cached,
            tokens=item.tokens,
        )
