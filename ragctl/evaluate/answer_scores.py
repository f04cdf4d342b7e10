"""How near an answer in words is to a right one: exact match and token F1, as SQuAD's evaluation has them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBERS_OF_CITATIONS = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")


def normalised(text: str) -> str:
    """Lower case, without citation numbers, punctuation, English articles and repeated white space.

    Source: Rajpurkar et al., "SQuAD", 2016 (its published evaluation), less our citation numbers.
    """
    bare = _NUMBERS_OF_CITATIONS.sub("", text).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, right: Sequence[str]) -> float:
    """1.0 if the answer is one of the right ones, else 0.0. Without right ones, an empty answer is right."""
    return float(normalised(answer) in ({normalised(one) for one in right} or {""}))


def token_f1(answer: str, right: Sequence[str]) -> float:
    """The best F1, from 0 to 1, over the tokens of the answer and of each right one.

    Tokens are words; in text without spaces (Chinese, Japanese) single characters.
    """
    return max((_f1(_tokens(answer), _tokens(one)) for one in right), default=float(not normalised(answer)))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for word in normalised(text).split():
        spaced = not any("\u3040" <= one <= "\u30ff" or "\u3400" <= one <= "\u9fff" for one in word)
        tokens.extend([word] if spaced else word)
    return tokens


def _f1(answer: list[str], right: list[str]) -> float:
    if not answer or not right:
        return float(answer == right)
    common = (Counter(answer) & Counter(right)).total()
    if not common:
        return 0.0
    precision, recall = common / len(answer), common / len(right)
    return 2 * precision * recall / (precision + recall)
