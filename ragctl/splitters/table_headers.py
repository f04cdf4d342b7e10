"""The header rows of tables, repeated for the model where a chunk begins further down in the table."""

from __future__ import annotations

from bisect import bisect_right

from ragctl.ports import Tokenizer
from ragctl.splitters.embed_input import squeezed, word_by_word
from ragctl.types import Block, Document

_CELLS = " | "


class TableHeaders:
    """Says of an offset which header row belongs above a chunk that begins there.

    Args:
        limit: tokens. Of a longer header row the first cells are taken that fit.
    """

    def __init__(self, document: Document, tokenizer: Tokenizer, limit: int) -> None:
        self._text = document.text
        self._tokenizer = tokenizer
        self._limit = limit
        self._tables = [one for one in document.blocks if one.kind == "table" and one.header.strip()]
        self._starts = [one.start for one in self._tables]
        self._known: dict[str, tuple[str, int]] = {"": ("", 0)}

    @property
    def largest(self) -> int:
        """The most tokens that one of the document's header rows has."""
        return max((self._of(table)[1] for table in self._tables), default=0)

    def exactly(self, offset: int) -> int | None:
        """What the header row for a chunk that begins at `offset` adds to the tokens of any input; None where
        that depends on the input."""
        row, tokens = self.above(offset)
        return tokens if not row or word_by_word(row, self._tokenizer) else None

    def above(self, offset: int) -> tuple[str, int]:
        """The header row for a chunk that begins at `offset`, and its tokens; ("", 0) if it needs none.

        The first chunk of a table has the header row in its text, except in a later segment of a long one.
        """
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or not self._needed(self._tables[index], offset):
            return self._known[""]
        return self._of(self._tables[index])

    def _needed(self, table: Block, offset: int) -> bool:
        if offset >= table.end:
            return False
        first_row = self._text.find("\n", table.start, offset)
        later = first_row >= 0 and not self._text[table.start : first_row].isspace()
        return later or not self._text.startswith(table.header.strip(), offset)

    def _of(self, table: Block) -> tuple[str, int]:
        if table.header not in self._known:
            self._known[table.header] = self._fitting(table.header)
        return self._known[table.header]

    def _fitting(self, header: str) -> tuple[str, int]:
        cells = squeezed(" ".join(header.split())).split(_CELLS)
        fitting, over = 0, len(cells) + 1
        number = len(cells)  # all of them first
        while fitting + 1 < over:
            if self._tokens(cells[:number]) <= self._limit:
                fitting = number
            else:
                over = number
            number = (fitting + over) // 2
        return _CELLS.join(cells[:fitting]), self._tokens(cells[:fitting]) if fitting else 0

    def _tokens(self, cells: list[str]) -> int:
        return self._tokenizer.count([_CELLS.join(cells) + "\n"])[0] - self._tokenizer.special_tokens
