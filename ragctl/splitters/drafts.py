"""From spans to chunks: what the model reads for each, counted, and halved where it does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ragctl.errors import OverlongInput
from ragctl.ports import Tokenizer
from ragctl.splitters.embed_input import Headers, Headings, embed_input, squeezed
from ragctl.splitters.places import Places
from ragctl.splitters.table_headers import TableHeaders
from ragctl.splitters.token_counts import TokenCounts
from ragctl.types import Chunk, ChunkedDocument, Document


@dataclass(frozen=True, slots=True)
class Draft:
    """A chunk to be: a span that begins and ends with text, its headings and its header."""

    start: int
    end: int
    headings: Headings
    header: str
    bare: bool = False
    """Nothing may stand before the text, not even a table's header row: it alone just fits."""


@dataclass(frozen=True, slots=True)
class _Counted:
    draft: Draft
    input: str
    tokens: int


def trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without white space at its ends; None if nothing is left."""
    piece = text[start:end]
    stripped = piece.lstrip()
    if not stripped:
        return None
    return end - len(stripped), start + len(piece.rstrip())


def chunked(
    document: Document,
    drafts: Iterable[Draft],
    *,
    counts: TokenCounts,
    headers: Headers,
    tables: TableHeaders,
    tokenizer: Tokenizer,
    max_tokens: int,
) -> ChunkedDocument:
    """The document's chunks; a draft whose input is over `max_tokens` is halved until it fits.

    Raises:
        OverlongInput: a single character has more tokens than the limit.
    """
    fitting: list[_Counted] = []
    inputs = _Inputs(document.text, counts, headers, tables, tokenizer)
    waiting = list(drafts)
    while waiting:
        over: list[Draft] = []
        for one in inputs.counted(waiting):
            if one.tokens <= max_tokens:
                fitting.append(one)
            else:
                over.extend(_halved(document, one.draft, counts, max_tokens))
        waiting = over
    fitting.sort(key=lambda one: one.draft.start)
    places = Places(document)
    return ChunkedDocument(
        document, tuple(_chunk(document.text, i, one, places) for i, one in enumerate(fitting))
    )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the model reads for drafts, and how many tokens that has."""

    text: str
    counts: TokenCounts
    headers: Headers
    tables: TableHeaders
    tokenizer: Tokenizer

    def counted(self, drafts: Sequence[Draft]) -> Iterator[_Counted]:
        inputs = list(map(self._input, drafts))
        tokens = list(map(self._exactly, drafts))
        unknown = [text for text, known in zip(inputs, tokens, strict=True) if known is None]
        asked = iter(self.tokenizer.count(unknown) if unknown else ())
        for draft, text, known in zip(drafts, inputs, tokens, strict=True):
            yield _Counted(draft, text, next(asked) if known is None else known)

    def _input(self, draft: Draft) -> str:
        row = "" if draft.bare else self.tables.above(draft.start)[0]
        body = self.text[draft.start : draft.end]
        if self.counts.has_runs:
            body = squeezed(body)
        return embed_input(draft.header, f"{row}\n{body}" if row else body)

    def _exactly(self, draft: Draft) -> int | None:
        """The tokens, where they add up from what is known; None where the tokenizer has to count them."""
        body = self.counts.exactly(draft.start, draft.end)
        header = self.headers.exactly(draft.header)
        row = 0 if draft.bare else self.tables.exactly(draft.start)
        if body is None or header is None or row is None:
            return None
        return self.tokenizer.special_tokens + header + row + body


def _halved(document: Document, draft: Draft, counts: TokenCounts, max_tokens: int) -> Iterator[Draft]:
    text, start, end = document.text, draft.start, draft.end
    if end - start == 1:
        if draft.bare:
            raise OverlongInput(
                f"the single character at {start} has more tokens than the limit of {max_tokens}",
                where=f"{document.source}:{document.path}",
                hint="Raise chunk.max_tokens.",
            )
        yield Draft(start, end, draft.headings, "", bare=True)
        return
    tokens = counts.tokens(start, end)
    middle = counts.forward(start, end, tokens // 2) if tokens > 1 else (start + end) // 2
    if middle >= end:
        middle = (start + end) // 2
    for piece in ((start, middle), (middle, end)):
        span = trimmed(text, *piece)
        if span:
            yield Draft(*span, draft.headings, draft.header)


def _chunk(text: str, ordinal: int, counted: _Counted, places: Places) -> Chunk:
    draft = counted.draft
    place = places.at(draft.start)
    return Chunk(
        ordinal=ordinal,
        start=draft.start,
        end=draft.end,
        text=text[draft.start : draft.end],
        embed_input=counted.input,
        tokens=counted.tokens,
        headings=draft.headings,
        line=place.line,
        page=place.page,
        sheet=place.sheet,
    )
