"""chunk: documents → documents with chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ragctl.errors import EmptyDocument
from ragctl.ports import Splitter
from ragctl.stages.failures import FailureHandler, failure_of, reraise
from ragctl.types import ChunkedDocument, Document


def chunk(
    documents: Iterable[Document], splitter: Splitter, *, on_failure: FailureHandler = reraise
) -> Iterator[ChunkedDocument]:
    """Cuts each document. One that gives no chunk at all has failed: there is nothing to find in it."""
    for document in documents:
        try:
            chunked = splitter.split(document)
            if not chunked.chunks:
                raise EmptyDocument("there is no text in it")
        except Exception as error:
            on_failure(failure_of(document.source, document.path, "chunk", error))
            continue
        yield _in_the_whole(chunked)


def _in_the_whole(chunked: ChunkedDocument) -> ChunkedDocument:
    """Of a segment, with spans that count from the beginning of the whole text."""
    offset = chunked.document.offset
    if not offset:
        return chunked
    return ChunkedDocument(
        chunked.document,
        tuple(replace(one, start=one.start + offset, end=one.end + offset) for one in chunked.chunks),
    )
