"""answer, in a run: one answer of the passages, or one of each version's and then one of those."""

from __future__ import annotations

from collections.abc import Callable

from ragctl.errors import OverlongInput, RagctlError, UsageError
from ragctl.run.answering.asked import Asked
from ragctl.run.answering.chat_models import ChatModel, each_at_once
from ragctl.run.answering.context import Context
from ragctl.stages.answer import answer, combine
from ragctl.stages.citations import renumbered
from ragctl.stages.rank import place_of
from ragctl.stages.rephrase import may_go_on
from ragctl.types import Answer, Hit

OnText = Callable[[str], None]


def write_answer(asked: Asked, context: Context, on_text: OnText | None = None) -> None:
    """Has the spec's model answer from the hits; does nothing where the spec names none.

    Args:
        on_text: called with each piece of the answer that may be shown, as it comes.

    Raises:
        UsageError: the question and one passage are more than the model reads.
        PrivacyRefused: a passage, or the question, may not go to the model.
        RagctlError: the model does not answer.
    """
    model = context.models.get("answer")
    if model is None:
        return
    with asked.timed("answer"):
        asked.models["answer"] = model.name
        if not asked.hits:
            asked.answer = Answer("", "none")
            return
        try:
            if len(asked.by_version) > 1:
                _of_each_version(asked, context, model, on_text)
            else:
                asked.answer, asked.raw = _of_hits(asked, asked.asks, asked.hits, context, model, on_text)
        except OverlongInput as error:
            raise UsageError(
                f"the question is too long: {error.message}", where=error.where, hint=error.hint
            ) from error
    if asked.answer is not None and asked.answer.passages < len(asked.hits) and not asked.by_version:
        asked.note(
            "answer", f"the model was shown {asked.answer.passages} of {len(asked.hits)} passages: no room"
        )


def _of_hits(
    asked: Asked,
    question: str,
    hits: list[Hit],
    context: Context,
    model: ChatModel,
    on_text: OnText | None = None,
) -> tuple[Answer, str]:
    model.privacy.passages(hits, model.generator)
    settings = context.settings.answer
    assert settings.provider != "none"  # there is a model
    return answer(
        question,
        hits,
        asked.asking("answer", model.generator),
        context.prompt(asked, "answer", model, "answer"),
        context_tokens=model.context_tokens,
        max_tokens=settings.max_tokens,
        on_text=on_text,
    )


def _of_each_version(asked: Asked, context: Context, model: ChatModel, on_text: OnText | None) -> None:
    """One answer to each version, from its own passages; then one of all of them.

    Evidence is numbered by the passages of all versions together, which the last call may cite.
    """
    kept = asked.by_version
    together = {place_of(hit): hit for hits in (asked.hits, *kept) for hit in hits}
    numbers = {place: number for number, place in enumerate(together, start=1)}

    def one(version: tuple[str, list[Hit]]) -> tuple[Answer, str] | RagctlError:
        try:
            return _of_hits(asked, *version, context, model)
        except RagctlError as error:
            if not may_go_on(error):
                raise
            return error

    pairs = list(zip(asked.versions, kept, strict=False))
    told: list[tuple[str, str]] = []
    failures: list[RagctlError] = []
    for (version, hits), made in zip(pairs, each_at_once(model.at_once)(one, pairs), strict=True):
        if isinstance(made, RagctlError):
            failures.append(made)
            asked.note("answer", made)
        elif made[0].text:
            if made[0].cut_off:
                asked.note("answer", "the answer to a version was cut off at ask.answer.max_tokens")
            told.append((version, renumbered(made[1], [numbers[place_of(hit)] for hit in hits])))
    if len(failures) == len(pairs):
        raise failures[0]
    if told:
        _combine(asked, told, list(together.values()), context, model, on_text)
    else:
        asked.answer = Answer("", "none")


def _combine(
    asked: Asked,
    told: list[tuple[str, str]],
    hits: list[Hit],
    context: Context,
    model: ChatModel,
    on_text: OnText | None,
) -> None:
    settings = context.settings.answer
    assert settings.provider != "none"  # there is a model
    model = context.models.get("combine") or model
    model.privacy.passages(hits, model.generator)
    asked.answer, asked.raw, shown = combine(
        asked.asks,
        told,
        hits,
        asked.asking("combine", model.generator),
        context.prompt(asked, "combine", model, "combine"),
        context_tokens=model.context_tokens,
        max_tokens=settings.max_tokens,
        on_text=on_text,
    )
    if shown < len(told):
        asked.note("answer", f"{shown} of {len(told)} answers were combined: no room for the others")
