"""Counts and places the tokens of a BERT tokenizer word by word, each word looked at once.

Such a tokenizer reads a text character by character (lower case, accents, control characters), separates
words at white space, punctuation and Chinese characters, and only then looks for tokens, within each word.
So the tokens of a text are those of its words one after the other, and a word gives the same ones wherever
it stands. The library tokenizes each word that is new; all others are looked up.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import tokenizers
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_SPACES = " \\t\\n\\r\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
"""White space for the tokenizer. The other characters that Python takes for it (vertical tab, form feed, the
separators of ASCII) are dropped as control characters, so that what stands at either side is one word."""
_ALONE = r"!-/:-@\[-`{-~" + "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u3001\\u3002\\uff0c\\uff1a\\uff1b"
"""Characters that are words by themselves: punctuation and Chinese. There are more, which are looked at
as parts of what they stand in: the library separates them there."""
_WORD = re.compile(f"[^{_SPACES}{_ALONE}]+|[{_ALONE}]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE, _IN_WORD, _BY_ITSELF = range(3)

_BERT = re.compile(
    r"(?:Sequence\(normalizers=\[Lowercase\(\), )?BertNormalizer\(clean_text=True, handle_chinese_chars=True,"
)

_MOST_CHARACTERS = 1 << 20
"""Characters of words that are remembered: some 130,000 words, in about 20 MB."""
_JOINED_CHARACTERS = 16_384


class WordCounts:
    """Counts and places tokens like the library, some ten times as fast. Safe to share between threads.

    Args:
        library: one for which `counts_by_word` is true.
        most_characters: of the words that are remembered; when there are more, all are forgotten.
    """

    def __init__(self, library: tokenizers.Tokenizer, *, most_characters: int = _MOST_CHARACTERS) -> None:
        self._library = library
        self._most_characters = most_characters
        self._special = [one.content for one in library.get_added_tokens_decoder().values()]
        self._lock = Lock()
        self._known: dict[str, int] = {}
        self._characters = 0
        self._offsets: _Growing  # of tokens within their words, word after word
        self._first: _Growing  # of each word's tokens among them
        self._sizes: _Growing  # their number
        self._forget()

    def reads(self, text: str) -> bool:
        """Is the text one of words alone?

        A special token that is spelled out in it is read across words; a lone surrogate is not read at all.
        """
        if not text.isascii() and _SURROGATE.search(text):
            return False
        return not any(special in text for special in self._special)

    @cached_property
    def ends_at_space(self) -> bool:
        """Does white space always end a token? Not if a special one has some in it."""
        return not any(map(str.isspace, "".join(self._special)))

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each of the texts, all of which `reads` is true of; no special ones."""
        batches = _grouped(texts, self._most_characters)
        return [count for batch in batches for count in self._counts(batch)]

    def _counts(self, texts: Sequence[str]) -> list[int]:
        import numpy as np

        words = list(map(_WORD.findall, texts))
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        ends = np.cumsum(lengths)
        with self._lock:
            numbers = self._numbers(list(chain.from_iterable(words)))
            sizes = self._sizes.values[numbers]
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
        counts: list[int] = (before[ends] - before[ends - lengths]).tolist()
        return counts

    def starts(self, text: str) -> Integers:
        """Offset of each token's first character, shape (tokens,), for a text that `reads` is true of."""
        import numpy as np

        words = _WORD.findall(text)
        if not words:
            return np.empty(0, np.int64)
        places = self._places(text)
        with self._lock:
            numbers = self._numbers(words)
            begin, sizes, offsets = (
                self._first.values[numbers],
                self._sizes.values[numbers],
                self._offsets.values,
            )
        before = np.cumsum(sizes) - sizes
        tokens = np.arange(int(sizes.sum())) - np.repeat(before - begin, sizes)
        starts: Integers = np.repeat(places, sizes) + offsets[tokens]
        return starts

    def _places(self, text: str) -> Integers:
        """Where the words begin that `_WORD` finds."""
        import numpy as np

        if text.isascii():
            kinds = self._kinds[np.frombuffer(text.encode("ascii"), np.uint8)]
        else:
            kinds = self._kinds[np.frombuffer(text.encode("utf-32-le"), np.uint32)]
        before = np.concatenate((np.zeros(1, kinds.dtype), kinds[:-1]))
        return np.flatnonzero((kinds == _BY_ITSELF) | ((kinds == _IN_WORD) & (before != _IN_WORD)))

    @cached_property
    def _kinds(self) -> NDArray[np.uint8]:
        """Every character's kind, by code point."""
        import numpy as np

        kinds = np.full(0x110000, _IN_WORD, np.uint8)
        for kind, characters in ((_SPACE, _SPACES), (_BY_ITSELF, _ALONE)):
            one = re.compile(f"[{characters}]")
            kinds[[code for code in range(0x10000) if one.match(chr(code))]] = kind
        return kinds

    def _numbers(self, words: list[str]) -> Integers:
        """The words' numbers; new ones are given some. Holding the lock."""
        import numpy as np

        try:
            return np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))
        except KeyError:
            self._learn(words)
        return np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))

    def _learn(self, words: list[str]) -> None:
        import numpy as np

        new = set(words) - self._known.keys()
        if self._characters + sum(map(len, new)) > self._most_characters:
            self._forget()
            new = set(words)
        ordered = sorted(new)
        offsets, sizes = self._tokenized(ordered)
        self._characters += sum(map(len, ordered))
        self._known.update((word, number) for number, word in enumerate(ordered, len(self._known)))
        places = np.array(sizes, np.int64)
        self._first.extend(self._offsets.used + np.cumsum(places) - places)
        self._sizes.extend(places)
        self._offsets.extend(np.array(offsets, np.int64))

    def _tokenized(self, words: list[str]) -> tuple[array[int], array[int]]:
        """Offsets, in its word, of every token of the words, and each word's number of tokens.

        Many words are one text to the library, a line each: a call a word would cost more than the word.
        """
        offsets, sizes = array("q"), array("q")
        for lines in _grouped(words, _JOINED_CHARACTERS):
            encoding = self._library.encode("\n".join(lines), add_special_tokens=False)
            starts = iter([start for start, _ in encoding.offsets])
            start = next(starts, None)
            place = 0
            for word in lines:
                end, found = place + len(word), len(offsets)
                while start is not None and start < end:
                    offsets.append(start - place)
                    start = next(starts, None)
                sizes.append(len(offsets) - found)
                place = end + 1
        return offsets, sizes

    def _forget(self) -> None:
        self._known.clear()
        self._characters = 0
        # new ones: another thread may still be reading the old
        self._offsets, self._first, self._sizes = _Growing(), _Growing(), _Growing()


class _Growing:
    """Integers that are added to at the end; what was read of `values` before stays as it is."""

    def __init__(self) -> None:
        import numpy as np

        self.values: Integers = np.empty(1024, np.int64)
        self.used = 0

    def extend(self, more: Integers) -> None:
        import numpy as np

        end = self.used + len(more)
        if end > len(self.values):
            self.values = np.concatenate((self.values[: self.used], np.empty(2 * end, np.int64)))
        self.values[self.used : end] = more
        self.used = end


def counts_by_word(library: tokenizers.Tokenizer) -> bool:
    """Is it a tokenizer whose tokens are those of its words, as `WordCounts` separates them?"""
    added = library.get_added_tokens_decoder().values()
    return (
        repr(library.pre_tokenizer) == "BertPreTokenizer()"
        and _BERT.match(repr(library.normalizer)) is not None
        and type(library.model).__name__ == "WordPiece"
        and not any(one.normalized or one.lstrip or one.rstrip or one.single_word for one in added)
    )


def _grouped(texts: Sequence[str], characters: int) -> list[list[str]]:
    """The texts, in order, in groups of no more than `characters`, or of one."""
    groups: list[list[str]] = []
    room = 0
    for text in texts:
        if not groups or len(text) > room:
            groups.append([])
            room = characters
        groups[-1].append(text)
        room -= len(text)
    return groups
