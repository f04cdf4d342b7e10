"""answer: passages → an answer in which every statement carries its evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ragctl.errors import OverlongInput
from ragctl.ports import Generator
from ragctl.stages.citing import NOT_IN_THE_PASSAGES, CitedText, unsupported_statements
from ragctl.stages.passages import fitting, passage
from ragctl.stages.prompt import Prompt, plain
from ragctl.types import Answer, Hit, Message

ANSWER_PLACES = ("question", "passages")
COMBINE_PLACES = ("question", "answers")
MESSAGE_TOKENS = 16
"""Tokens that a chat format adds to what is said, for each message, at the most that is known."""
BETWEEN_TOKENS = 2
"""Tokens of the blank line between two answers, at the most."""


def answer(
    question: str,
    hits: Sequence[Hit],
    generator: Generator,
    prompt: Prompt,
    *,
    context_tokens: int,
    max_tokens: int,
    on_text: Callable[[str], None] | None = None,
) -> tuple[Answer, str]:
    """An answer made of the hits, as many as the model reads, the best first; and what the model wrote.

    Without hits the model is not asked: there is nothing to answer from.

    Args:
        context_tokens: the most that the model reads and writes together.
        max_tokens: the most that it may write.
        on_text: called with each piece that may be shown, as it comes.

    Raises:
        OverlongInput: the question and one passage are more than the model reads.
    """
    if not hits:
        return Answer("", "none"), ""
    costs = generator.count([passage(hit, number) for number, hit in enumerate(hits, start=1)])
    bare = prompt.messages(question=question, passages="")
    room = context_tokens - max_tokens - _cost(bare, generator)
    shown = fitting(hits, costs, room)
    if not shown:
        raise OverlongInput(
            f"question and best passage need {costs[0] - room:,} tokens more than the model has room for",
            where=generator.identity,
            hint="ask.answer: a model with a larger context, fewer max_tokens; or smaller chunks",
        )
    passages = "\n\n".join(passage(hit, number) for number, hit in enumerate(shown, start=1))
    messages = prompt.messages(question=question, passages=passages)
    return written(messages, shown, generator, max_tokens=max_tokens, on_text=on_text)


def combine(
    question: str,
    answers: Sequence[tuple[str, str]],
    hits: Sequence[Hit],
    generator: Generator,
    prompt: Prompt,
    *,
    context_tokens: int,
    max_tokens: int,
    on_text: Callable[[str], None] | None = None,
) -> tuple[Answer, str, int]:
    """One answer of those to several versions of a question, by one call; see `answer`.

    Args:
        answers: (version, what the model wrote), their evidence numbered as the hits are.

    Returns:
        The answer, what the model wrote, and how many answers it was shown: those for which it has room, none
        perhaps, and then there is no answer.

    Raises:
        OverlongInput: the question is more than the model reads.
    """
    told = [f"Asked as: {version}\nAnswer: {plain(text)}" for version, text in answers]
    costs = generator.count(told)
    bare = prompt.messages(question=question, answers="")
    room = context_tokens - max_tokens - _cost(bare, generator)
    if room <= 0:
        raise OverlongInput(
            f"the question needs {-room:,} tokens more than the model has room for",
            where=generator.identity,
            hint="ask.answer.combine: a model with a larger context; or fewer ask.answer.max_tokens",
        )
    fitting = []
    for text, cost in zip(told, costs, strict=True):
        # One that is too long, of a model that heeds no limit, must not take the place of the others.
        if cost + BETWEEN_TOKENS <= room:
            room -= cost + BETWEEN_TOKENS
            fitting.append(text)
    if not fitting:
        return Answer("", "none"), "", 0
    messages = prompt.messages(question=question, answers="\n\n".join(fitting))
    made, raw = written(messages, hits, generator, max_tokens=max_tokens, on_text=on_text)
    return made, raw, len(fitting)


def written(
    messages: Sequence[Message],
    hits: Sequence[Hit],
    generator: Generator,
    *,
    max_tokens: int,
    on_text: Callable[[str], None] | None,
) -> tuple[Answer, str]:
    """What the model makes of the messages, its evidence looked up in the hits."""
    cited = CitedText(hits)
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        if on_text and text:
            on_text(text)

    streamed = on_text is not None
    reply = generator.generate(
        messages, max_tokens=max_tokens, on_text=(lambda piece: show(cited.feed(piece))) if streamed else None
    )
    if not streamed:
        show(cited.feed(reply.text))
    show(cited.end())
    text = "".join(shown).strip()
    made = _answer(text, cited, hits)
    return replace(made, cut_off=reply.finish == "length", passages=len(hits)), cited.raw


def _answer(text: str, cited: CitedText, hits: Sequence[Hit]) -> Answer:
    if not text or text.strip(" .*_\"'").upper().startswith(NOT_IN_THE_PASSAGES):
        return Answer("", "none", dropped=cited.dropped)
    citations = tuple(sorted(cited.citations, key=lambda one: one.number))
    unsupported, statements = unsupported_statements(cited.raw, hits)
    if not citations:
        return Answer(text, "none", dropped=cited.dropped, unsupported=unsupported)
    grounded = not unsupported and not cited.dropped and statements > 0
    return Answer(
        text,
        "grounded" if grounded else "partial",
        citations,
        dropped=cited.dropped,
        unsupported=unsupported,
    )


def _cost(messages: Sequence[Message], generator: Generator) -> int:
    counts = generator.count([one.content for one in messages])
    return sum(counts) + MESSAGE_TOKENS * len(messages)
