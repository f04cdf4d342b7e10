"""langchain-postgres's PGVectorStore as a side of `store_writers.py`."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from langchain_core.embeddings import Embeddings
from langchain_postgres import PGEngine, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions
from store_side import (
    CHUNKS_OF_DOCUMENT,
    HNSW_EF_CONSTRUCTION,
    HNSW_M,
    TOP,
    WIDE,
    Made,
    Vectors,
    dsn,
    in_calls,
    serve,
)


class NoModel(Embeddings):
    """All vectors are given; the library asks for a model all the same."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError


class LangChain:
    """It commits every row; `fill` spares the time of writing all of them so."""

    def create(self) -> None:
        self._engine = PGEngine.from_connection_string(dsn().replace("postgresql:", "postgresql+psycopg:"))
        self._engine.init_vectorstore_table("docs", 384, schema_name="langchain")
        self._store = self._opened()

    def _opened(self, **settings: Any) -> PGVectorStore:
        return PGVectorStore.create_sync(self._engine, NoModel(), "docs", schema_name="langchain", **settings)

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        return [
            {
                "texts": [made.texts[row] for row in call],
                "embeddings": made.vectors[call.start : call.stop].tolist(),
                "metadatas": [{"document": row // CHUNKS_OF_DOCUMENT} for row in call],
                "ids": [str(uuid.UUID(int=row)) for row in call],
            }
            for call in in_calls(first, last)
        ]

    def write(self, calls: list[Any]) -> None:
        for call in calls:
            self._store.add_embeddings(**call)

    def fill(self, first: int, last: int) -> None:
        """Rows that another side has written already, copied by the server."""
        with psycopg.connect(dsn()) as connection:
            connection.execute(
                "INSERT INTO langchain.docs (langchain_id, content, embedding, langchain_metadata) "
                "SELECT lpad(to_hex(id), 32, '0')::uuid, text, embedding, metadata FROM executemany.docs "
                "WHERE id >= %s AND id < %s",
                (first, last),
            )

    def index(self) -> None:
        self._store.apply_vector_index(HNSWIndex(m=HNSW_M, ef_construction=HNSW_EF_CONSTRUCTION))

    def search_with(self, way: str) -> None:
        wide = {"index_query_options": HNSWQueryOptions(ef_search=WIDE)} if way == "wide" else {}
        self._store = self._opened(**wide)

    def search(self, vector: Vectors) -> list[int]:
        found = self._store.similarity_search_with_score_by_vector(vector.tolist(), k=TOP)
        return [uuid.UUID(str(document.id)).int for document, _ in found]


if __name__ == "__main__":
    serve(LangChain())
