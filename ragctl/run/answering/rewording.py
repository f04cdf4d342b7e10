"""rephrase, in a run: a question of a conversation made to stand alone, and other wordings of it."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.errors import RagctlError, UsageError
from ragctl.run.answering.asked import Asked
from ragctl.run.answering.chat_models import ChatModel
from ragctl.run.answering.context import Context
from ragctl.stages.rephrase import rephrase, stand_alone
from ragctl.types import Hit, Message


def begin(question: str, history: Sequence[Message] = (), shown_before: Sequence[Hit] = ()) -> Asked:
    """The question, without a version yet but itself.

    Raises:
        UsageError: the question is empty.
    """
    question = question.strip()
    if not question:
        raise UsageError("the question is empty")
    return Asked(question, (question,), history=tuple(history), shown_before=list(shown_before))


def reword(asked: Asked, context: Context) -> None:
    """Adds the versions that a chat model makes. If it fails, the question goes on alone, and a note says so.

    Raises:
        PrivacyRefused: the question, or the conversation, may not go to the model.
        RagctlError: what would fail the same way for every question: a wrong key, an unknown model.
    """
    model = context.models.get("rephrase")
    if asked.history:
        _stand_alone(asked, context, model or context.models.get("answer"))
    settings = context.settings.rephrase
    if model is None or settings.provider == "none":
        return
    with asked.timed("rephrase"):
        model.privacy.question(model.generator)
        _allow_what_was_shown(asked, model)
        prompt = context.prompt(asked, "rephrase", model, "rephrase")
        made = rephrase(asked.asks, asked.asking("rephrase", model.generator), prompt, n=settings.n)
        asked.versions, asked.reworded = made.versions, len(made.versions)
    _note(asked, made.failure, "the question was searched for as it is")
    if made.failure is None and len(made.versions) == 1:
        asked.note("rephrase", "the model's reply holds no other wording")


def _stand_alone(asked: Asked, context: Context, model: ChatModel | None) -> None:
    if model is None:
        asked.note(
            "rephrase", "no model makes the question stand without the conversation; it was asked as it is"
        )
        return
    with asked.timed("rephrase"):
        model.privacy.question(model.generator)
        _allow_what_was_shown(asked, model)
        prompt = context.prompt(asked, "stand_alone", model, "rephrase")
        generator = asked.asking("rephrase", model.generator)
        made, failure = stand_alone(asked.question, asked.history, generator, prompt)
        asked.versions = (made,)
        if made == asked.question and failure is None:
            asked.note("rephrase", "the model made no other question of the conversation; asked as it is")
    _note(asked, failure, "the question was asked as it is, without the conversation")


def _allow_what_was_shown(asked: Asked, model: ChatModel) -> None:
    """What was answered before has words of the passages in it, and so has a question made of that."""
    if asked.shown_before:
        model.privacy.passages(asked.shown_before, model.generator)


def _note(asked: Asked, failure: RagctlError | None, instead: str) -> None:
    if failure is not None:
        asked.note("rephrase", failure)
        asked.notes[-1] = {**asked.notes[-1], "message": f"{asked.notes[-1]['message']}; {instead}"}
