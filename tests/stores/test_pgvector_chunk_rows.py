"""Rows of the chunk table in COPY's binary form, as the server reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from contracts.stored import DIMENSION, embedded, random_vectors

from ragctl.errors import Mismatch
from ragctl.stores import pgvector_chunk_rows
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_chunk_rows import packed_rows

Connection = psycopg.Connection[Any]


@pytest.fixture
def store(connection: Connection) -> Iterator[PgVectorStore]:
    made = PgVectorStore(connection, schema="public", prefix="packed", dimension=DIMENSION)
    made.create()
    yield made
    made.drop()


def test_every_column_comes_back(store: PgVectorStore, connection: Connection) -> None:
    document = embedded("a", ["one", "", "дрей 𝄞"])
    first, second, third = document.chunks
    chunks = (
        replace(first, headings=("A", "", "Ё")),
        replace(second, line=None, page=7, sheet="", tokens=0),
        replace(third, line=2**31 - 1, page=None, sheet="Blatt ½", headings=("A",), start=5, end=2**31 - 1),
    )
    hashes = (b"\0" * 32, b"", b"\xff\0\x80")
    vectors = np.array([[0.5, -0.5, 3e38, -1e-38, 0, -0.0, 1 / 3, 1]] * 3, dtype=np.float32)
    store.replace([replace(document, chunks=chunks, input_hashes=hashes, vectors=vectors)])
    rows = connection.execute(
        "SELECT ordinal, span_start, span_end, text, headings, line, page, sheet, tokens, input_hash, "
        "vector_send(embedding) FROM packed_chunks ORDER BY ordinal",
        binary=True,
    ).fetchall()
    assert [row[:-1] for row in rows] == [
        (0, 0, 3, "one", ["A", "", "Ё"], 1, None, None, 5, hashes[0]),
        (1, 3, 3, "", [], None, 7, "", 0, hashes[1]),
        (2, 5, 2**31 - 1, "дрей 𝄞", ["A"], 2**31 - 1, None, "Blatt ½", 8, hashes[2]),
    ]
    found = [np.frombuffer(row[-1], ">f4", offset=4) for row in rows]  # after the dimension, and nothing
    assert np.array_equal(found, vectors)


@pytest.mark.parametrize("order", ["C", "F"])
def test_vectors_of_many_rows(
    store: PgVectorStore, connection: Connection, monkeypatch: pytest.MonkeyPatch, order: Any
) -> None:
    """However they lie in memory, and in however many blocks they are packed."""
    monkeypatch.setattr(pgvector_chunk_rows, "_BLOCK", 4)
    vectors = np.array(random_vectors(11, 3), order=order)
    store.replace([embedded("a", [f"text {row}" for row in range(11)], vectors)])
    found = connection.execute("SELECT text, embedding::text FROM packed_chunks ORDER BY ordinal").fetchall()
    assert [text for text, _ in found] == [f"text {row}" for row in range(11)]
    numbers = [[float(number) for number in text.strip("[]").split(",")] for _, text in found]
    assert np.array_equal(np.array(numbers, dtype=np.float32), vectors)


def test_a_document_that_does_not_fit_together_is_refused() -> None:
    document = embedded("a", ["one", "two"])
    for wrong in (
        replace(document, vectors=document.vectors[:1]),
        replace(document, input_hashes=document.input_hashes[:1]),
        replace(document, chunks=document.chunks[:1]),
    ):
        with pytest.raises(ValueError, match="vectors"):
            list(packed_rows(wrong, 1, "utf-8"))


def test_a_table_that_went_meanwhile(store: PgVectorStore, connection: Connection) -> None:
    connection.execute("DROP TABLE packed_chunks")
    with pytest.raises(Mismatch, match="gone"):
        store.replace([embedded("a", ["one"])])
    assert store._execute("SELECT count(*) FROM {documents}").fetchone() == (0,)


def test_a_failure_between_two_copies_leaves_nothing(
    store: PgVectorStore, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("while words are counted")

    store.replace([embedded("a", ["before"])])
    monkeypatch.setattr(store._lexical._texts, "count", fail)
    with pytest.raises(RuntimeError):
        store.replace([embedded("a", ["after"]), embedded("b", ["after"])])
    assert [chunk["text"] for chunk in store.chunks_of("docs", "a")] == ["before"]
    assert store.counts() == (1, 1)
    monkeypatch.undo()
    store.replace([embedded("a", ["after"])])
    assert [chunk["text"] for chunk in store.chunks_of("docs", "a")] == ["after"]
