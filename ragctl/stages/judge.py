"""judge: are the statements of an answer in its passages, and does it answer? Asked of a chat model. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragctl.errors import RagctlError
from ragctl.ports import Generator
from ragctl.stages.passages import passage
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import may_go_on
from ragctl.types import Hit, Message

FAITHFULNESS_PLACES = ("passages", "statements")
RELEVANCE_PLACES = ("question", "answer")
MOST_STATEMENTS = 40
"""Of one answer; what follows is not judged."""
_TOKENS_A_LINE = 8
_RELEVANCE_TOKENS = 16

_CITATION = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])|\n+")
_LINE = re.compile(
    r"^\W*(\d{1,3})\W+(?:\w+\W+){0,3}?(SUPPORTED|UNSUPPORTED|NOT\W+SUPPORTED|UNSURE)\b", re.I | re.M
)
_WORD = re.compile(r"\b(ALL|PART|NONE)\b")
_TAG = re.compile(r"<(\s*/?\s*answer)", re.IGNORECASE)
_RELEVANCE = {"ALL": 1.0, "PART": 0.5, "NONE": 0.0}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model said of an answer.

    Attributes:
        faithfulness: the share, from 0 to 1, of its statements that the passages support; a statement of
            which the model is not sure is none of them. None: it said nothing that could be read.
        relevance: 1 if it answers the question, 0.5 if a part of it, 0 if nothing; None likewise.
        failures: why, where the model did not answer.
    """

    faithfulness: float | None
    relevance: float | None
    failures: tuple[RagctlError, ...] = ()


def statements_of(answer: str) -> list[str]:
    """The sentences of an answer, without its citations; at most `MOST_STATEMENTS`."""
    bare = _CITATION.sub("", plain(answer))
    found = (" ".join(one.split()) for one in _END.split(bare))
    return [one for one in found if any(letter.isalnum() for letter in one)][:MOST_STATEMENTS]


def judge(
    question: str,
    answer: str,
    hits: Sequence[Hit],
    generator: Generator,
    faithfulness: Prompt,
    relevance: Prompt,
) -> Judgement:
    """Two requests: what the passages support of the answer, and whether it answers.

    Args:
        hits: the passages that the answer was made of.

    Raises:
        RagctlError: what would fail the same way for every answer, see `rephrase`.
    """
    statements = statements_of(answer)
    numbered = "\n".join(f"{number}: {one}" for number, one in enumerate(statements, start=1))
    shown = "\n\n".join(passage(hit, number) for number, hit in enumerate(hits, start=1))
    supported, no_support = _asked(
        generator,
        faithfulness.messages(passages=shown, statements=numbered),
        max_tokens=_TOKENS_A_LINE * len(statements) + 16,
    )
    fitting, no_fit = _asked(
        generator,
        relevance.messages(question=question, answer=_TAG.sub(r"‹\1", plain(answer))),
        max_tokens=_RELEVANCE_TOKENS,
    )
    return Judgement(
        None if supported is None else faithfulness_of(supported, len(statements)),
        None if fitting is None else relevance_of(fitting),
        tuple(one for one in (no_support, no_fit) if one is not None),
    )


def _asked(
    generator: Generator, messages: Sequence[Message], *, max_tokens: int
) -> tuple[str | None, RagctlError | None]:
    try:
        reply = generator.generate(messages, max_tokens=max_tokens)
    except RagctlError as error:
        if not may_go_on(error):
            raise
        return None, error
    return (None if reply.finish == "filtered" else reply.text), None


def faithfulness_of(reply: str, statements: int) -> float | None:
    """The share of statements called supported; None unless there is just one verdict on each."""
    verdicts: dict[int, set[str]] = {}
    for number, word in _LINE.findall(plain(reply)):
        verdicts.setdefault(int(number), set()).add("SUPPORTED" if word.upper() == "SUPPORTED" else "OTHER")
    if not statements or set(verdicts) != set(range(1, statements + 1)):
        return None
    if any(len(found) > 1 for found in verdicts.values()):
        return None
    return sum("SUPPORTED" in found for found in verdicts.values()) / statements


def relevance_of(reply: str) -> float | None:
    """1, 0.5 or 0 by the one verdict in a reply; None if there is none, or several that differ."""
    text = plain(reply)
    bare = text.strip(" \n*_\"'`.").upper()
    if bare in _RELEVANCE:
        return _RELEVANCE[bare]
    found = set(_WORD.findall(text))
    return _RELEVANCE[found.pop()] if len(found) == 1 else None
