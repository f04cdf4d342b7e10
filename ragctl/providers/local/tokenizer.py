"""Counts and places tokens as the local model reads them.

Long texts are encoded in pieces: memory stays bounded, and the library's time grows faster than
the length of a text (4 MB took 5.3 s whole, 0.7 s in pieces). A piece ends before a character at
which the model's pre-tokenizer always separates words, so that pieces and whole give the same
tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ragctl.errors import MalformedDocument
from ragctl.providers.local.model_files import TOKENIZER, ModelFiles

if TYPE_CHECKING:
    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]
    TokenIds = NDArray[np.int32]

_PIECE_CHARACTERS = 16_384
_WINDOW_CHARACTERS = 1 << 19
"""Characters encoded at once: an encoding takes about 300 bytes a character while it lives."""

_SAFE_CUTS = " \n\t\r,;.!?、。，"
"""A cut before one of these splits no word, no special token and no composed character."""

_SAFE_CUT = re.compile(f"[{re.escape(_SAFE_CUTS)}]")


class LocalTokenizer:
    """The tokenizer of a local model; implements `ports.Tokenizer`.

    Truncation and padding that the file asks for are switched off. Safe to share between threads.

    Args:
        files: where `tokenizer.json` is; it is read at first use.
        piece_characters: longest piece encoded at once, where the text has a safe place to cut.

    Raises (at first use):
        Unavailable: `tokenizer.json` cannot be read or is not the pinned one.
    """

    def __init__(self, files: ModelFiles, *, piece_characters: int = _PIECE_CHARACTERS) -> None:
        self._files = files
        self._piece_characters = piece_characters

    @property
    def special_tokens(self) -> int:
        """Tokens that the model adds to every input."""
        prefix, suffix = self._frame
        return len(prefix) + len(suffix)

    def token_starts(self, text: str) -> Offsets:
        """Offset in `text` (code points) of each token's first character, shape (tokens,).

        Ascending, but not strictly: a character that decomposes (Hangul) may give several tokens.
        Characters that the model drops (control characters, white space) start no token.

        Raises:
            MalformedDocument: the text has a lone surrogate.
        """
        import numpy as np

        parts = [np.empty(0, np.int64)]
        for _, start, encoding in self._encodings([text], offsets=True):
            starts = np.fromiter((first for first, _ in encoding.offsets), np.int64, len(encoding))
            parts.append(starts + start)
        return np.concatenate(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, never truncated.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        counts = [self.special_tokens] * len(texts)
        for index, _, encoding in self._encodings(texts):
            counts[index] += len(encoding)
        return counts

    def token_ids(self, texts: Sequence[str]) -> list[TokenIds]:
        """What the model reads for each text: shape (tokens,), special tokens included, untruncated.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        import numpy as np

        prefix, suffix = self._frame
        ids = [list(prefix) for _ in texts]
        for index, _, encoding in self._encodings(texts):
            ids[index].extend(encoding.ids)
        return [np.array([*of_text, *suffix], np.int32) for of_text in ids]

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._files.read(TOKENIZER).decode("utf-8"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """Ids of the special tokens before and after every input."""
        probe = self._library.encode("a")
        text_at = probe.special_tokens_mask.index(0)
        return probe.ids[:text_at], probe.ids[text_at + 1 :]

    def _encodings(
        self, texts: Sequence[str], *, offsets: bool = False
    ) -> Iterator[tuple[int, int, tokenizers.Encoding]]:
        """(number of the text, offset of the piece in it, the piece's encoding), in order."""
        encode = self._library.encode_batch if offsets else self._library.encode_batch_fast
        for window in self._windows(texts):
            try:
                encodings = encode([piece for _, _, piece in window], add_special_tokens=False)
            except TypeError:
                for index, start, piece in window:
                    _refuse_surrogates(piece, index, start)
                raise
            for (index, start, _), encoding in zip(window, encodings, strict=True):
                yield index, start, encoding

    def _windows(self, texts: Sequence[str]) -> Iterator[list[tuple[int, int, str]]]:
        window: list[tuple[int, int, str]] = []
        characters = 0
        for index, text in enumerate(texts):
            for start, piece in _pieces(text, self._piece_characters):
                window.append((index, start, piece))
                characters += len(piece)
                if characters >= _WINDOW_CHARACTERS:
                    yield window
                    window, characters = [], 0
        if window:
            yield window


def _pieces(text: str, limit: int) -> Iterator[tuple[int, str]]:
    """(offset, piece) of consecutive pieces, at most `limit` characters where the text allows it."""
    start = 0
    while len(text) - start > limit:
        end = max(text.rfind(cut, start + 1, start + limit) for cut in _SAFE_CUTS)
        if end < 0:
            found = _SAFE_CUT.search(text, start + limit)
            if not found:
                break
            end = found.start()
        yield start, text[start:end]
        start = end
    yield start, text[start:]


def _refuse_surrogates(text: str, index: int, start: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise MalformedDocument(
            f"text {index} has a lone surrogate (U+{code:04X}) at offset {start + error.start}, "
            "which is no character",
            hint="the reader of the document decoded it wrongly",
        ) from error
