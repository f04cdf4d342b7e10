"""The result of an evaluation, as JSON: what is kept, compared and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl.evaluate.answer_scores import exact_match, token_f1
from ragctl.evaluate.intervals import mean_interval
from ragctl.evaluate.judgements import Question, is_relevant, ranked_units
from ragctl.evaluate.metrics import per_question
from ragctl.types import Answer, Hit

SCHEMA_VERSION = 1
TOP = 10
"""As many hits of each question are kept."""
ANSWER_METRICS = ("exact_match", "token_f1", "citation_precision", "answered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question.

    Attributes:
        hits: best first.
        answer: None where no model answers.
        ms: from the question to its result; 0: it failed.
        cost_usd: None where a price is unknown.
        judged: metrics that a model gave, by name.
    """

    question: Question
    hits: Sequence[Hit]
    answer: Answer | None
    ms: float
    cost_usd: float | None
    judged: Mapping[str, float]


def measured(outcomes: Sequence[Outcome], metrics: Sequence[str]) -> dict[str, Any]:
    """What is measured: a part of a result.

    Its keys: `metrics`, `metric_names` (in order, for stores that keep none), `latency_ms`, `cost_usd`,
    `cost_usd_per_question` and `per_question`.

    Metrics of retrieval are over the questions that have judgements, those of answers over the questions
    that have right answers, or were answered.

    Args:
        metrics: of retrieval, see `checked_metrics`.
    """
    ranked = {
        one.question.id: ranked_units(one.question, one.hits) for one in outcomes if one.question.judged
    }
    values = per_question(
        metrics,
        {key: found for key, (found, _) in ranked.items()},
        {key: grades for key, (_, grades) in ranked.items()},
    )
    questions = [_question(one, values.get(one.question.id, {})) for one in outcomes]
    names = dict.fromkeys(name for one in questions for name in one["metrics"])
    costs = [one.cost_usd for one in outcomes]
    known = [cost for cost in costs if cost is not None]
    total = sum(known) if len(known) == len(costs) else None
    return {
        "metrics": {
            name: mean_interval(
                [one["metrics"][name] for one in questions if name in one["metrics"]]
            )._asdict()
            for name in names
        },
        "metric_names": list(names),
        "latency_ms": {"p50": _quantile(outcomes, 0.5), "p95": _quantile(outcomes, 0.95)},
        "cost_usd": total,
        "cost_usd_per_question": None if total is None or not costs else total / len(costs),
        "per_question": questions,
    }


def _question(one: Outcome, retrieval: Mapping[str, float]) -> dict[str, Any]:
    values = {**retrieval, **_answer_metrics(one), **one.judged}
    return {
        "id": one.question.id,
        "question": one.question.text,
        "ms": round(one.ms, 3),
        "cost_usd": one.cost_usd,
        "metrics": {name: round(value, 6) for name, value in values.items()},
        "top": [_top(one.question, hit) for hit in one.hits[:TOP]],
        "expected": list(dict.fromkeys(judged.document for judged in one.question.judged if judged.grade)),
        **({} if one.answer is None else {"answer": one.answer.text, "status": one.answer.status}),
    }


def _top(question: Question, hit: Hit) -> dict[str, Any]:
    return {
        "source": hit.source,
        "document": hit.document,
        "start": hit.start,
        "end": hit.end,
        "score": round(hit.score, 6),
        "relevant": is_relevant(question, hit),
    }


def _answer_metrics(one: Outcome) -> dict[str, float]:
    if one.answer is None:
        return {}
    found = {"answered": float(one.answer.status != "none")}
    if one.question.answers:
        found["exact_match"] = exact_match(one.answer.text, one.question.answers)
        found["token_f1"] = token_f1(one.answer.text, one.question.answers)
    given = len(one.answer.citations) + one.answer.dropped
    if given:
        found["citation_precision"] = len(one.answer.citations) / given
    return found


def _quantile(outcomes: Sequence[Outcome], share: float) -> float | None:
    """The nearest rank, in milliseconds, of questions that did not fail; None without any."""
    took = sorted(one.ms for one in outcomes if one.ms)
    return round(took[min(len(took) - 1, int(share * len(took)))], 3) if took else None
