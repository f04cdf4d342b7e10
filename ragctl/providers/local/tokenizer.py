"""Counts and places tokens as the local model reads them.

Where a tokenizer allows it, they are counted word by word, see `word_counts.py`: the library itself reads
1 to 3 MB/s.
Long texts are encoded in pieces, see `pieces.py`: memory stays bounded, and the library's time grows
faster than the length of a text (4 MB took 5.3 s whole, 0.7 s in pieces).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ragctl.errors import MalformedDocument, UsageError
from ragctl.providers.local.checked_files import CheckedFiles
from ragctl.providers.local.description import TOKENIZER
from ragctl.providers.local.pieces import Cuts, cuts_for, pieces
from ragctl.providers.local.word_counts import WordCounts, counts_by_word

if TYPE_CHECKING:
    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]
    TokenIds = NDArray[np.int32]

_PIECE_CHARACTERS = 16_384
_WINDOW_CHARACTERS = 1 << 19
"""Characters encoded at once: an encoding takes about 300 bytes a character while it lives."""


class PairFrame(NamedTuple):
    """Ids of the special tokens before, between and after two texts.

    `segment` is where the second segment begins, counted from the end of the first text; None if both
    texts belong to the first.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    segment: int | None

    @property
    def tokens(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


class LocalTokenizer:
    """The tokenizer of a local model; implements `ports.Tokenizer`.

    Truncation and padding that the file asks for are switched off. Safe to share between threads.

    Args:
        files: where `tokenizer.json` is; it is read at first use.
        piece_characters: longest piece encoded at once, where the text has a safe place to cut.

    Raises (at first use):
        Unavailable: `tokenizer.json` cannot be read or is not the one that the model's digest is of.
        UsageError: it is no tokenizer, or puts nothing around a text.
    """

    def __init__(self, files: CheckedFiles, *, piece_characters: int = _PIECE_CHARACTERS) -> None:
        self._files = files
        self._piece_characters = piece_characters

    @cached_property
    def special_tokens(self) -> int:
        """Tokens that the model adds to every input: its own, and those of the prefix of passages."""
        return self.count([""])[0]

    @cached_property
    def largest_id(self) -> int:
        """The largest number that a token can have."""
        return max(self._library.get_vocab(with_added_tokens=True).values(), default=0)

    def token_starts(self, text: str) -> Offsets:
        """Offset in `text` (code points) of each token's first character, shape (tokens,).

        Ascending, but not strictly: a character that decomposes (Hangul) may give several tokens.
        Characters that the model drops (control characters, white space) start no token.

        Raises:
            MalformedDocument: the text has a lone surrogate.
        """
        import numpy as np

        words = self._words_of([text])
        if words:
            return words.starts(text)
        parts = [np.empty(0, np.int64)]
        for _, start, encoding in self._encodings([text], offsets=True):
            starts = np.fromiter((first for first, _ in encoding.offsets), np.int64, len(encoding))
            parts.append(starts + start)
        return np.concatenate(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each passage as the model would read it, special tokens included, never truncated.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        before, after = self.frame
        special = len(before) + len(after)
        texts = self._with_prefix(texts)
        words = self._words_of(texts)
        if words:
            return [special + count for count in words.counts(texts)]
        counts = [special] * len(texts)
        for index, _, encoding in self._encodings(texts):
            counts[index] += len(encoding)
        return counts

    def word_by_word(self, text: str) -> bool:
        """See `ports.WordByWord`."""
        prefix = self._files.model.passage_prefix
        words = self._words_of([prefix, text])
        return words is not None and words.ends_at_space and (not prefix or prefix[-1] in " \t\n")

    def token_ids(self, texts: Sequence[str], *, prefix: str | None = None) -> list[TokenIds]:
        """What the model reads for each text: shape (tokens,), special tokens included, untruncated.

        Args:
            prefix: what stands before every text; None: what stands before passages.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        import numpy as np

        before, after = self.frame
        bare = self.bare_ids(self._with_prefix(texts, prefix))
        return [np.array([*before, *of_text, *after], np.int32) for of_text in bare]

    def bare_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text's own tokens: no special ones, no prefix, untruncated.

        Raises:
            MalformedDocument: a text has a lone surrogate.
        """
        ids: list[list[int]] = [[] for _ in texts]
        for index, _, encoding in self._encodings(texts):
            ids[index].extend(encoding.ids)
        return ids

    def _with_prefix(self, texts: Sequence[str], prefix: str | None = None) -> Sequence[str]:
        prefix = self._files.model.passage_prefix if prefix is None else prefix
        return [prefix + text for text in texts] if prefix else texts

    @cached_property
    def _library(self) -> tokenizers.Tokenizer:
        from tokenizers import Tokenizer, normalizers

        text = self._files.read(TOKENIZER).decode("utf-8")
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises no narrower one
            where = str(self._files.path(TOKENIZER))
            raise UsageError(f"the tokenizer cannot be read: {error}", where=where) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if self._files.model.lower_case:
            own = [tokenizer.normalizer] if tokenizer.normalizer else []
            tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
        return tokenizer

    def _words_of(self, texts: Sequence[str]) -> WordCounts | None:
        """What counts these texts by their words; None where only the library can."""
        if self._words is None or not all(map(self._words.reads, texts)):
            return None
        return self._words

    @cached_property
    def _words(self) -> WordCounts | None:
        return WordCounts(self._library) if counts_by_word(self._library) else None

    @cached_property
    def _cuts(self) -> Cuts:
        return cuts_for(self._library.pre_tokenizer)

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """Ids of the special tokens before and after every input."""
        probe = self._library.encode("a")
        own = [at for at, special in enumerate(probe.special_tokens_mask) if not special]
        if not own:
            raise UsageError("the tokenizer reads no text", where=str(self._files.path(TOKENIZER)))
        return probe.ids[: own[0]], probe.ids[own[-1] + 1 :]

    @cached_property
    def pair_frame(self) -> PairFrame:
        """The special tokens around and between the texts of a pair.

        Raises:
            UsageError: the tokenizer is not made for pairs.
        """
        probe = self._library.encode("a", "a")
        first, second = ([at for at, of in enumerate(probe.sequence_ids) if of == text] for text in (0, 1))
        if not first or not second or first[-1] > second[0]:
            raise UsageError("the tokenizer joins no pairs", where=str(self._files.path(TOKENIZER)))
        middle = probe.ids[first[-1] + 1 : second[0]]
        kinds = probe.type_ids[first[-1] + 1 :]
        segment = next((at for at, kind in enumerate(kinds) if kind), None)
        return PairFrame(probe.ids[: first[0]], middle, probe.ids[second[-1] + 1 :], segment)

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
            for start, piece in pieces(text, self._piece_characters, self._cuts):
                window.append((index, start, piece))
                characters += len(piece)
                if characters >= _WINDOW_CHARACTERS:
                    yield window
                    window, characters = [], 0
        if window:
            yield window


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
