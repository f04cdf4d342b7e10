"""An answer as it is written by a model → as it is shown: evidence looked up, numbered, or left out. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragctl.stages.citations import Evidence, evidence_in, span_of
from ragctl.stages.prompt import visible
from ragctl.types import Citation, Hit

NOT_IN_THE_PASSAGES = "NOT IN THE PASSAGES"

_BEGUN = re.compile(r"\[\s*\d{1,4}\s*:")
_LONGEST_EVIDENCE = 4_000  # characters; what is longer is no evidence, and is shown as it is
# Evidence is a character of its own here; what follows the end of a sentence belongs to it.
_MARK = "\x00"
_SENTENCE = re.compile(
    r".+?(?:[.!?][\"'”’)]*(?:(?:\s*\x00)+[.,;!?]*)?(?=\s|$)|[。！？](?:\s*\x00)*[。]?|(?=\n+[^\x00\n])|$)",
    re.DOTALL,
)
_WORD = re.compile(r"\w")
_LEAST_STATEMENT = 2  # words
_LEAST_UNSPACED = 4  # characters, in a script without spaces


class CitedText:
    """Takes a model's text piece by piece and gives back what may be shown of it.

    Evidence whose words stand in its passage becomes `[number]`, the passages numbered from 1 in the order
    in which they are cited; any other is left out. So nobody sees a citation that was not looked up, also
    while the text is still being written.

    Args:
        hits: the passages that the model was shown, in that order.
    """

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = hits
        self._waiting = ""
        self._written: list[str] = []
        self._numbers: dict[int, int] = {}
        self.citations: list[Citation] = []
        self.dropped = 0

    def feed(self, piece: str) -> str:
        """What can be shown now; what may be the beginning of evidence waits."""
        self._written.append(piece)
        self._waiting += piece
        ready = self._ready()
        text, self._waiting = self._waiting[:ready], self._waiting[ready:]
        return self._shown(text)

    def end(self) -> str:
        """What was waiting. Evidence that was not closed is none."""
        text, self._waiting = self._waiting, ""
        opened = text.rfind("[")
        tail = text[opened:] if opened >= 0 else ""
        if _BEGUN.match(tail) and not any(evidence_in(tail)):
            self.dropped += 1
            text = text[:opened]
        return self._shown(text)

    @property
    def raw(self) -> str:
        """All that the model wrote so far."""
        return "".join(self._written)

    def _ready(self) -> int:
        """How much of what waits cannot be a part of evidence that is not complete yet."""
        depth = 0
        opened = len(self._waiting)
        for place, one in enumerate(self._waiting):
            if one == "[":
                if not depth:
                    opened = place
                depth += 1
            elif one == "]" and depth:
                depth -= 1
        if depth and len(self._waiting) - opened <= _LONGEST_EVIDENCE:
            return len(self._waiting[:opened].rstrip(" "))
        # White space before evidence goes with it.
        return len(self._waiting.rstrip(" "))

    def _shown(self, text: str) -> str:
        made: list[str] = []
        done = 0
        for evidence in evidence_in(text):
            number = self._looked_up(evidence)
            before = text[done : evidence.start]
            if number is None:
                made.append(before.rstrip(" "))
            else:
                made += [before, f"[{number}]"]
            done = evidence.end
        return visible("".join([*made, text[done:]]))

    def _looked_up(self, evidence: Evidence) -> int | None:
        span = span_of(evidence, self._hits)
        if span is None:
            self.dropped += 1
            return None
        number = self._numbers.setdefault(evidence.number, len(self._numbers) + 1)
        hit = self._hits[evidence.number - 1]
        quote = hit.text[span.start : span.end]
        citation = Citation(number, hit, quote, hit.start + span.start, hit.start + span.end)
        if citation not in self.citations:
            self.citations.append(citation)
        return number


def unsupported_statements(text: str, hits: Sequence[Hit]) -> tuple[int, int]:
    """(statements without evidence that holds, statements) of a model's text.

    A statement is a sentence of some words that is no question.
    """
    text = text.replace(_MARK, " ")
    pieces = list(evidence_in(text))
    holds = iter([span_of(one, hits) is not None for one in pieces])
    masked, done = [], 0
    for one in pieces:
        masked += [text[done : one.start], _MARK]
        done = one.end
    masked.append(text[done:])
    supported = statements = 0
    for sentence in _SENTENCE.findall("".join(masked)):
        found = [next(holds) for _ in range(sentence.count(_MARK))]
        if _states(sentence.replace(_MARK, "")):
            statements += 1
            supported += any(found)
    return statements - supported, statements


def _states(sentence: str) -> bool:
    bare = sentence.strip()
    words = [word for word in bare.split() if _WORD.search(word)]
    long = len(words) >= _LEAST_STATEMENT or len(bare) >= _LEAST_UNSPACED
    return bool(words) and long and not bare.endswith(("?", "？", ":", "："))
