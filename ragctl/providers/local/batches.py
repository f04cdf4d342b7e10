"""Packs token ids into batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    TokenIds = NDArray[np.int32]

_LENGTH_STEP = 8
"""Lengths are rounded up to this: fewer shapes, and so fewer kernels for the runtime to prepare."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs that the model reads together.

    Attributes:
        positions: number of each row's input.
        ids: shape (rows, tokens), padded with 0.
        lengths: shape (rows,), tokens that count in each row.
        second: shape (rows,), where the second segment begins in each row; None where there are no pairs.
    """

    positions: tuple[int, ...]
    ids: TokenIds
    lengths: TokenIds
    second: TokenIds | None = None


def pack(inputs: Sequence[TokenIds], *, batch_tokens: int, first: int = 0) -> Iterator[Batch]:
    """Batches of inputs of similar length, the longest first.

    A batch holds at most `batch_tokens` tokens, padding included, but at least one input. `first`
    is the position of `inputs[0]`.
    """
    order = sorted(range(len(inputs)), key=lambda i: -len(inputs[i]))
    at = 0
    while at < len(order):
        width = -(-len(inputs[order[at]]) // _LENGTH_STEP) * _LENGTH_STEP
        rows = order[at : at + max(1, batch_tokens // width)]
        at += len(rows)
        yield _padded(inputs, rows, width, first)


def _padded(inputs: Sequence[TokenIds], rows: Sequence[int], width: int, first: int) -> Batch:
    import numpy as np

    ids = np.zeros((len(rows), width), np.int32)
    for row, index in enumerate(rows):
        ids[row, : len(inputs[index])] = inputs[index]
    lengths = np.array([len(inputs[index]) for index in rows], np.int32)
    return Batch(tuple(first + index for index in rows), ids, lengths)
