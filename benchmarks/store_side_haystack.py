"""Haystack's PgvectorDocumentStore as a side of `store_writers.py`. Its table has an index of words too."""

from __future__ import annotations

from typing import Any

from haystack import Document
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore
from store_side import (
    CHUNKS_OF_DOCUMENT,
    HNSW_EF_CONSTRUCTION,
    HNSW_M,
    TOP,
    WIDE,
    Made,
    Vectors,
    in_calls,
    serve,
)


class Haystack:
    """Documents are chunks here; `OVERWRITE` is the policy that replaces what is there."""

    def create(self) -> None:
        self._indexed = False
        self._store = self._opened()
        self._store.count_documents()  # makes the table

    def _opened(self, **settings: Any) -> PgvectorDocumentStore:
        if self._indexed:
            settings["search_strategy"] = "hnsw"
            settings["hnsw_index_creation_kwargs"] = {"m": HNSW_M, "ef_construction": HNSW_EF_CONSTRUCTION}
        return PgvectorDocumentStore(
            connection_string=Secret.from_env_var("STORE_DSN"),
            schema_name="haystack",
            table_name="docs",
            embedding_dimension=384,
            **settings,
        )

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        return [
            [
                Document(
                    id=str(row),
                    content=made.texts[row],
                    meta={"document": row // CHUNKS_OF_DOCUMENT},
                    embedding=made.vectors[row].tolist(),
                )
                for row in call
            ]
            for call in in_calls(first, last)
        ]

    def write(self, calls: list[Any]) -> None:
        for documents in calls:
            self._store.write_documents(documents, policy=DuplicatePolicy.OVERWRITE)

    def index(self) -> None:
        self._indexed = True
        self._store = self._opened()
        self._store._ensure_db_setup()  # as the first call of any kind does

    def search_with(self, way: str) -> None:
        self._store = self._opened(**({"hnsw_ef_search": WIDE} if way == "wide" else {}))
        self._retriever = PgvectorEmbeddingRetriever(document_store=self._store, top_k=TOP)

    def search(self, vector: Vectors) -> list[int]:
        found = self._retriever.run(query_embedding=vector.tolist())
        return [int(document.id) for document in found["documents"]]


if __name__ == "__main__":
    serve(Haystack())
