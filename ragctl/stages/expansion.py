"""Expansion without a model: what was found first says what else to ask for. Pure.

Pseudo-relevance feedback: the first passages are taken for relevant, and words that they have and the other
passages found have not are added to the question (after J. Rocchio, "Relevance feedback in information
retrieval", 1971; words are weighed against what was found, as the whole index is not at hand).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from ragctl.types import Hit

Expansion = Literal["none", "prf", "keywords"]

FEEDBACK_PASSAGES = 5
FEEDBACK_WORDS = 8
_COMMON = 0.5
"""Share of the passages found from which on a word says nothing about any of them."""

_WORD = re.compile(r"[^\W\d_][\w-]*")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
_SHORTEST = 3


def expanded(question: str, lists: Sequence[Sequence[Hit]], expansion: Expansion) -> str | None:
    """Another version of the question, by what was found for it; None if there is nothing to change.

    Args:
        lists: what was found, best first, a list for each search.
        expansion: `prf` adds words of the best passages; `keywords` leaves out the question's words that
            most passages have, or none.
    """
    found = _unique(lists)
    if expansion == "none" or not found:
        return None
    if expansion == "keywords":
        return _keywords(question, found)
    words = feedback_words(question, [hit for hits in lists for hit in hits[:FEEDBACK_PASSAGES]], found)
    return f"{question} {' '.join(words)}" if words else None


def feedback_words(question: str, best: Sequence[Hit], found: Sequence[Hit]) -> list[str]:
    """At most `FEEDBACK_WORDS` words of the best passages, the most telling first."""
    frequency = Counter(word for hit in found for word in set(words_of(hit.text)))
    asked = set(words_of(question))
    scores: dict[str, float] = {}
    for hit in _unique([best]):
        counts = Counter(words_of(hit.text))
        total = sum(counts.values())
        for word, count in counts.items():
            if word not in asked and len(word) >= _least(word):
                rarity = math.log((len(found) + 1) / (frequency[word] or 1))
                scores[word] = scores.get(word, 0.0) + count / total * rarity
    telling = sorted((word for word in scores if scores[word] > 0), key=lambda word: (-scores[word], word))
    return telling[:FEEDBACK_WORDS]


def _keywords(question: str, found: Sequence[Hit]) -> str | None:
    frequency = Counter(word for hit in found for word in set(words_of(hit.text)))
    words = list(dict.fromkeys(words_of(question)))
    telling = [word for word in words if 0 < frequency[word] <= _COMMON * len(found)]
    return " ".join(telling) if telling and telling != words else None


def _unique(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    made = {(hit.source, hit.document, hit.start, hit.end): hit for hits in lists for hit in hits}
    return list(made.values())


def words_of(text: str) -> list[str]:
    """A text's words, in lower case; of a script without spaces, pairs of neighbouring characters."""
    made: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.search(word):
            made += [
                run[at : at + 2] for run in _UNSPACED.findall(word) for at in range(max(len(run) - 1, 1))
            ]
        else:
            made.append(word)
    return made


def _least(word: str) -> int:
    return 2 if _UNSPACED.match(word) else _SHORTEST
