"""rephrase: a question → the question and other wordings of it, by a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragctl.errors import OverlongInput, RagctlError, Unavailable
from ragctl.ports import Generator
from ragctl.stages.expansion import words_of
from ragctl.stages.prompt import Prompt, plain
from ragctl.stages.rephrasing_reply import same_wording, versions_of
from ragctl.types import Message

REPHRASE_PLACES = ("question", "n")
STAND_ALONE_PLACES = ("question", "history")
LEAST_SHARE = 0.5
"""Of the words of a question that stands alone, those that the conversation has."""
LATEST_TURNS = 10
"""Turns of a conversation that a model is shown, the latest ones."""


@dataclass(frozen=True, slots=True)
class Rephrased:
    """`versions`: the question itself first. `failure`: why the model gave no others, if it did not."""

    versions: tuple[str, ...]
    failure: RagctlError | None = None


def rephrase(question: str, generator: Generator, prompt: Prompt, *, n: int = 3) -> Rephrased:
    """The question and at most `n` other wordings, none of them twice; itself alone if the model fails.

    Raises:
        RagctlError: what would fail the same way for every question: a wrong key, an unknown model, a guard.
    """
    try:
        reply = generator.generate(prompt.messages(question=question, n=n))
    except RagctlError as error:
        if not may_go_on(error):
            raise
        return Rephrased((question,), error)
    made = [] if reply.finish == "filtered" else versions_of(reply.text, question, n)
    return Rephrased((question, *made))


def stand_alone(
    question: str, history: Sequence[Message], generator: Generator, prompt: Prompt
) -> tuple[str, RagctlError | None]:
    """The question as one that needs no conversation to be understood.

    As it is if the model fails, or says something that is not made of the conversation's words.

    Raises:
        RagctlError: see `rephrase`.
    """
    turns = [one for one in history if one.role != "system"][-LATEST_TURNS:]
    if not turns:
        return question, None
    told = "\n".join(f"{one.role}: {plain(one.content)}" for one in turns)
    try:
        reply = generator.generate(prompt.messages(question=question, history=told))
    except RagctlError as error:
        if not may_go_on(error):
            raise
        return question, error
    made = [] if reply.finish == "filtered" else versions_of(reply.text, "", 1)
    if not made or same_wording(made[0], question):
        return question, None
    return (made[0] if _belongs(made[0], f"{question}\n{told}") else question), None


def _belongs(made: str, conversation: str) -> bool:
    """Is it made of the conversation's words? What is not is an answer, or something else altogether."""
    words, known = words_of(made), set(words_of(conversation))
    return len(words) > 1 and sum(word in known for word in words) >= LEAST_SHARE * len(words)


def may_go_on(error: RagctlError) -> bool:
    """Is this a failure of one call, which another question may not meet?"""
    return isinstance(error, OverlongInput) or (isinstance(error, Unavailable) and error.may_pass)
