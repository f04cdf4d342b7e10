"""How many tokens any span of a document has, from one pass of the tokenizer over it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from ragctl.ports import Tokenizer
from ragctl.splitters.embed_input import KEPT_OF_RUN, RUN, squeezed, word_by_word

if TYPE_CHECKING:
    from ragctl.ports import Offsets

CHARACTERS_PER_TOKEN = 32
"""A span counts at least one token for so many characters. A tokenizer may see one token in a
thousand characters (WordPiece calls any word of more than 100 unknown), and a passage of a
megabyte is nothing to show, whatever the model makes of it."""


class TokenCounts:
    """Counts for spans of `text`, in tokens of its embed input's body: runs of punctuation, which
    `embed_input.squeezed` shortens, count shortened.

    Attributes:
        has_runs: whether there are such runs in the text.
    """

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        starts = tokenizer.token_starts(text)
        runs = [(run.start() + KEPT_OF_RUN, run.end()) for run in RUN.finditer(text)]
        self._text = text
        self._add_up = word_by_word(text, tokenizer)
        self.has_runs = bool(runs)
        if runs:
            starts = _without(starts, runs)
            # a run of anything else may be one token to a model, and its beginning three
            of_ascii = all(text[end - 1].isascii() for _, end in runs)
            self._add_up = self._add_up and of_ascii and word_by_word(squeezed(text), tokenizer)
        self._starts = array("q", starts.astype("int64", copy=False).tobytes())

    def tokens(self, start: int, end: int) -> int:
        """Tokens that begin in the span."""
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def exactly(self, start: int, end: int) -> int | None:
        """What [start, end), shortened, adds to the tokens of an input that it is set apart in by newlines.

        None where only the tokenizer can say: the tokens of the text do not add up, or an edge of the
        span is not at white space.
        """
        apart = self._add_up and self._at_space(start - 1) and self._at_space(end)
        return self.tokens(start, end) if apart else None

    def _at_space(self, offset: int) -> bool:
        return not 0 <= offset < len(self._text) or self._text[offset] in " \t\n"

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
