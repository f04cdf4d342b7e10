"""Cuts long texts where a tokenizer separates words anyway, so that pieces and whole give the same tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a text may be cut.

    Attributes:
        before: characters before which it may.
        where: a place, zero characters wide.
    """

    before: str
    where: re.Pattern[str]


_BERT = " \n\t\r,;.!?、。，"
"""A cut before one of these splits no word, no special token and no composed character."""

BERT_CUTS = Cuts(_BERT, re.compile(f"(?=[{re.escape(_BERT)}])"))

WORD_CUTS = Cuts(" ", re.compile("(?<=[A-Za-z0-9])(?= [A-Za-z0-9])"))
"""Before the one space between two words. Elsewhere a tokenizer that counts spaces as parts of words might
read a run of them, or the beginning of a piece, in another way."""

NO_CUTS = Cuts("", re.compile("(?!)"))

_SEPARATES_WORDS = re.compile(r"ByteLevel\([^)]*use_regex=True|Metaspace\([^)]*split=True|Whitespace")


def cuts_for(pre_tokenizer: Any) -> Cuts:
    """The cuts that are safe with a pre-tokenizer of the library `tokenizers`; none if that is not known."""
    kind = repr(pre_tokenizer)
    if kind.startswith("BertPreTokenizer"):
        return BERT_CUTS
    return WORD_CUTS if _SEPARATES_WORDS.search(kind) else NO_CUTS


def pieces(text: str, limit: int, cuts: Cuts) -> Iterator[tuple[int, str]]:
    """(offset, piece) of consecutive pieces, at most `limit` characters where the text allows it."""
    start = 0
    while len(text) - start > limit:
        end = _last(text, start + 1, start + limit, cuts)
        if end < 0:
            found = cuts.where.search(text, start + limit)
            if not found:
                break
            end = found.start()
        yield start, text[start:end]
        start = end
    yield start, text[start:]


def _last(text: str, first: int, stop: int, cuts: Cuts) -> int:
    """The last place from `first` on and before `stop`; -1 if there is none."""
    while stop > first:
        stop = max((text.rfind(one, first, stop) for one in cuts.before), default=-1)
        if stop < 0 or cuts.where.match(text, stop):
            return stop
    return -1
