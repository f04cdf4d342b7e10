"""Puts a question and passages together as a cross-encoder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragctl.errors import OverlongInput
from ragctl.providers.local.batches import Batch, pack

if TYPE_CHECKING:
    from ragctl.providers.local.tokenizer import PairFrame

_LEAST_OF_PASSAGE = 16
"""Tokens that must be left for a passage, else its score would say nothing of it."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Batches of pairs, and the positions of the passages that were cut."""

    batches: list[Batch]
    truncated: tuple[int, ...]


def pack_pairs(
    question: Sequence[int],
    passages: Sequence[Sequence[int]],
    frame: PairFrame,
    *,
    max_tokens: int,
    batch_tokens: int,
) -> Pairs:
    """Batches of pairs of similar length. Only passages are cut, at their end.

    Args:
        question, passages: ids of their own tokens.
        max_tokens: of a pair, special tokens included.
        batch_tokens: most tokens in a batch, padding included.

    Raises:
        OverlongInput: the question leaves no room for a passage.
    """
    import numpy as np

    room = max_tokens - frame.tokens - len(question)
    if room < min(_LEAST_OF_PASSAGE, max_tokens // 2):
        raise OverlongInput(
            f"the question has {len(question)} tokens; with a passage, the cross-encoder reads at most "
            f"{max_tokens}",
            hint="make it shorter: nothing of a question is cut",
        )
    head = [*frame.before, *question]
    rows = [
        np.array([*head, *frame.between, *passage[:room], *frame.after], np.int32) for passage in passages
    ]
    second = max_tokens if frame.segment is None else len(head) + frame.segment
    batches = [
        replace(batch, second=np.full(len(batch.positions), second, np.int32))
        for batch in pack(rows, batch_tokens=batch_tokens)
    ]
    cut = tuple(index for index, passage in enumerate(passages) if len(passage) > room)
    return Pairs(batches, cut)
