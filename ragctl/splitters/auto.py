"""The splitter: sections first, then the best boundaries of the text's type, sized in tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragctl.errors import OverlongInput, SpecError
from ragctl.ports import Tokenizer
from ragctl.splitters.embed_input import Headers, Headings, embed_input
from ragctl.splitters.overlap import overlapping_start
from ragctl.splitters.packing import Span, packed
from ragctl.splitters.pieces import cut
from ragctl.splitters.places import Places
from ragctl.splitters.token_counts import TokenCounts
from ragctl.types import Chunk, ChunkedDocument, Document

_HEADER_SHARE = 2
"""The header takes at most one in so many of an input's tokens."""
_LEAST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk to be: its span, headings and header; the input and its tokens once counted."""

    start: int
    end: int
    headings: Headings
    header: str
    input: str = ""
    tokens: int = 0


class AutoSplitter:
    """Cuts documents of any type that a reader makes.

    Small neighbouring sections are packed together under the headings they share; a section that
    does not fit is cut at paragraphs, list items, sentences, lines, words, and within a word only
    if there is nothing else. Spans begin and end with text, not white space.

    Args:
        tokenizer: the embedder's.
        max_tokens: the most that an embed input may have, special tokens included.
        overlap: the most tokens of a chunk that repeat the end of the one before it in the same
            section; at most half of `max_tokens`.
        min_tokens: sections of fewer tokens are packed with their neighbours.
        context: what the embed input says besides the text: `title`, `headings`, both or neither.
        embedder_limit: the most that the embedder reads.

    Raises:
        SpecError: a number is out of its range, or `context` names something unknown.
    """

    output_version = 1

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_tokens: int,
        overlap: int,
        min_tokens: int = 64,
        context: Sequence[str] = ("title", "headings"),
        embedder_limit: int,
    ) -> None:
        _check(max_tokens, overlap, min_tokens, embedder_limit)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._overlap = overlap
        self._min_tokens = min_tokens
        self._context = tuple(context)
        self._body = max_tokens - tokenizer.special_tokens
        self._new_headers()

    def split(self, document: Document) -> ChunkedDocument:
        """The document's chunks, none if it has nothing but white space.

        The document is tokenized once to choose the cuts and the embed inputs once to be sure.

        Raises:
            OverlongInput: a single character has more tokens than the limit.
        """
        counts = TokenCounts(document.text, self._tokenizer)
        headers = self._new_headers()
        headers.prepare(document, {section.headings for section in document.sections})
        spans = packed(
            document.text,
            document.sections,
            counts,
            small=min(self._min_tokens, self._body // 2),
            budget=lambda headings: self._body - headers.under(headings)[1],
        )
        drafts = [draft for span in spans for draft in self._drafts(document, span, headers, counts)]
        fitting = self._fitted(document, drafts, counts)
        places = Places(document)
        return ChunkedDocument(
            document, tuple(_chunk(document, i, draft, places) for i, draft in enumerate(fitting))
        )

    def _new_headers(self) -> Headers:
        return Headers(self._tokenizer, context=self._context, limit=self._body // _HEADER_SHARE)

    def _drafts(
        self, document: Document, span: Span, headers: Headers, counts: TokenCounts
    ) -> Iterator[_Draft]:
        budget = self._body - headers.under(span.headings)[1]
        text = document.text
        if span.size <= budget:
            pieces = [(span.start, span.end)]
            overlap = 0
        else:
            overlap = min(self._overlap, budget // 2)
            size = _even(span.size, budget - overlap)
            pieces = cut(text, span.start, span.end, counts, size=size, media_type=document.media_type)
        previous: tuple[int, int] | None = None
        for piece in pieces:
            trimmed = _trimmed(text, *piece)
            if trimmed is None:
                continue
            start, end = trimmed
            if previous and overlap:
                # not before the last chunk's second character: starts must ascend
                start = overlapping_start(text, previous[0] + 1, start, counts, overlap)
            previous = (start, end)
            yield _Draft(start, end, span.headings, headers.above(span.headings, text[start:end]))

    def _fitted(self, document: Document, drafts: list[_Draft], counts: TokenCounts) -> list[_Draft]:
        """The drafts, counted as the model counts; one that is over the limit is halved until it fits."""
        fitting: list[_Draft] = []
        while drafts:
            inputs = [embed_input(draft.header, document.text[draft.start : draft.end]) for draft in drafts]
            counted = self._tokenizer.count(inputs)
            over: list[_Draft] = []
            for draft, text, tokens in zip(drafts, inputs, counted, strict=True):
                if tokens <= self._max_tokens:
                    fitting.append(_Draft(draft.start, draft.end, draft.headings, draft.header, text, tokens))
                else:
                    over.extend(self._halved(document, draft, counts))
            drafts = over
        fitting.sort(key=lambda draft: draft.start)
        return fitting

    def _halved(self, document: Document, draft: _Draft, counts: TokenCounts) -> Iterator[_Draft]:
        text, start, end = document.text, draft.start, draft.end
        if end - start == 1:
            if not draft.header:
                raise OverlongInput(
                    f"the single character at {start} has more tokens than the limit of {self._max_tokens}",
                    where=f"{document.source}:{document.path}",
                    hint="Raise chunk.max_tokens.",
                )
            yield _Draft(start, end, draft.headings, "")
            return
        tokens = counts.tokens(start, end)
        middle = counts.forward(start, end, tokens // 2) if tokens > 1 else (start + end) // 2
        if middle >= end:
            middle = (start + end) // 2
        for piece in ((start, middle), (middle, end)):
            trimmed = _trimmed(text, *piece)
            if trimmed:
                yield _Draft(*trimmed, draft.headings, draft.header)


def _check(max_tokens: int, overlap: int, min_tokens: int, embedder_limit: int) -> None:
    if max_tokens > embedder_limit:
        raise SpecError(
            f"chunk.max_tokens is {max_tokens}, but the embedder reads at most {embedder_limit} tokens",
            where="chunk.max_tokens",
            hint=f"Set it to {embedder_limit} or less, or choose another embedder.",
        )
    if max_tokens < _LEAST_TOKENS:
        raise SpecError(
            f"chunk.max_tokens is {max_tokens}; a chunk needs at least {_LEAST_TOKENS}",
            where="chunk.max_tokens",
        )
    if not 0 <= overlap <= max_tokens // 2:
        raise SpecError(
            f"chunk.overlap is {overlap}; it must be from 0 to half of max_tokens ({max_tokens // 2})",
            where="chunk.overlap",
        )
    if min_tokens < 0:
        raise SpecError(f"chunk.min_tokens is {min_tokens}; it must be 0 or more", where="chunk.min_tokens")


def _even(total: int, limit: int) -> int:
    """A size for pieces of about the same length instead of full ones and a scrap at the end.

    A quarter is left over the exact share, so that cuts can be at good places.
    """
    number = -(-total // limit)
    return min(limit, -(-total * 5 // (number * 4)))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without white space at its ends; None if nothing is left."""
    piece = text[start:end]
    stripped = piece.lstrip()
    if not stripped:
        return None
    return end - len(stripped), start + len(piece.rstrip())


def _chunk(document: Document, ordinal: int, draft: _Draft, places: Places) -> Chunk:
    place = places.at(draft.start)
    return Chunk(
        ordinal=ordinal,
        start=draft.start,
        end=draft.end,
        text=document.text[draft.start : draft.end],
        embed_input=draft.input,
        tokens=draft.tokens,
        headings=draft.headings,
        line=place.line,
        page=place.page,
        sheet=place.sheet,
    )
