"""grade: how well does each passage answer the question, from 0 to 10? Asked of a chat model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragctl.errors import RagctlError
from ragctl.ports import Generator
from ragctl.stages.passages import passage
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import may_go_on
from ragctl.types import Hit

GRADE_PLACES = ("question", "passage")
GRADE_TOKENS = 16
MOST = 10.0

GradesAtOnce = Callable[[Callable[[Hit], "Graded"], Sequence[Hit]], "list[Graded]"]
"""Calls a function for each of several hits, in whatever order; the results are in theirs."""

_NUMBER = r"(?<![\w.,-])(\d{1,4}(?:[.,]\d{1,4})?)"
_SCALE = r"(?:\s*(?:/|out of)\s*(\d{1,4}))"
# A number in a text says nothing, unless it is all of a line, is on a scale, or is called a grade.
_GRADES = (
    re.compile(rf"^[\W_]*{_NUMBER}{_SCALE}?[\W_]*$", re.MULTILINE),
    re.compile(rf"{_NUMBER}{_SCALE}(?![\w%])"),
    re.compile(
        rf"\b(?:grade|score|rating|note|bewertung)\b\W{{0,5}}(?:is|of|ist)?\W{{0,5}}{_NUMBER}()(?![\w%])",
        re.I,
    ),
)


@dataclass(frozen=True, slots=True)
class Graded:
    """`grade`: from 0 to 10; None if the model gave none. `failure`: why, if it did not answer."""

    grade: float | None
    failure: RagctlError | None = None


def grade(
    question: str, hits: Sequence[Hit], generator: Generator, prompt: Prompt, *, each_at_once: GradesAtOnce
) -> list[Graded]:
    """A grade for every hit, in order.

    Raises:
        RagctlError: what would fail the same way for every passage, see `rephrase`.
    """

    def one(hit: Hit) -> Graded:
        try:
            messages = prompt.messages(question=question, passage=passage(hit, 1))
            reply = generator.generate(messages, max_tokens=GRADE_TOKENS)
        except RagctlError as error:
            if not may_go_on(error):
                raise
            return Graded(None, error)
        return Graded(None if reply.finish == "filtered" else grade_of(reply.text))

    return each_at_once(one, hits)


def grade_of(reply: str) -> float | None:
    """The one grade in a reply, from 0 to 10; None if there is none, or several that differ."""
    text = plain(reply)
    for form in _GRADES:
        found = {_on_the_scale(number, scale) for number, scale in form.findall(text)}
        if found:
            value = found.pop()
            return value if not found and 0 <= value <= MOST else None
    return None


def _on_the_scale(number: str, scale: str) -> float:
    value = float(number.replace(",", "."))
    return value * MOST / float(scale) if scale and float(scale) > 0 else value


def scores(graded: Sequence[Graded]) -> list[float] | None:
    """A score for each; one without a grade gets the median of the others. None if none has a grade."""
    known = sorted(one.grade for one in graded if one.grade is not None)
    if not known:
        return None
    middle = known[len(known) // 2]
    return [middle if one.grade is None else one.grade for one in graded]
