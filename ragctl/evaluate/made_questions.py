"""Questions made of a user's own passages, to be looked through by a person. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]?")
_WORD = re.compile(r"\w[\w'’-]*")
_NOT_PROSE = re.compile(r"[|`{}<>=]|://")
"""Tables, code and addresses: their words make no question."""
_JSON = re.compile(r"\{.*\}", re.DOTALL)
_FEWEST_WORDS, _MOST_WORDS = 6, 40
_KEPT_WORDS = 7
LONGEST_QUESTION = 500


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that a question is made of; `start` counts in the document's text."""

    source: str
    document: str
    start: int
    text: str
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MadeQuestion:
    """A question and the span that answers it.

    Attributes:
        made_by: `heading`, `sentence`, or the name of a model.
    """

    question: str
    passage: Passage
    start: int
    end: int
    made_by: str

    def as_json(self, number: int) -> dict[str, Any]:
        """A line of the file that `ragctl eval --queries` reads."""
        quote = self.passage.text[self.start - self.passage.start : self.end - self.passage.start]
        document = f"{self.passage.source}/{self.passage.document}"
        place = {"document": document, "start": self.start, "end": self.end, "quote": quote}
        return {"id": f"q{number}", "question": self.question, "documents": [place], "made_by": self.made_by}


class WordCounts:
    """In how many passages each word stands: a word of few passages tells them apart."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._counts = Counter(word for one in passages for word in set(_words(one.text)))

    def rarity(self, word: str) -> float:
        """From 0 (in no passage, a number alone, or one or two Latin letters) to 1 (in one passage)."""
        count = self._counts[word]
        says_little = word.isdigit() or (len(word) < 3 and word.isascii())
        return 0.0 if says_little or not count else 1 / count


def of_heading(passage: Passage, seen: Mapping[str, int]) -> MadeQuestion | None:
    """The passage's last heading as a question, if it has words enough and stands over one section alone.

    Args:
        seen: over how many sections each heading stands.
    """
    if not passage.headings:
        return None
    heading = passage.headings[-1]
    if len(_WORD.findall(heading)) < 3 or seen.get(heading, 0) > 1:
        return None
    return MadeQuestion(heading, passage, passage.start, passage.start + len(passage.text), "heading")


def of_sentence(passage: Passage, counts: WordCounts) -> MadeQuestion | None:
    """The rarest words of the passage's most distinctive sentence, in their order; it is what answers."""
    best: tuple[float, re.Match[str]] | None = None
    for found in _SENTENCE.finditer(passage.text):
        words = _words(found.group())
        if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or _NOT_PROSE.search(found.group()):
            continue
        score = sum(sorted((counts.rarity(word) for word in set(words)), reverse=True)[:_KEPT_WORDS])
        if best is None or score > best[0]:
            best = (score, found)
    if best is None:
        return None
    sentence = best[1]
    ranked = sorted(dict.fromkeys(_words(sentence.group())), key=lambda word: -counts.rarity(word))
    kept = {word for word in ranked[:_KEPT_WORDS] if counts.rarity(word)}
    asked = [word for word in dict.fromkeys(_WORD.findall(sentence.group())) if word.lower() in kept]
    text = sentence.group()
    start = passage.start + sentence.start() + len(text) - len(text.lstrip())
    return MadeQuestion(" ".join(asked), passage, start, start + len(text.strip()), "sentence")


def of_reply(passage: Passage, reply: str, model: str) -> MadeQuestion | None:
    """A model's question, if its quote stands in the passage and it is a question."""
    found = _JSON.search(reply)
    try:
        said = json.loads(found.group()) if found else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    question, quote = said.get("question"), said.get("quote")
    if not isinstance(question, str) or not isinstance(quote, str) or not quote.strip():
        return None
    question = " ".join(question.split())
    pattern = r"\s+".join(re.escape(word) for word in quote.split())
    place = re.search(pattern, passage.text)
    if place is None or not 0 < len(question) <= LONGEST_QUESTION:
        return None
    return MadeQuestion(question, passage, passage.start + place.start(), passage.start + place.end(), model)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
