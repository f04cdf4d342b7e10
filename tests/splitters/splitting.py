"""Making documents to split, and what must hold of their chunks."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.ports import Tokenizer
from ragctl.readers.sections import Heading, sections_of
from ragctl.splitters.auto import AutoSplitter
from ragctl.splitters.sized import SizedSplitter
from ragctl.types import Anchor, Block, Chunk, ChunkedDocument, Document, Section


def document_of(
    text: str,
    *,
    title: str = "Title",
    fallback: bool = False,
    media_type: str = "text/plain",
    sections: Sequence[Section] | None = None,
    blocks: Sequence[Block] = (),
    headings: Sequence[Heading] = (),
) -> Document:
    return Document(
        source="docs",
        path="a.txt",
        uri="file:///a.txt",
        text=text,
        title=title,
        title_is_fallback=fallback,
        media_type=media_type,
        sections=tuple(sections) if sections else sections_of(headings, len(text)),
        anchors=(Anchor(0, line=1),),
        blocks=tuple(blocks),
    )


def under_headings(parts: Sequence[tuple[int, str, str]]) -> Document:
    """A Markdown document of (level, heading, body)."""
    text = ""
    headings = []
    for level, heading, body in parts:
        headings.append(Heading(len(text), level, heading))
        text += f"{'#' * level} {heading}\n\n{body}\n\n"
    return document_of(text, media_type="text/markdown", headings=headings)


def split(
    tokenizer: Tokenizer,
    document: Document,
    *,
    max_tokens: int = 64,
    overlap: int = 8,
    min_tokens: int = 16,
    by: type[SizedSplitter] = AutoSplitter,
) -> tuple[Chunk, ...]:
    """The chunks, after `check`."""
    splitter = by(
        tokenizer, max_tokens=max_tokens, overlap=overlap, min_tokens=min_tokens, embedder_limit=max_tokens
    )
    chunked = splitter.split(document)
    check(chunked, tokenizer, max_tokens)
    return chunked.chunks


def check(chunked: ChunkedDocument, tokenizer: Tokenizer, max_tokens: int) -> None:
    """Spans are the text they say, in order, cover all text, and every input fits."""
    text, chunks = chunked.document.text, chunked.chunks
    covered = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text
        assert chunk.text == chunk.text.strip()
        assert text[covered : chunk.start].strip() == ""
        covered = max(covered, chunk.end)
        assert chunk.line == 1 + text.count("\n", 0, chunk.start)
    assert text[covered:].strip() == ""
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    counts = tokenizer.count([chunk.embed_input for chunk in chunks])
    assert counts == [chunk.tokens for chunk in chunks]
    assert all(count <= max_tokens for count in counts)
