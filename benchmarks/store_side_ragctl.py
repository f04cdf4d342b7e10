"""ragctl's own store as a side of `store_writers.py`; a second argument `plain` leaves the words out."""

from __future__ import annotations

import sys
from typing import Any

import psycopg
from store_side import CHUNKS_OF_DOCUMENT, TOP, Made, Vectors, dsn, serve

from ragctl.stores.pgvector import PgVectorStore
from ragctl.types import Chunk, Document, EmbeddedDocument

BATCH = 25  # documents a transaction, as an ingest writes them: some 256 chunks
SOURCE = "made"


def document(made: Made, number: int) -> EmbeddedDocument:
    """The `number`th ten chunks."""
    first = number * CHUNKS_OF_DOCUMENT
    rows = range(first, first + CHUNKS_OF_DOCUMENT)
    chunks, start = [], 0
    for ordinal, row in enumerate(rows):
        text = made.texts[row]
        chunks.append(Chunk(ordinal, start, start + len(text), text, text, len(text) // 4))
        start += len(text) + 2
    path = str(number)
    return EmbeddedDocument(
        Document(
            SOURCE,
            path,
            path,
            "\n\n".join(chunk.text for chunk in chunks),
            path,
            "text/plain",
            (),
            item=path,
            metadata={"number": number},
        ),
        tuple(chunks),
        made.vectors[rows.start : rows.stop].copy(),
        tuple(f"{row}".encode().ljust(32) for row in rows),
    )


def batches(made: Made, first: int, last: int) -> list[list[EmbeddedDocument]]:
    numbers = range(first // CHUNKS_OF_DOCUMENT, last // CHUNKS_OF_DOCUMENT)
    documents = [document(made, number) for number in numbers]
    return [documents[one : one + BATCH] for one in range(0, len(documents), BATCH)]


def opened(schema: str, dimension: int, index_from: int = 1, **settings: Any) -> PgVectorStore:
    connection = psycopg.connect(dsn(), autocommit=True)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return PgVectorStore(
        connection, schema=schema, prefix="docs", dimension=dimension, index_from=index_from, **settings
    )


class Ours:
    """A generation of an index, as an ingest makes it."""

    def __init__(self, *, words: bool = True) -> None:
        self._words = words
        self._schema = "ragctl" if words else "ragctl_plain"
        self._rows: dict[tuple[str, int], int] = {}

    def create(self) -> None:
        dimension = 384
        self._store = opened(self._schema, dimension)
        self._store.create()
        if not self._words:
            self._store._connection.execute(f"DROP TABLE {self._schema}.docs_lexical")
            self._store = opened(self._schema, dimension)

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        found = batches(made, first, last)
        for one in (one for batch in found for one in batch):
            for chunk in one.chunks:
                row = int(one.document.path) * CHUNKS_OF_DOCUMENT + chunk.ordinal
                self._rows[one.document.path, chunk.start] = row
        return found

    def write(self, calls: list[Any]) -> None:
        for batch in calls:
            self._store.replace(batch)

    def index(self) -> None:
        self._store._hnsw.build()
        self._store._dense.forget()

    def search_with(self, way: str) -> None:
        self._store._dense._ef_search = {"default": 800, "narrow": 40, "wide": 800}[way]

    def search(self, vector: Vectors) -> list[int]:
        [hits] = self._store.search(vector[None], k=TOP)
        return [self._rows[hit.document, hit.start] for hit in hits]


if __name__ == "__main__":
    serve(Ours(words=sys.argv[2:] != ["plain"]))
