"""Counts tokens by OpenAI's own tables, which the package bpe-openai brings along: nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.errors import MissingPackage
from ragctl.providers.local.pieces import Cuts, pieces
from ragctl.providers.openai.models import table_of
from ragctl.providers.remote.characters import lone_surrogate
from ragctl.providers.remote.counting import ByteTokenizer, RemoteTokenizer
from ragctl.providers.remote.tokenizer_file import FileTokenizer

if TYPE_CHECKING:
    import numpy as np
    from bpe_openai._bindings import PyTokenizer
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]

BYTES = "bytes"
"""As `tokenizer`: count bytes, though a better table could be had."""

_PIECE_CHARACTERS = 65_536

# A letter or digit and the white space after it are never in one token of these tables, whatever follows.
_CUTS = Cuts(" \n\t", re.compile(r"(?<=[A-Za-z0-9])(?=[ \n\t])"))


class TableTokenizer:
    """Counts as OpenAI's models do; implements `ports.Tokenizer`. Safe to share between threads.

    Text that looks like a special token (`<|endoftext|>`) is counted as the text that it is, as the
    embedding models read it.

    Args:
        table: `cl100k_base` or `o200k_base`.
        prefix: what stands before every passage.
    """

    exact = True

    def __init__(self, table: str, *, prefix: str = "") -> None:
        self.name = table
        self._prefix = prefix

    @cached_property
    def special_tokens(self) -> int:
        """Those of the prefix: the models themselves add none."""
        return self.count([""])[0]

    def token_starts(self, text: str) -> Offsets:
        """Offset in `text` (code points) of each token's first character, shape (tokens,), ascending.

        Tokens are made of bytes: where several are parts of one character, its offset is there as often.

        Raises:
            MalformedDocument: the text has a lone surrogate.
        """
        import numpy as np

        lengths = _byte_lengths(self.name)
        parts = [np.empty(0, np.int64)]
        for start, piece in self._pieces(text):
            ids = np.array(self._table.encode(piece), np.int64)
            ends = np.cumsum(lengths[ids])
            of_bytes = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ids) else ends
            parts.append(start + _characters(piece)[of_bytes])
        return np.concatenate(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text with the prefix before it.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        return [
            sum(self._table.count(piece) for _, piece in self._pieces(self._prefix + text)) for text in texts
        ]

    @property
    def _table(self) -> PyTokenizer:
        return _table(self.name)

    def _pieces(self, text: str) -> Iterator[tuple[int, str]]:
        error = lone_surrogate(text)
        if error is not None:
            raise error
        return pieces(text, _PIECE_CHARACTERS, _CUTS)


def tokenizer_for(
    model: str, *, tokenizer: Path | str | None = None, base: Path | None = None, prefix: str = ""
) -> RemoteTokenizer:
    """Counts as `model` does, or an upper bound; see its `exact`.

    Args:
        tokenizer: `bytes` for the upper bound; otherwise see `FileTokenizer`. None: OpenAI's own table
            for a model of that name, the upper bound for any other.
        base: the directory that `tokenizer` is relative to.
        prefix: what stands before every passage.

    Raises:
        UsageError: `tokenizer` names nothing.
        MissingPackage: the model's table is known, and bpe-openai is not installed. The bound is not
            taken in its place: chunks would be cut in other places than on the next machine.
    """
    if tokenizer is not None and str(tokenizer) != BYTES:
        return FileTokenizer(tokenizer, base=base, prefix=prefix)
    table = table_of(model)
    if tokenizer is not None or table is None:
        return ByteTokenizer(prefix)
    if find_spec("bpe_openai") is None:
        raise MissingPackage(
            f"the tokens of {model} are counted by the Python package 'bpe_openai', which is not installed",
            hint="pip install 'ragctl[openai]'; where there is no wheel of it, set tokenizer: bytes "
            "(an upper bound)",
        )
    return TableTokenizer(table, prefix=prefix)


@lru_cache
def _table(name: str) -> PyTokenizer:
    # The package's `Encoding` refuses long texts and keeps each result; the table itself does neither.
    from bpe_openai._bindings import tokenizer_for_encoding

    return tokenizer_for_encoding(name)


@lru_cache
def _byte_lengths(name: str) -> Offsets:
    """Bytes of each token, by its number."""
    import bpe_openai
    import numpy as np

    return np.array([len(token) for token in bpe_openai.get_encoding(name).token_byte_values()], np.int64)


def _characters(text: str) -> Offsets:
    """The offset of each byte's character, shape (bytes,)."""
    import numpy as np

    if text.isascii():
        return np.arange(len(text), dtype=np.int64)
    data = np.frombuffer(text.encode("utf-8"), np.uint8)
    return np.cumsum((data & 0xC0) != 0x80, dtype=np.int64) - 1
