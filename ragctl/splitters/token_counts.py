"""How many tokens any span of a document has, from one pass of the tokenizer over it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from ragctl.ports import Tokenizer
from ragctl.splitters.embed_input import KEPT_OF_RUN, RUN

if TYPE_CHECKING:
    from ragctl.ports import Offsets

CHARACTERS_PER_TOKEN = 32
"""A span counts at least one token for so many characters. A tokenizer may see one token in a
thousand characters (WordPiece calls any word of more than 100 unknown), and a passage of a
megabyte is nothing to show, whatever the model makes of it."""


class TokenCounts:
    """Counts for spans of `text`, in tokens of its embed input's body: runs of punctuation, which
    `embed_input.squeezed` shortens, count shortened."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        starts = tokenizer.token_starts(text)
        runs = [(run.start() + KEPT_OF_RUN, run.end()) for run in RUN.finditer(text)]
        if runs:
            starts = _without(starts, runs)
        self._starts = array("q", starts.astype("int64", copy=False).tobytes())

    def tokens(self, start: int, end: int) -> int:
        """Tokens that begin in the span."""
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def size(self, start: int, end: int) -> int:
        """What the span takes of a budget: its tokens, or its length where it has hardly any."""
        return max(self.tokens(start, end), (end - start) // CHARACTERS_PER_TOKEN)

    def forward(self, start: int, end: int, size: int) -> int:
        """The furthest offset in (start, end] such that [start, offset) has at most `size`, but at
        least one character."""
        token = bisect_left(self._starts, start) + size
        by_tokens = self._starts[token] if token < len(self._starts) else end
        by_length = start + (size + 1) * CHARACTERS_PER_TOKEN - 1
        return max(start + 1, min(end, by_tokens, by_length))

    def back(self, start: int, offset: int, tokens: int) -> int:
        """The nearest offset to `start` in [start, offset] such that [it, offset) has at most `tokens`."""
        token = bisect_left(self._starts, offset) - tokens
        by_length = offset - (tokens + 1) * CHARACTERS_PER_TOKEN + 1
        return min(offset, max(start, by_length, self._starts[token] if token > 0 else 0))


def _without(starts: Offsets, runs: list[tuple[int, int]]) -> Offsets:
    """`starts` less those inside one of the `runs`."""
    import numpy as np

    edges = np.array(runs, dtype=np.int64).reshape(-1)
    # an odd position among the edges is inside a run
    outside: Offsets = starts[np.searchsorted(edges, starts, side="right") % 2 == 0]
    return outside
