"""Which sections of a document are cut together: small neighbours make one span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ragctl.splitters.embed_input import Headings
from ragctl.splitters.token_counts import TokenCounts
from ragctl.splitters.units import Units
from ragctl.types import Document


@dataclass(slots=True)
class Span:
    """Whole sections [start, end) under the headings that they have in common."""

    start: int
    end: int
    headings: Headings
    size: int


def packed(
    document: Document,
    counts: TokenCounts,
    *,
    small: int,
    budget: Callable[[Headings], int],
) -> list[Span]:
    """The document's sections as spans, in order; a section without text is part of none.

    A span of fewer than `small` tokens takes in its next neighbour, and a section of fewer than
    that goes to the span before it, as long as the whole fits `budget(common headings)`: a lone
    heading goes with what it introduces, and "See also" with one link is no chunk of its own.
    A slide or a message has its spans for itself, however small, so that what is found in it is cited by
    its own number.
    """
    spans: list[Span] = []
    units = Units(document.blocks)
    for section in units.cut(document.sections):
        if not document.text[section.start : section.end].strip():
            continue
        size = counts.size(section.start, section.end)
        last = spans[-1] if spans else None
        near = last is not None and units.at(last.start) == units.at(section.start)
        if last is not None and near and (size < small or last.size < small):
            headings = _common(last.headings, section.headings)
            together = counts.size(last.start, section.end)
            if together <= budget(headings):
                last.end, last.headings, last.size = section.end, headings, together
                continue
        spans.append(Span(section.start, section.end, section.headings, size))
    return spans


def _common(one: Headings, other: Headings) -> Headings:
    depth = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        depth += 1
    return one[:depth]
