"""What tasks hand on comes back as it was, and the same content gives the same bytes."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragctl.run.tasks.bulk_format import (
    chunked_entry,
    chunked_of,
    document_of,
    embedded_of,
    hit_of,
    item_of,
    read_lines,
    write_lines,
    write_vectors,
)
from ragctl.types import Anchor, Chunk, ChunkedDocument, Document, EmbeddedDocument, Hit, Item, Section

TEXT = 'Zeile eins\u2028 und zwei 🙂\n\ttab "quoted" \x00 end'
DOCUMENT = Document(
    source="docs",
    path="a/ü.md",
    uri="file:///a",
    text=TEXT,
    title="Title",
    media_type="text/markdown",
    sections=(Section(0, 5, ("One", "Two")), Section(5, len(TEXT))),
    anchors=(Anchor(0, line=1), Anchor(5, page=3, sheet="S")),
    item="a/ü.md",
    digest="ab",
    reader="markdown@1",
    metadata={"tags": ("x", "y"), "public": True, "size": 1.5},
)
CHUNKS = (
    Chunk(0, 0, 5, TEXT[:5], "Title\n" + TEXT[:5], 7, ("One", "Two"), line=1),
    Chunk(1, 5, len(TEXT), TEXT[5:], TEXT[5:], 9, page=3, sheet="S"),
)


def there_and_back(lines: list[Any]) -> list[Any]:
    file = io.BytesIO()
    write_lines(file, lines)
    return list(read_lines(file.getvalue()))


def test_documents_chunks_items_and_hits_come_back() -> None:
    item = Item("docs", "a", "file:///a", "f1", settled=False, size=3, metadata={"tags": ("x",)})
    hit = Hit(0.5, "docs", "a", "u", "T", 0, 3, "abc", ("h",), metadata={"tags": ("x",)},
              duplicates=({"source": "docs"},), trail={"dense": {"rank": 1, "score": 0.5}})  # fmt: skip
    chunked = ChunkedDocument(DOCUMENT, CHUNKS)
    entries = there_and_back([asdict(item), asdict(DOCUMENT), chunked_entry(chunked), asdict(hit)])
    assert item_of(entries[0]) == item
    assert document_of(entries[1]) == DOCUMENT
    assert chunked_of(entries[2]) == chunked
    assert hit_of(entries[3]) == hit


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=10))
def test_lines_come_back_whatever_they_hold(lines: list[Any]) -> None:
    try:
        json.dumps(lines, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate is no text that a document can have
        return
    assert there_and_back(lines) == lines


def embedded(vectors: Any) -> EmbeddedDocument:
    return EmbeddedDocument(DOCUMENT, CHUNKS, vectors, (b"a" * 32, b"b" * 32), embedded=1, cached=1, tokens=7)


def test_vectors_come_back_bit_by_bit() -> None:
    vectors = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    documents = [embedded(vectors[:2]), embedded(vectors[2:])]
    file = io.BytesIO()
    write_vectors(file, documents)
    back = list(embedded_of(file.getvalue(), [ChunkedDocument(DOCUMENT, CHUNKS)] * 2))
    for one, other in zip(documents, back, strict=True):
        assert other.vectors.dtype == np.float32
        assert (one.vectors == other.vectors).all()
        assert one.input_hashes == other.input_hashes
        assert (other.embedded, other.cached, other.tokens) == (1, 1, 7)


def test_no_documents_are_no_vectors() -> None:
    file = io.BytesIO()
    write_vectors(file, [])
    assert list(embedded_of(file.getvalue(), [])) == []


def test_the_same_content_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for now in (1_000_000_000.0, 1_700_000_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        lines, vectors = io.BytesIO(), io.BytesIO()
        write_lines(lines, [asdict(DOCUMENT)])
        write_vectors(vectors, [embedded(np.ones((2, 3), np.float32))])
        made.append((lines.getvalue(), vectors.getvalue()))
    assert made[0] == made[1]


def test_nothing_pickled_is_read() -> None:
    file = io.BytesIO()
    np.savez(file, vectors=np.array([object()]), hashes=np.zeros((1, 32), np.uint8), counts=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="allow_pickle"):
        list(embedded_of(file.getvalue(), [ChunkedDocument(DOCUMENT, CHUNKS)]))
