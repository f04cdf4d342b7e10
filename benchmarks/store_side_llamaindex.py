"""llama-index's PGVectorStore as a side of `store_writers.py`."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.vector_stores.postgres import PGVectorStore
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

EF_SEARCH = 40  # the value that the library's documentation gives
HNSW = {
    "hnsw_m": HNSW_M,
    "hnsw_ef_construction": HNSW_EF_CONSTRUCTION,
    "hnsw_ef_search": EF_SEARCH,
    "hnsw_dist_method": "vector_cosine_ops",
}


class LlamaIndex:
    """Its table `data_docs`, as `from_params` makes it."""

    def create(self) -> None:
        self._hnsw: dict[str, Any] | None = None
        self._store = self._opened()

    def _opened(self) -> PGVectorStore:
        return PGVectorStore.from_params(
            connection_string=dsn().replace("postgresql:", "postgresql+psycopg2:"),
            async_connection_string=dsn().replace("postgresql:", "postgresql+asyncpg:"),
            table_name="docs",
            schema_name="llamaindex",
            embed_dim=384,
            hnsw_kwargs=self._hnsw,
        )

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        return [
            [
                TextNode(
                    id_=str(row),
                    text=made.texts[row],
                    metadata={"document": row // CHUNKS_OF_DOCUMENT},
                    embedding=made.vectors[row].tolist(),
                )
                for row in call
            ]
            for call in in_calls(first, last)
        ]

    def write(self, calls: list[Any]) -> None:
        for nodes in calls:
            self._store.add(nodes)

    def index(self) -> None:
        self._hnsw = dict(HNSW)
        self._store = self._opened()
        self._store._initialize()  # as the first call of any kind does

    def search_with(self, way: str) -> None:
        self._asked = {"hnsw_ef_search": WIDE} if way == "wide" else {}

    def search(self, vector: Vectors) -> list[int]:
        query = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=TOP)
        return [int(number) for number in self._store.query(query, **self._asked).ids or ()]


if __name__ == "__main__":
    serve(LlamaIndex())
