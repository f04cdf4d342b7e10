"""Documents into batches: of about so many tokens, and never more batches than may be mapped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from ragctl.types import Item

# English text in the tokens of a BERT vocabulary: 4.2 to 4.6 bytes a token in the corpora measured here
# (docs/measurements.md). Markup has more bytes a token; an estimate too high only makes smaller batches.
BYTES_PER_TOKEN = 4
# What is not known to have a size is taken for a page of text.
UNKNOWN_BYTES = 4_000

T = TypeVar("T")


def estimated_tokens(item: Item) -> int:
    """Tokens of an item's text, at least 1, from its size alone."""
    size = UNKNOWN_BYTES if item.size is None else item.size
    return max(1, size // BYTES_PER_TOKEN)


def in_batches(items: Sequence[T], tokens: Sequence[int], *, target: int, most: int) -> list[list[T]]:
    """The items in their order, in batches of about `target` tokens.

    Args:
        tokens: of each item, at least 1.
        target: raised where it would give more than `most` batches.
        most: the most batches.

    Returns:
        At most `most` batches, none of them empty. A batch is at most `target` and one item large.
    """
    total = sum(tokens)
    size = max(target, -(-total // most))
    numbers = []
    before = 0
    for count in tokens:
        numbers.append(before // size)
        before += count
    numbered = zip(numbers, items, strict=True)
    return [[item for _, item in group] for _, group in groupby(numbered, key=lambda pair: pair[0])]
