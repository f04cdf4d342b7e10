"""verify: does each passage help to answer the question? Asked of a chat model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragctl.errors import RagctlError
from ragctl.ports import Generator
from ragctl.stages.passages import passage
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrase import may_go_on
from ragctl.types import Hit

VERIFY_PLACES = ("question", "passage")
VERDICT_TOKENS = 16

Verdict = Literal["yes", "no", "unsure"]
Judge = Callable[[Hit], "Judged"]
EachAtOnce = Callable[[Judge, Sequence[Hit]], "list[Judged]"]
"""Calls a function for each of several hits, in whatever order; the results are in theirs."""

# "not sure" and its like come before "no" and "yes" are looked for.
_UNSURE = re.compile(
    r"\b(?:unsure|not\s+(?:at\s+all\s+)?(?:sure|certain|clear)|no\s+(?:idea|opinion)|uncertain|maybe|perhaps"
    r"|possibly|partly|partially)\b"
)
# In a sentence a verdict is written large, or stands at its end; a small "no" is a word like any other.
_LARGE = re.compile(r"\b(YES|NO)\b")
_SMALL = re.compile(r"\b(yes|no)\b")
_LAST = re.compile(r"(?:^|[\s:*_\"'`])(yes|no)[\W_]*$")


@dataclass(frozen=True, slots=True)
class Judged:
    """A hit and what the model said of it; `failure` where it said nothing, and then `unsure`."""

    hit: Hit
    verdict: Verdict
    failure: RagctlError | None = None


def verify(
    question: str, hits: Sequence[Hit], generator: Generator, prompt: Prompt, *, each_at_once: EachAtOnce
) -> list[Judged]:
    """Every hit with its verdict, in order; its trail gets `verify`: the verdict.

    Who wants only what helps leaves out those with `no`: what the model is not sure of, or failed at, stays.

    Raises:
        RagctlError: what would fail the same way for every passage, see `rephrase`.
    """

    def judge(hit: Hit) -> Judged:
        try:
            messages = prompt.messages(question=question, passage=passage(hit, 1))
            reply = generator.generate(messages, max_tokens=VERDICT_TOKENS)
        except RagctlError as error:
            if not may_go_on(error):
                raise
            return _with(hit, "unsure", error)
        return _with(hit, "unsure" if reply.finish == "filtered" else verdict_of(reply.text))

    return each_at_once(judge, hits)


def _with(hit: Hit, verdict: Verdict, failure: RagctlError | None = None) -> Judged:
    step = {"verdict": verdict, **({"failed": failure.kind} if failure else {})}
    return Judged(replace(hit, trail={**hit.trail, "verify": step}), verdict, failure)


def verdict_of(reply: str) -> Verdict:
    """`yes` or `no` if the reply begins with one, or has just one as a verdict; else `unsure`."""
    text = plain(reply).casefold()
    begun = text.lstrip(" *_\"'`")
    if _UNSURE.match(begun):
        return "unsure"
    first = re.match(r"(yes|no)\b", begun)
    if first:
        return "yes" if first[1] == "yes" else "no"
    if _UNSURE.search(text):
        return "unsure"
    found = {one.casefold() for one in _LARGE.findall(plain(reply))}
    if not found and _LAST.search(text):
        found = set(_SMALL.findall(text))
    if len(found) != 1:
        return "unsure"
    return "yes" if "yes" in found else "no"
