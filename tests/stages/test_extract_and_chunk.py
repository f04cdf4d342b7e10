"""A document fails alone, by name, stage and reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragctl.errors import MalformedDocument, Unavailable, UnreadableDocument
from ragctl.stages.chunk import chunk
from ragctl.stages.extract import extract
from ragctl.stages.failures import StageFailure
from ragctl.types import Chunk, ChunkedDocument, Document, Failure, Item, Section


def item(path: str) -> Item:
    return Item(source="docs", path=path, uri="", fingerprint="")


def document(path: str) -> Document:
    return Document("docs", path, "", "text", path, "text/plain", (Section(0, 4),))


def read(one: Item) -> Iterator[Document]:
    if one.path == "broken":
        yield document("broken/part")
        raise MalformedDocument("not what it says")
    if one.path == "crash":
        raise ValueError("a parser's own complaint")
    if one.path == "busy":
        raise UnreadableDocument("somebody has it open")
    if one.path == "offline":
        raise Unavailable("no network")
    yield document(one.path)


def test_failures_are_collected_and_the_rest_goes_on() -> None:
    failures: list[Failure] = []
    names = ["a", "broken", "crash", "busy", "b"]
    result = extract(map(item, names), read, on_failure=lambda one: failures.append(one.failure))
    assert [one.path for one in result] == ["a", "b"]  # no part of the broken one either
    assert [(one.document, one.stage, one.error, one.retryable) for one in failures] == [
        ("broken", "extract", "malformed", False),
        ("crash", "extract", "crashed", False),
        ("busy", "extract", "unreadable", True),
    ]
    assert failures[1].message == "ValueError: a parser's own complaint"


def test_the_world_s_faults_are_no_document_s() -> None:
    with pytest.raises(Unavailable):
        list(extract([item("offline")], read, on_failure=lambda _: None))


def test_strict_by_default() -> None:
    with pytest.raises(StageFailure, match="docs: broken: extract: not what it says"):
        list(extract([item("broken")], read))


class HalfSplitter:
    """A fake: one chunk for a text, none for an empty one, an error for "odd"."""

    output_version = 1

    def split(self, one: Document) -> ChunkedDocument:
        if one.path == "odd":
            raise RuntimeError("cannot split this")
        chunks = () if one.path == "blank" else (Chunk(0, 0, 4, "text", "text", 1),)
        return ChunkedDocument(one, chunks)


def test_no_chunks_is_a_failure() -> None:
    failures: list[Failure] = []
    documents = map(document, ["a", "blank", "odd", "b"])
    result = chunk(documents, HalfSplitter(), on_failure=lambda one: failures.append(one.failure))
    assert [one.document.path for one in result] == ["a", "b"]
    assert [(one.document, one.stage, one.error) for one in failures] == [
        ("blank", "chunk", "empty"),
        ("odd", "chunk", "crashed"),
    ]
