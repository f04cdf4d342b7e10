"""A result that is kept for an identical question on the same documents, where `ask.cache` says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragctl import __version__
from ragctl.conditions import Condition
from ragctl.run.answering.asked import AskResult
from ragctl.run.answering.context import Context
from ragctl.run.database_errors import database_errors
from ragctl.state.answers import Answers, answer_key
from ragctl.types import Message

if TYPE_CHECKING:
    from ragctl.state.generations import Generation


class Remembered:
    """Looks a question up, and keeps what came of it. Sensitive questions and passages are never kept.

    Args:
        history, top_n, where: what the result depends on besides the question and the spec.
    """

    def __init__(
        self,
        context: Context,
        generation: Generation,
        question: str,
        history: Sequence[Message],
        top_n: int,
        where: Sequence[Condition],
    ) -> None:
        self._context = context
        self._sensitive = context.privacy.question_is_sensitive
        self._question = question
        # One statement at a time on a connection of its own, as threads may share it.
        with database_errors():
            self._answers = Answers(context.composition.beside(), generation.id)
        self._key = answer_key(self._parts(history, top_n, where))

    def _parts(self, history: Sequence[Message], top_n: int, where: Sequence[Condition]) -> dict[str, Any]:
        context = self._context
        models = {role: model.generator.identity for role, model in context.chat_models.items()}
        reranker = context.composition.reranker
        return {
            "ragctl": __version__,
            "settings": context.settings.model_dump(mode="json", exclude={"cache"}),
            "top_n": top_n,
            "prompts": {name: prompt.version for name, prompt in context.prompts.items()},
            "models": {**models, **({"rank": reranker.identity} if reranker is not None else {})},
            "question": self._question,
            "where": [asdict(one) for one in where],
            "history": [[turn.role, turn.content] for turn in history],
        }

    def find(self) -> AskResult | None:
        """The result that was kept; None if there is none."""
        if self._sensitive:
            return None
        with database_errors():
            document = self._answers.find(self._key)
        return None if document is None else AskResult.of_json(document)

    def keep(self, result: AskResult) -> None:
        """Keeps it, unless something of it is sensitive, or did not go as it should."""
        passages = (*result.hits, *result.left_out)
        privacy = self._context.privacy
        if self._sensitive or result.notes or any(map(privacy.is_sensitive, passages)):
            return
        with database_errors():
            self._answers.keep(self._key, result.as_json())
