"""What all splitters share: how they are made, and the order in which a document becomes chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragctl.ports import Tokenizer
from ragctl.splitters.drafts import Draft, chunked
from ragctl.splitters.embed_input import Headers
from ragctl.splitters.sizes import check_sizes, room_for_text
from ragctl.splitters.table_headers import TableHeaders
from ragctl.splitters.token_counts import TokenCounts
from ragctl.types import ChunkedDocument, Document

_HEADER_SHARE = 2
"""The header takes at most one in so many of an input's tokens."""
_TABLE_HEADER_SHARE = 4
"""The header row of a table likewise."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A document, and what its cuts are chosen by.

    `body` is the tokens that an input has for header and text.
    """

    document: Document
    counts: TokenCounts
    headers: Headers
    tables: TableHeaders
    body: int

    @property
    def text(self) -> str:
        return self.document.text


class SizedSplitter(ABC):
    """A splitter whose chunks are sized in tokens. Spans begin and end with text, not white space.

    Args:
        tokenizer: the embedder's.
        max_tokens: the most that an embed input may have, special tokens included.
        overlap: the most tokens of a chunk that repeat the end of the one before it; at most half of
            `max_tokens`.
        min_tokens: sections of fewer tokens are packed with their neighbours, by `auto`.
        context: what the embed input says besides the text: `title`, `headings`, both or neither.
        language: of the text, as in the spec; `sentence` goes by it.
        embedder_limit: the most that the embedder reads.

    Raises:
        SpecError: a number is out of its range, or `context` names something unknown.
    """

    output_version: int
    """Raised by hand when the same document gives other chunks; part of the recipe."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        overlap: int,
        min_tokens: int = 64,
        context: Sequence[str] = ("title", "headings"),
        language: str = "english",
        embedder_limit: int,
    ) -> None:
        check_sizes(max_tokens, overlap, min_tokens, embedder_limit)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._overlap = overlap
        self._min_tokens = min_tokens
        self._context = tuple(context)
        self._language = language
        self._body = room_for_text(max_tokens, tokenizer.special_tokens)
        self._new_headers()

    def split(self, document: Document) -> ChunkedDocument:
        """The document's chunks, none if it has nothing but white space.

        The document is tokenized once to choose the cuts and the embed inputs once to be sure.

        Raises:
            OverlongInput: a single character has more tokens than the limit; with `none`, the document has.
        """
        measured = self._measured(document)
        return chunked(
            document,
            self._drafts(measured),
            counts=measured.counts,
            headers=measured.headers,
            tables=measured.tables,
            tokenizer=self._tokenizer,
            max_tokens=self._max_tokens,
        )

    @abstractmethod
    def _drafts(self, measured: Measured) -> Iterable[Draft]:
        """The chunks to be, in order; those whose input is too long after all are halved later."""

    def _measured(self, document: Document) -> Measured:
        headers = self._new_headers()
        headers.prepare(document, {section.headings for section in document.sections})
        tables = TableHeaders(document, self._tokenizer, limit=self._body // _TABLE_HEADER_SHARE)
        return Measured(document, TokenCounts(document.text, self._tokenizer), headers, tables, self._body)

    def _new_headers(self) -> Headers:
        return Headers(self._tokenizer, context=self._context, limit=self._body // _HEADER_SHARE)
