"""psycopg's `executemany` with pgvector's types as a side of `store_writers.py`.

A second argument `words` has the server keep each text's words as ragctl keeps them, in a generated column.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
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


class ExecuteMany:
    """A table of id, text, metadata and vector; a transaction a call."""

    def __init__(self, *, words: bool = False) -> None:
        self._schema = "executemany_words" if words else "executemany"
        self._words = (
            ", words tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED" if words else ""
        )

    def create(self) -> None:
        self._connection = psycopg.connect(dsn(), autocommit=True)
        register_vector(self._connection)
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        self._connection.execute(
            f"CREATE TABLE {self._schema}.docs (id bigint PRIMARY KEY, text text NOT NULL, "
            f"metadata jsonb NOT NULL, embedding vector(384) NOT NULL{self._words})"
        )

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        return [
            [
                (row, made.texts[row], json.dumps({"document": row // CHUNKS_OF_DOCUMENT}), made.vectors[row])
                for row in call
            ]
            for call in in_calls(first, last)
        ]

    def write(self, calls: list[Any]) -> None:
        for rows in calls:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO {self._schema}.docs (id, text, metadata, embedding) "
                    "VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET text = excluded.text, "
                    "metadata = excluded.metadata, embedding = excluded.embedding",
                    rows,
                )

    def index(self) -> None:
        self._connection.execute(
            f"CREATE INDEX ON {self._schema}.docs USING hnsw (embedding vector_cosine_ops) "
            f"WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})"
        )

    def search_with(self, way: str) -> None:
        self._connection.execute(f"SET hnsw.ef_search = {WIDE if way == 'wide' else 40}")

    def search(self, vector: Vectors) -> list[int]:
        rows = self._connection.execute(
            f"SELECT id, text, metadata FROM {self._schema}.docs ORDER BY embedding <=> %s LIMIT %s",
            (vector, TOP),
        ).fetchall()
        return [row[0] for row in rows]


if __name__ == "__main__":
    serve(ExecuteMany(words=sys.argv[2:] == ["words"]))
