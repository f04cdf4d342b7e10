"""A span with blocks in it, cut so that those stay whole that fit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragctl.splitters.code_boundaries import code_separators
from ragctl.splitters.packing import Span
from ragctl.splitters.pieces import cut, is_scrap, later_cut
from ragctl.splitters.separators import TABLE, separators_of
from ragctl.splitters.sized import Measured
from ragctl.splitters.sizes import even
from ragctl.types import Block

_SEAMS = 2
"""Tokens that the newlines between header and text are to some models; others read none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A span that becomes a chunk.

    Attributes:
        begins_in_prose: so that it may repeat the end of the piece before it.
        prose_from: behind the last block in it; `end` if it ends with one.
    """

    start: int
    end: int
    begins_in_prose: bool = True
    prose_from: int = 0


def blocks_within(blocks: Sequence[Block], start: int, end: int) -> list[Block]:
    """What lies in [start, end) of the blocks, which are sorted and do not overlap."""
    found: list[Block] = []
    index = max(0, bisect_right(blocks, start, key=lambda block: block.start) - 1)
    for block in blocks[index:]:
        if block.start >= end:
            break
        clipped = replace(block, start=max(block.start, start), end=min(block.end, end))
        if clipped.end > clipped.start:
            found.append(clipped)
    return found


def cut_around_blocks(
    measured: Measured, span: Span, blocks: Sequence[Block], *, budget: int, overlap: int
) -> list[Piece]:
    """Pieces that put together are the span, in order; neighbours that fit together are one.

    A table that does not fit is cut between its rows, code before its definitions, a slide or a message as
    prose is.

    Args:
        budget: tokens that a piece may have, with the header row that is repeated above it and the
            `overlap` that is put before it.
    """
    room = max(1, budget - _SEAMS)
    pieces: list[Piece] = []
    for piece in _alone(measured, span, blocks, room, overlap):
        _add(measured, pieces, piece, room, overlap)
    return pieces


def _alone(
    measured: Measured, span: Span, blocks: Sequence[Block], room: int, overlap: int
) -> Iterator[Piece]:
    at = span.start
    for block in blocks:
        yield from _of_prose(measured, at, block.start, room - overlap)
        yield from _of_block(measured, block, room, overlap)
        at = block.end
    yield from _of_prose(measured, at, span.end, room - overlap)


def _of_prose(measured: Measured, start: int, end: int, size: int) -> Iterator[Piece]:
    separators = separators_of(measured.document.media_type)
    for first, stop in _cut(measured, start, end, size, separators):
        yield Piece(first, stop, prose_from=first)


def _of_block(measured: Measured, block: Block, room: int, overlap: int) -> Iterator[Piece]:
    row = measured.tables.above(block.start)[1]
    if measured.counts.size(block.start, block.end) + row <= room:
        yield Piece(block.start, block.end, begins_in_prose=False, prose_from=block.end)
    elif block.kind in ("slide", "message"):
        yield from _of_prose(measured, block.start, block.end, room - overlap)
    else:
        row = max(row, measured.tables.above(block.end - 1)[1])
        separators = TABLE if block.kind == "table" else code_separators()
        for first, stop in _cut(measured, block.start, block.end, room - row, separators):
            yield Piece(first, stop, begins_in_prose=False, prose_from=stop)


def _cut(
    measured: Measured, start: int, end: int, size: int, separators: Sequence[str]
) -> list[tuple[int, int]]:
    size = max(1, size)
    total = measured.counts.size(start, end)
    if total <= size:
        return [(start, end)] if end > start else []
    size = even(total, size)
    return cut(measured.text, start, end, measured.counts, size=size, separators=separators)


def _add(measured: Measured, pieces: list[Piece], piece: Piece, room: int, overlap: int) -> None:
    """Appends the piece, or joins it, or its beginning, to the last one."""
    if pieces:
        last = pieces[-1]
        before = pieces[-2] if len(pieces) > 1 else None
        if last.begins_in_prose and before and before.prose_from < before.end:
            room -= overlap
        room -= measured.tables.above(last.start)[1]
        if measured.counts.size(last.start, piece.end) <= room:
            behind = piece.prose_from if piece.prose_from > piece.start else last.prose_from
            pieces[-1] = replace(last, end=piece.end, prose_from=behind)
            return
        if piece.begins_in_prose and is_scrap(measured.counts.size(last.start, last.end), room):
            place = later_cut(measured.text, last.start, piece.start, piece.end, measured.counts, room)
            pieces[-1] = replace(last, end=place)
            piece = replace(piece, start=place, prose_from=place)
    pieces.append(piece)
