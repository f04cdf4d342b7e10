"""Texts that are nearly the same: which pairs share so many of their runs of words. Pure.

Shingles as in A. Broder, "On the resemblance and containment of documents", SEQUENCES 1997; the pairs are
found exactly, by the prefix filter of S. Chaudhuri, V. Ganti and R. Kaushik, "A primitive operator for
similarity joins in data cleaning", ICDE 2006, so that not every text is compared with every other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

SHINGLE_WORDS = 3
"""Words in a run: shorter ones make texts of one subject alike, longer ones break at each small change."""

_WORD = re.compile(r"\w+")
_ASCII_SPACES = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")


def shingles(text: str) -> frozenset[int]:
    """Hashes of the runs of `SHINGLE_WORDS` words of a text, in lower case, without punctuation.

    Chinese, Japanese and Korean characters are a word each. A text of fewer words is one run. Hashes are of
    this process only.
    """
    lowered = text.lower()
    if lowered.isascii():  # the same words, ten times as fast
        words = lowered.translate(_ASCII_SPACES).split()
    else:
        words = [part for word in _WORD.findall(lowered) for part in _parts(word)]
    if len(words) <= SHINGLE_WORDS:
        return frozenset({hash(tuple(words))}) if words else frozenset()
    runs = zip(*(words[start:] for start in range(SHINGLE_WORDS)), strict=False)
    return frozenset(map(hash, runs))


def _parts(word: str) -> Iterator[str]:
    if _UNSPACED.search(word):
        yield from word
    else:
        yield word


def resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    """Jaccard's coefficient, 0 to 1; 0 where one of them is empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


class NearDuplicates:
    """Texts in order, each compared with those before it.

    Args:
        threshold: of `resemblance`, above 0, at most 1.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sets: list[frozenset[int]] = []
        self._by_shingle: dict[int, list[int]] = {}

    def add(self, text: str) -> int | None:
        """The number of the first text added before that resembles this one, else None; then it is added.

        A text that resembles another is not added: a chain of small changes is no set of duplicates.
        """
        made = shingles(text)
        prefix = sorted(made)[: self._prefix(len(made))]
        near = sorted({number for one in prefix for number in self._by_shingle.get(one, ())})
        for number in near:
            if resemblance(made, self._sets[number]) >= self._threshold:
                return number
        for one in prefix:
            self._by_shingle.setdefault(one, []).append(len(self._sets))
        self._sets.append(made)
        return None

    def _prefix(self, size: int) -> int:
        """Of sets that resemble each other enough, so many of the smallest elements are not disjoint."""
        return size - math.ceil(self._threshold * size - 1e-9) + 1
