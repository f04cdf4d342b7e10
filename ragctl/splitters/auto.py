"""The splitter by content type: sections, then the best boundaries of the text's type, sized in tokens."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.splitters.blocks import Piece, blocks_within, cut_around_blocks
from ragctl.splitters.drafts import Draft, trimmed
from ragctl.splitters.overlap import overlapping_start
from ragctl.splitters.packing import Span, packed
from ragctl.splitters.pieces import cut
from ragctl.splitters.separators import separators_of
from ragctl.splitters.sized import Measured, SizedSplitter
from ragctl.splitters.sizes import even


class AutoSplitter(SizedSplitter):
    """Cuts documents of any type that a reader makes.

    Small neighbouring sections are packed together under the headings they share; a section that does not fit
    is cut at its type's boundaries: definitions in code, else paragraphs, items, sentences, lines, words,
    and within a word only if there is nothing else. What the reader found to be a block (a table, a piece of
    code, a slide, a message) is cut only where it does not fit by itself: a table between its rows, with the
    header row repeated in the embed inputs. A slide or a message shares no chunk with another.
    """

    output_version = 2

    def _drafts(self, measured: Measured) -> Iterator[Draft]:
        spans = packed(
            measured.document,
            measured.counts,
            small=min(self._min_tokens, self._body // 2),
            budget=lambda headings: self._body - measured.headers.under(headings)[1],
        )
        for span in spans:
            yield from self._of_span(measured, span)

    def _of_span(self, measured: Measured, span: Span) -> Iterator[Draft]:
        text, counts = measured.text, measured.counts
        budget = self._body - measured.headers.under(span.headings)[1]
        overlap = min(self._overlap, budget // 2)
        previous: Piece | None = None
        for piece in self._pieces(measured, span, budget, overlap):
            edges = trimmed(text, piece.start, piece.end)
            if edges is None:
                continue
            start, end = edges
            if previous and overlap and piece.begins_in_prose and previous.prose_from < start:
                # not before the last chunk's second character: starts must ascend
                first = max(previous.start + 1, previous.prose_from)
                start = overlapping_start(text, first, start, counts, overlap)
            previous = Piece(start, end, piece.begins_in_prose, max(start, piece.prose_from))
            header = measured.headers.above(span.headings, text[start:end])
            yield Draft(start, end, span.headings, header)

    def _pieces(self, measured: Measured, span: Span, budget: int, overlap: int) -> list[Piece]:
        """The span cut so that each piece fits the budget: with a table's header row, or with the overlap."""
        if span.size + measured.tables.above(span.start)[1] <= budget:
            return [Piece(span.start, span.end)]
        blocks = blocks_within(measured.document.blocks, span.start, span.end)
        if blocks:
            return cut_around_blocks(measured, span, blocks, budget=budget, overlap=overlap)
        spans = cut(
            measured.text,
            span.start,
            span.end,
            measured.counts,
            size=even(span.size, budget - overlap),
            separators=separators_of(measured.document.media_type),
        )
        return [Piece(start, end) for start, end in spans]
