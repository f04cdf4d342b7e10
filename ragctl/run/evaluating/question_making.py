"""eval make: a question set from the documents of the index."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragctl.errors import RagctlError, UsageError
from ragctl.evaluate.made_questions import (
    MadeQuestion,
    Passage,
    WordCounts,
    of_heading,
    of_reply,
    of_sentence,
)
from ragctl.run.answering.context import Context
from ragctl.run.answering.prompts import own_prompt
from ragctl.run.database_errors import database_errors
from ragctl.stages.passages import passage as as_data
from ragctl.stages.rephrase import may_go_on
from ragctl.state.runs import new_run_id
from ragctl.types import Hit

if TYPE_CHECKING:
    from ragctl.run.answering.chat_models import ChatModel
    from ragctl.run.composition import Composition
    from ragctl.stages.prompt import Prompt

_SPARE = 3
"""As many passages are drawn for each question that is wanted: not each of them is good for one."""
_REPLY_TOKENS = 300


def make_questions(
    composition: Composition,
    count: int,
    *,
    seed: int = 0,
    by_model: bool = False,
    max_cost_usd: float | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[MadeQuestion]:
    """At most `count` questions, of passages that are drawn evenly over the documents.

    Args:
        seed: equal seeds give equal passages from an equal index.
        by_model: the spec's model under `ask.answer` makes them; otherwise headings and the distinctive words
            of sentences do.
        max_cost_usd: the most that the model may cost.
        tell: told what a model did not do.

    Raises:
        NothingPublished: there is no index yet.
        UsageError: `by_model`, and the spec names no model.
        PrivacyRefused: a passage may not go to the model.
        OverBudget: it would cost more.
    """
    passages = _drawn(composition, count * _SPARE, seed)
    if by_model:
        return _by_model(composition, passages, count, max_cost_usd, tell)
    counts = WordCounts(passages)
    seen = Counter(one.headings[-1] for one in passages if one.headings)
    made: list[MadeQuestion] = []
    for number, one in enumerate(passages):
        # By turns: a heading is short and general, a sentence long and precise.
        found = (of_heading(one, seen) if number % 2 else None) or of_sentence(one, counts)
        if found is not None and len(made) < count:
            made.append(found)
    return made


def _drawn(composition: Composition, count: int, seed: int) -> list[Passage]:
    with database_errors():
        store = composition.store_of(composition.active_generation())
        documents = sorted(store.documents())
        draw = random.Random(seed)
        chosen = Counter(draw.sample(documents, min(count, len(documents))))
        if documents:
            chosen.update(draw.choices(documents, k=count - chosen.total()))
        passages = []
        for (source, path), number in chosen.items():
            chunks = store.chunks_of(source, path)
            for chunk in draw.sample(chunks, min(number, len(chunks))):
                headings = tuple(chunk["headings"] or ())
                passages.append(Passage(source, path, chunk["start"], chunk["text"], headings))
    draw.shuffle(passages)
    return passages


def _by_model(
    composition: Composition,
    passages: Sequence[Passage],
    count: int,
    max_cost_usd: float | None,
    tell: Callable[[str], None],
) -> list[MadeQuestion]:
    context = Context(composition)
    model = context.models.get("answer")
    if model is None:
        raise UsageError(
            "the spec names no chat model under ask.answer",
            where=composition.loaded.where("ask.answer"),
            hint="name one, or leave --by-model out",
        )
    if max_cost_usd is not None:
        composition.budget.open(new_run_id(), max_cost_usd)
    prompt = own_prompt("make_question", ("passage",))
    made: list[MadeQuestion] = []
    useless = 0
    for one in passages:
        if len(made) == count:
            break
        found = _asked(one, model, prompt, tell)
        if found is None:
            useless += 1
        else:
            made.append(found)
    if useless:
        tell(f"{useless} passages gave no question, or one whose quote is not in the passage")
    return made


def _asked(
    one: Passage, model: ChatModel, prompt: Prompt, tell: Callable[[str], None]
) -> MadeQuestion | None:
    hit = Hit(
        0.0, one.source, one.document, "", "", one.start, one.start + len(one.text), one.text, one.headings
    )
    model.privacy.passages([hit], model.generator)
    try:
        reply = model.generator.generate(
            prompt.messages(passage=as_data(hit, 1)), as_json=True, max_tokens=_REPLY_TOKENS
        )
    except RagctlError as error:
        if not may_go_on(error):
            raise
        tell(f"{one.source}/{one.document}: {error.message}")
        return None
    return of_reply(one, reply.text, model.name)
