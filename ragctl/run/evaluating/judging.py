"""Answers judged by a chat model, the spec's `eval.judge`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ragctl.errors import OverBudget, PrivacyRefused, RagctlError
from ragctl.run.answering.asked import AskResult, counting
from ragctl.run.answering.chat_models import ChatModel, each_at_once
from ragctl.run.answering.context import Context
from ragctl.run.answering.prompts import own_prompt
from ragctl.run.usage import usage_json
from ragctl.stages.judge import FAITHFULNESS_PLACES, RELEVANCE_PLACES, Judgement, judge
from ragctl.types import Usage

JUDGED_METRICS = ("faithfulness", "relevance")


@dataclass(slots=True)
class JudgedAnswers:
    """What a judge said of many answers.

    Attributes:
        values: metrics of each result, in order; {} where there was no answer to judge, or no verdict.
        usage: what it was asked for; not what the questions cost.
        failures: why answers were not judged, and how many.
    """

    model: str
    prompts: dict[str, str]
    values: list[dict[str, float]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    answers: int = 0
    unread: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """`unread`: answers of which at least one of the two verdicts could not be read."""
        return {
            "model": self.model,
            "prompts": self.prompts,
            "answers": self.answers,
            "unread": self.unread,
            "failures": [{"message": message, "count": count} for message, count in self.failures.items()],
            "usage": usage_json({"judge": self.usage}, tokens=0, cost_usd=self.usage.cost_usd),
        }


class Judge:
    """
    Args:
        context: the spec's models and what may be sent to them.
        limited: is there a limit to what may be spent?

    Raises:
        OverBudget: there is one, and the judge's price is not known.
        RagctlError: the model cannot be had.
    """

    def __init__(self, context: Context, model: ChatModel, *, limited: bool) -> None:
        if limited and not model.priced:
            raise OverBudget(
                f"the price of {model.name} is not known, so --max-cost cannot be kept; nothing was asked",
                where=context.composition.loaded.where(model.key),
                hint=f"{model.key} in the spec takes it: usd_per_million_tokens and "
                "usd_per_million_output_tokens (0: it costs nothing)",
            )
        model.privacy.question(model.generator)
        self._model = model
        self._faithfulness = own_prompt("faithfulness", FAITHFULNESS_PLACES)
        self._relevance = own_prompt("relevance", RELEVANCE_PLACES)

    def judged(self, results: Sequence[AskResult | None]) -> JudgedAnswers:
        """Every answer that is one; those of failed questions, and of nothing found, are not judged.

        Raises:
            RagctlError: what would fail the same way for every answer: a wrong key, too high a cost.
        """
        found = JudgedAnswers(
            self._model.name,
            {"faithfulness": self._faithfulness.version, "relevance": self._relevance.version},
        )
        total = [Usage()]

        def add(usage: Usage) -> None:
            total[0] = total[0] + usage

        asking = counting(self._model.generator, add)

        def one(result: AskResult | None) -> Judgement | None:
            if result is None or result.answer is None or result.answer.status == "none":
                return None
            try:
                self._model.privacy.passages(result.hits, self._model.generator)
            except PrivacyRefused as error:
                return Judgement(None, None, (error,))
            return judge(
                result.question, result.answer.text, result.hits, asking, self._faithfulness, self._relevance
            )

        try:
            for judgement in each_at_once(self._model.at_once)(one, results):
                _count(found, judgement)
        finally:
            found.usage = total[0]
        return found


def _count(found: JudgedAnswers, judgement: Judgement | None) -> None:
    values = (
        {}
        if judgement is None
        else {name: value for name in JUDGED_METRICS if (value := getattr(judgement, name)) is not None}
    )
    found.values.append(values)
    if judgement is None:
        return
    found.answers += 1
    found.unread += len(values) < len(JUDGED_METRICS) and not judgement.failures
    found.failures.update({_reason(one): 1 for one in judgement.failures})


def _reason(error: RagctlError) -> str:
    return error.message
