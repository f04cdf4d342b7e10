"""Counts tokens for a remote model: what such a tokenizer is, and the upper bound where there is none."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ragctl.ports import Tokenizer
from ragctl.providers.remote.characters import lone_surrogate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]

_SPECIAL = 3
"""Two that most models put around a text, and a space that some put before it."""


class RemoteTokenizer(Tokenizer, Protocol):
    """A tokenizer that knows how good its counts are."""

    @property
    def exact(self) -> bool:
        """Does it count as the model does? If not, it never counts less."""
        ...

    @property
    def name(self) -> str:
        """For the lock: which table it counts by; `bytes` is the upper bound."""
        ...


class ByteTokenizer:
    """An upper bound where a model's tokenizer cannot be had: one token a byte of UTF-8.

    No token of a byte-level model, or of one that falls back to bytes, is shorter than a byte. Models
    that decompose characters first (NFKD) are thought of: the longer form counts. Text in English has
    some four times fewer tokens.

    Args:
        prefix: what stands before every passage.
    """

    exact = False
    name = "bytes"

    def __init__(self, prefix: str = "") -> None:
        self._prefix = int(self._bytes_of(prefix).sum())

    @property
    def special_tokens(self) -> int:
        """Three, and those of the prefix."""
        return _SPECIAL + self._prefix

    def token_starts(self, text: str) -> Offsets:
        """The offset of each byte's character, shape (bytes,).

        Raises:
            MalformedDocument: the text has a lone surrogate.
        """
        import numpy as np

        return np.repeat(np.arange(len(text), dtype=np.int64), self._bytes_of(text))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Bytes of each text and of what stands around it.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        return [self.special_tokens + int(self._bytes_of(text).sum()) for text in texts]

    def _bytes_of(self, text: str) -> Offsets:
        """Of each character, shape (characters,)."""
        import numpy as np

        widths = np.ones(len(text), np.int64)
        if text.isascii():
            return widths
        error = lone_surrogate(text)
        if error is not None:
            raise error
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        wider = codes >= 128
        distinct, places = np.unique(codes[wider], return_inverse=True)
        widths[wider] = np.array([_width(chr(code)) for code in distinct.tolist()], np.int64)[places]
        return widths


def _width(character: str) -> int:
    decomposed = unicodedata.normalize("NFKD", character)
    return max(len(character.encode("utf-8")), len(decomposed.encode("utf-8")))
