"""The values that travel between stages: frozen, plain, without behaviour beyond their own data.

Offsets count Unicode code points from 0; an end is exclusive. Lines and pages count from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Metadata = Mapping[str, Any]
ItemKey = tuple[str, str]
"""(source, path)"""

RECORD_MEDIA_TYPE = "application/vnd.ragctl.record+json"
"""A record as a source hands it to the reader: a JSON object with `title` (text or absent), `text` and
`metadata` (an object), UTF-8 with lone surrogates let through; no bytes at all if there is no text."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a source lists: a file, a page, a record.

    Attributes:
        source: name of the source, unique in a spec.
        path: identity within the source: POSIX, NFC, relative.
        uri: where a person finds it (`file:///…`, `https://…`).
        fingerprint: opaque; equal means "need not be read again". Empty: always read.
        settled: False if the item changed so recently that a later change might leave the
            fingerprint as it is (git's rule for racy timestamps); it is then read again next time.
        size: bytes, if known without reading.
        media_type: if the source knows it (an HTTP header); None lets the reader decide.
        locator: what the source itself needs to open the item, where that differs from `path`.
        metadata: typed values to filter by.
    """

    source: str
    path: str
    uri: str
    fingerprint: str
    settled: bool = True
    size: int | None = None
    media_type: str | None = None
    locator: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """A span of a document under one path of headings, outermost first.

    The sections of a document are in order, do not overlap and cover its whole text.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """From offset `start` on, the text comes from this place in the source.

    `line` is the source line at `start`; each newline in the text after it adds one.
    """

    start: int
    line: int | None = None
    page: int | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A span of a document that is kept whole where it fits.

    `header` is, of a table, its header row as text: it is repeated in the embed input of the chunks that
    begin after it.
    """

    start: int
    end: int
    kind: Literal["table", "code", "slide", "message"]
    header: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """Text read from an item, with the structure that the reader found.

    Attributes:
        source, path: the identity. `item` is the path of the item it came from (itself, mostly).
        text: what spans and citations refer to.
        title: for people. If `title_is_fallback`, it was made from the file name and is no part
            of any embed input, so that a rename changes no vector.
        media_type: what the reader took it for; the splitter chooses by it.
        sections: cover the text, see `Section`.
        anchors: sorted by `start`, the first at 0; empty if places are unknown.
        digest: SHA-256 (hex) of the item's bytes.
        reader: `name@output_version` of what made it.
        offset: characters of the item's text that come before `text`, where the document is one segment
            of a text too large for memory; 0 else. Sections, anchors and blocks count from the segment's
            start.
        blocks: sorted, do not overlap; most readers give none.
    """

    source: str
    path: str
    uri: str
    text: str
    title: str
    media_type: str
    sections: tuple[Section, ...]
    title_is_fallback: bool = False
    anchors: tuple[Anchor, ...] = ()
    item: str = ""
    digest: str = ""
    reader: str = ""
    metadata: Metadata = field(default_factory=dict)
    offset: int = 0
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document: `text == document.text[start - offset : end - offset]`, always.

    `offset` is the document's, 0 unless it is a segment of a text too large for memory.

    Attributes:
        ordinal: position in the document, from 0.
        headings: path of headings that the span stands under.
        embed_input: what the model reads: title, headings, text.
        tokens: tokens of `embed_input` as the embedder counts them, special tokens included.
        line, page, sheet: where the span starts in the source, as far as known.
    """

    ordinal: int
    start: int
    end: int
    text: str
    embed_input: str
    tokens: int
    headings: tuple[str, ...] = ()
    line: int | None = None
    page: int | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document and its chunks, in order of their spans."""

    document: Document
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedDocument:
    """A chunked document and one vector a chunk: `vectors` has shape (chunks, dimension), float32.

    `embedded` of them were made now, from inputs of `tokens` tokens in all; `cached` were found;
    the two add up to the number of chunks.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    input_hashes: tuple[bytes, ...]
    embedded: int = 0
    cached: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What was written for a document; the counts are those of `EmbeddedDocument`."""

    document: Document
    chunks: int
    embedded: int
    cached: int
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedBatch:
    """Vectors that a model returned: `vectors[i]` belongs to input number `positions[i]`."""

    positions: tuple[int, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that failed, by name, stage and reason.

    `error` is the kind of the error, `known` says that it failed the same way before and was
    not tried again.
    """

    source: str
    document: str
    stage: str
    error: str
    message: str
    retryable: bool
    known: bool = False


@dataclass(frozen=True, slots=True)
class LedgerItem:
    """What the ledger knows of an item.

    Attributes:
        fingerprint: of the last look at it; empty if it had not settled then.
        digest: SHA-256 (hex) of the bytes that are stored; empty if nothing of it is stored.
        stored: some version of its documents is in the index.
        failure: why the last try failed, if it did.
        skipped: why it was left out, if it was.
    """

    fingerprint: str
    digest: str = ""
    stored: bool = False
    failure: Failure | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """What lies beside a stored document's vectors: enough to make its row in the ledger again.

    Attributes:
        item: path of the item that it came from.
        digest: SHA-256 (hex) of the item's bytes; empty if the document is to be stored again.
        reader: `name@output_version`; empty if an earlier release stored it.
        fingerprint: of the last look at the item; empty if it is not known.
        chunks: how many there are.
    """

    source: str
    path: str
    item: str
    digest: str
    reader: str
    fingerprint: str
    chunks: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found for a question, with the trail of how it got there.

    `score` grows with relevance; `duplicates` are other places of the same text.
    """

    score: float
    source: str
    document: str
    uri: str
    title: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    line: int | None = None
    page: int | None = None
    sheet: str | None = None
    rank: int = 0
    metadata: Metadata = field(default_factory=dict)
    duplicates: tuple[Metadata, ...] = ()
    trail: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What providers were asked for; two of them add up.

    Attributes:
        tokens, output_tokens: that a model read and wrote, as the provider counts them.
        requests: that were sent, the repeated ones among them.
        retries: requests that repeated another one.
        seconds: from the sending of each request to its answer, waits between repetitions left out.
        cost_usd: None where a price is unknown.
    """

    tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    cost_usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            tokens=self.tokens + other.tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            seconds=self.seconds + other.seconds,
            cost_usd=(self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider takes, in US dollars. None is unknown, not nothing.

    Attributes:
        usd_per_million_tokens: that a model reads.
        usd_per_million_output_tokens: that it writes.
        usd_per_thousand_searches: of a reranker that is paid by the search.
    """

    usd_per_million_tokens: float | None
    usd_per_million_output_tokens: float | None = None
    usd_per_thousand_searches: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what a chat model reads."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer rests on, and the words of it that were found in its text.

    Attributes:
        number: as it stands in the answer, from 1.
        quote: `document text[start:end]`.
        start, end: in the document's text, as those of a hit.
    """

    number: int
    hit: Hit
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer made of passages.

    Attributes:
        text: with numbers of `citations` in it, as in `[1]`; empty if the passages do not answer.
        status: `grounded`: every statement has evidence that was found in its passage; `partial`: some have;
            `none`: none has, or the passages do not answer the question.
        citations: only those whose quote stands in the passage, in the order of their numbers.
        dropped: pieces of evidence that were not found.
        unsupported: statements without evidence.
        cut_off: the model was not done when it reached the most that it may write.
        passages: how many the model was shown.
    """

    text: str
    status: Literal["grounded", "partial", "none"]
    citations: tuple[Citation, ...] = ()
    dropped: int = 0
    unsupported: int = 0
    cut_off: bool = False
    passages: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a chat model wrote. `finish` says why it ended: `length` means that it was cut off."""

    text: str
    finish: Literal["stop", "length", "filtered", "other"] = "stop"
    usage: Usage = Usage()
