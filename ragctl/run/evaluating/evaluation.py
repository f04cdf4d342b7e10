"""An evaluation as a run: questions of a file asked as users ask them, measured, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.evaluate.judgements import Question, QuestionSet
from ragctl.evaluate.metrics import DEFAULTS, checked_metrics, depth_of
from ragctl.evaluate.result import SCHEMA_VERSION, Outcome, measured
from ragctl.run.answering.ask import Asker
from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.answering.batch import answer_each
from ragctl.run.answering.context import Context
from ragctl.run.database_errors import database_errors
from ragctl.run.evaluating.eval_run import EvalRun, cost_of, failure_json, file_json, provenance
from ragctl.run.evaluating.judging import JUDGED_METRICS, Judge, JudgedAnswers
from ragctl.state.runs import RunRow, Runs

if TYPE_CHECKING:
    from ragctl.run.composition import Composition


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What is to be evaluated.

    Attributes:
        queries, qrels: the files that `questions` were read from; their digests are kept.
        metrics: of retrieval, such as `ndcg@10`; empty: the usual ones, as far down as the spec shows hits.
        name: of the result; the spec's own if empty.
        values: of a variant over the base spec, by key.
        more: further keys of the result, such as those of the experiment that it belongs to.
    """

    questions: QuestionSet
    queries: Path
    qrels: Path | None = None
    metrics: Sequence[str] = ()
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    spec_diff: Sequence[tuple[str, Any, Any]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    composition: Composition,
    wanted: Evaluated,
    *,
    parallel: int = 1,
    max_cost_usd: float | None = None,
    on_question: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Asks every question, measures what came of them and keeps it; returns the result.

    Where no model answers or verifies, each question gets as many hits as the deepest metric looks at. Where
    one does, it gets the spec's own `ask.rank.top_n`, since more would change the answer.

    Args:
        parallel: how many are asked at the same time; latencies grow with it.
        max_cost_usd: the most that models may cost.
        on_question: told how many questions are done.

    Raises:
        UsageError: a metric looks further down than the spec shows hits.
        RagctlError: what would meet every question, see `Asker` and `AskRun`.
    """
    metrics, top_n = _depth(composition, wanted.metrics)
    asker = Asker(composition, top_n=top_n)
    questions = wanted.questions.questions
    numbers = range(1, len(questions) + 1)
    started = datetime.now(UTC)
    with EvalRun(composition, asker, asked=numbers, max_cost_usd=max_cost_usd) as run:
        texts = [one.text for one in questions]
        judge = _judge(asker.context, limited=max_cost_usd is not None)
        answers: list[AskResult | None] = []
        failures = []
        results = run.counting(answer_each(asker, texts, parallel=parallel))
        for done, (question, result) in enumerate(zip(questions, results, strict=True), start=1):
            if isinstance(result, Unanswered):
                failures.append(failure_json(question.id, result))
            answers.append(None if isinstance(result, Unanswered) else result)
            on_question(done)
        judged = None if judge is None else run.judging(judge, answers)
        said = [{} for _ in answers] if judged is None else judged.values
        outcomes = [_outcome(*one) for one in zip(questions, answers, said, strict=True)]
        result_json = {
            "schema_version": SCHEMA_VERSION,
            "run": run.id,
            "kind": "variant" if wanted.name else "evaluation",
            "name": wanted.name or composition.spec.name,
            "started": started.isoformat(),
            "index": composition.index,
            "generation": asker.generation.number,
            **_files(wanted),
            "values": dict(wanted.values),
            "spec_diff": [list(one) for one in wanted.spec_diff],
            **_labelled(measured(outcomes, metrics), judged),
            "failures": failures,
            "index_facts": _index_facts(composition, asker),
            "provenance": provenance(
                composition,
                recipe=asker.generation.recipe,
                embedder=asker.generation.embedder,
                documents=composition.generations().documents_digest(asker.generation),
            ),
            **wanted.more,
        }
        run.result = result_json
    return result_json


def _depth(composition: Composition, names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    settings = composition.spec.document_ask
    shown = settings.rank.top_n
    metrics = checked_metrics(names or DEFAULTS)
    models_read = settings.answer.provider != "none" or settings.verify.provider != "none"
    if not models_read:
        return metrics, max(depth_of(metrics), shown)
    if not names:
        return checked_metrics([f"{name.partition('@')[0]}@{shown}" for name in DEFAULTS]), shown
    deep = [name for name in metrics if depth_of([name]) > shown]
    if deep:
        raise UsageError(
            f"{', '.join(deep)} looks further down than the {shown} passages that ask.rank.top_n shows to "
            "the model that answers or verifies",
            where=composition.loaded.where("ask.rank.top_n"),
            hint=f"metrics down to {shown}, or --set ask.answer.provider=none to measure retrieval alone",
        )
    return metrics, shown


def _judge(context: Context, *, limited: bool) -> Judge | None:
    model = context.models.get("judge") if context.settings.answer.provider != "none" else None
    return None if model is None else Judge(context, model, limited=limited)


def _outcome(question: Question, result: AskResult | None, judged: Mapping[str, float]) -> Outcome:
    if result is None:  # It found nothing: leaving it out would make the mean better.
        return Outcome(question, (), None, 0.0, None, {})
    return Outcome(question, result.hits, result.answer, result.timings["total_ms"], cost_of(result), judged)


def _labelled(found: dict[str, Any], judged: JudgedAnswers | None) -> dict[str, Any]:
    """With the judge's name beside what it judged: another judge's figures are other figures."""
    if judged is None:
        return found
    for name in JUDGED_METRICS:
        if name in found["metrics"]:
            found["metrics"][name]["judge"] = judged.model
    return {**found, "judge": judged.as_json()}


def _files(wanted: Evaluated) -> dict[str, Any]:
    return {
        "queries": {**file_json(wanted.queries), "count": len(wanted.questions.questions)},
        "judgements": {
            **file_json(wanted.qrels or wanted.queries),
            "level": wanted.questions.level,
            "left_out": len(wanted.questions.left_out),
        },
    }


def _index_facts(composition: Composition, asker: Asker) -> dict[str, Any]:
    with database_errors():
        store = composition.store_of(asker.generation)
        documents, chunks = store.counts()
        runs = list(
            _ingests(Runs(composition.connect(), composition.index).latest(), asker.generation.number)
        )
    costs = [one.record.get("usage", {}).get("cost_usd") for one in runs]
    return {
        "documents": documents,
        "chunks": chunks,
        "bytes": store.size_bytes(),
        "ingest_seconds": round(sum(one.record.get("seconds", 0.0) for one in runs), 3),
        "embedded": sum(one.record.get("counts", {}).get("embedded", 0) for one in runs),
        "cached": sum(one.record.get("counts", {}).get("cached", 0) for one in runs),
        "ingest_cost_usd": None if None in costs else round(sum(costs), 9),
    }


def _ingests(runs: Sequence[RunRow], generation: int) -> Iterator[RunRow]:
    for one in runs:
        if one.command == "ingest" and one.record.get("generation") == generation and "counts" in one.record:
            yield one
