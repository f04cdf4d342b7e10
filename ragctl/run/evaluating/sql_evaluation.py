"""Execution accuracy as a run: questions to a database, judged by the rows that their own statements give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.evaluate.judgements import Question
from ragctl.evaluate.result import SCHEMA_VERSION, Outcome, measured
from ragctl.run.answering.asked import AskResult, Unanswered
from ragctl.run.answering.batch import answer_each
from ragctl.run.evaluating.eval_run import EvalRun, cost_of, failure_json, file_json, provenance
from ragctl.run.sql_answering.asking import NoStatement, SqlAsker
from ragctl.run.usage import total_usage
from ragctl.sql import accuracy
from ragctl.sql.accuracy import Judged, Pair, gold_results, judge_question
from ragctl.sql.types import ResultTable, SqlAnswer

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

LEVEL = "statement"
"""What the judgements are: statements whose rows are right."""
_NO_INDEX = {
    "documents": 0,
    "chunks": 0,
    "bytes": 0,
    "ingest_seconds": 0.0,
    "embedded": 0,
    "cached": 0,
    "ingest_cost_usd": 0.0,
}


@dataclass(frozen=True, slots=True)
class SqlEvaluated:
    """What is to be evaluated: the questions of a file, each with its right statements."""

    pairs: Sequence[Pair]
    queries: Path


def read_pairs(queries: Path) -> SqlEvaluated:
    """The questions of a file, see `ragctl.sql.accuracy.read_pairs`."""
    return SqlEvaluated(accuracy.read_pairs(queries), queries)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that can be judged, with the results of its right statements; none: there is no answer."""

    id: str
    pair: Pair
    right: Sequence[ResultTable]


def evaluate_sql(
    composition: Composition,
    wanted: SqlEvaluated,
    *,
    parallel: int = 1,
    max_cost_usd: float | None = None,
    on_question: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Runs each question's right statements, asks the question, and compares the rows; keeps the result.

    `execution_accuracy` is the share of questions with the very rows and columns,
    `execution_accuracy_with_more` lets further columns pass. A question for which no statement could be run
    is wrong. One whose own statements cannot be run is not asked: `excluded` says why.

    Args:
        parallel, max_cost_usd, on_question: as for `evaluation.evaluate`.

    Raises:
        UsageError: none of the questions' own statements can be run.
        RagctlError: what would meet every question, see `SqlAsker`.
    """
    asker = SqlAsker(composition)
    try:
        asked, excluded = _judgeable(asker, wanted)
        started = datetime.now(UTC)
        with EvalRun(composition, asker, asked=range(1, len(asked) + 1), max_cost_usd=max_cost_usd) as run:
            texts = [one.pair.question for one in asked]
            results = []
            for result in run.counting(answer_each(asker, texts, parallel=parallel)):
                results.append(result)
                on_question(len(results))
            said = {"run": run.id, "started": started.isoformat(), "excluded": excluded}
            result_json = {**said, **_result(asker, composition, wanted, asked, results, len(excluded))}
            run.result = result_json
        return result_json
    finally:
        asker.close()


def _result(
    asker: SqlAsker,
    composition: Composition,
    wanted: SqlEvaluated,
    asked: Sequence[_Asked],
    results: Sequence[AskResult | Unanswered],
    left_out: int,
) -> dict[str, Any]:
    failures = [
        failure_json(one.id, result)
        for one, result in zip(asked, results, strict=True)
        if isinstance(result, Unanswered) and not isinstance(result.error, NoStatement)
    ]
    schema = asker.context.schema_of(asker.database)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "evaluation",
        "name": composition.spec.name,
        "index": composition.index,
        "generation": None,
        "queries": {**file_json(wanted.queries), "count": len(asked)},
        "judgements": {**file_json(wanted.queries), "level": LEVEL, "left_out": left_out},
        "values": {},
        "spec_diff": [],
        **_measured(asked, results),
        "failures": failures,
        "index_facts": dict(_NO_INDEX),
        "provenance": {
            **provenance(composition, recipe=None, embedder=None),
            "schema": schema.fingerprint,
        },
    }


def _judgeable(asker: SqlAsker, wanted: SqlEvaluated) -> tuple[list[_Asked], list[dict[str, Any]]]:
    """Questions with the results of their right statements; and those that have none, with the reason."""
    schema = asker.context.schema_of(asker.database)
    asked, excluded = [], []
    for number, pair in enumerate(wanted.pairs, start=1):
        identity = pair.id or f"q{number}"
        right, faults = gold_results(pair.gold, asker.database, schema)
        if pair.gold and not right:
            excluded.append({"id": identity, "question": pair.question, "message": faults[0]})
        else:
            asked.append(_Asked(identity, pair, right))
    if not asked:
        raise UsageError(
            f"none of the questions' own statements can be run; the first: {excluded[0]['message']}",
            where=str(wanted.queries),
            hint="they are of the database that ask.database names, and read it only",
        )
    return asked, excluded


def _measured(asked: Sequence[_Asked], results: Sequence[AskResult | Unanswered]) -> dict[str, Any]:
    outcomes = [_outcome(*one) for one in zip(asked, results, strict=True)]
    found = measured(outcomes, ())
    # The first metric is the main one: what --max-drop looks at.
    names = sorted(found["metric_names"], key=lambda name: not name.startswith("execution_accuracy"))
    for kept, one, result in zip(found["per_question"], asked, results, strict=True):
        kept["expected"] = list(one.pair.gold)
        kept["statement"] = result.sql["statement"] if isinstance(result, AskResult) and result.sql else None
    return {**found, "metrics": {name: found["metrics"][name] for name in names}, "metric_names": names}


def _outcome(one: _Asked, result: AskResult | Unanswered) -> Outcome:
    question = Question(one.id, one.pair.question)
    if isinstance(result, Unanswered):
        wrong = _values(Judged(one.pair.question, False, False))
        return Outcome(question, (), None, 0.0, total_usage(result.stages).cost_usd, wrong)
    judged = judge_question(one.pair, _answer(result.question, result.sql or {}), one.right)
    return Outcome(question, (), result.answer, result.timings["total_ms"], cost_of(result), _values(judged))


def _values(judged: Judged) -> dict[str, float]:
    return {
        "execution_accuracy": float(judged.right),
        "execution_accuracy_with_more": float(judged.with_more),
    }


def _answer(question: str, sql: Mapping[str, Any]) -> SqlAnswer:
    """The answer that `run.sql_answering.results.sql_json` wrote down."""
    return SqlAnswer(
        question,
        sql["status"],
        columns=tuple(sql["columns"]),
        rows=tuple(map(tuple, sql["rows"])),
        truncated=sql["truncated"],
    )
