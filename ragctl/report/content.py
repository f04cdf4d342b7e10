"""What a report says, before it has a form: rows, differences, changed questions, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl.errors import UsageError
from ragctl.evaluate.compare import Change, Comparison, compare
from ragctl.evaluate.pareto import pareto, value_at

Result = Mapping[str, Any]

MOST_CHANGES = 8
"""Questions that got better, and as many that got worse, shown of each result."""
MOST_FAILURES = 50
MOST_HITS = 3
"""Of a changed question, shown of both results."""
SHARES = ("0", "up to 0.25", "up to 0.5", "up to 0.75", "below 1", "1")
"""Into which a metric's values by question are put."""


@dataclass(frozen=True, slots=True)
class Row:
    """One result in the table.

    Attributes:
        number: from 1, as in the plots.
        difference: from the baseline: mean, low, high; None of the baseline itself.
        p: corrected for the number of comparisons.
        shares: of the questions, by `SHARES`, from 0 to 1.
    """

    number: int
    name: str
    run: str
    mean: float
    low: float
    high: float
    questions: int
    difference: tuple[float, float, float] | None
    p: float | None
    p50_ms: float | None
    p95_ms: float | None
    cost: float | None
    chunks: int | None
    bytes: int | None
    ingest_seconds: float | None
    failures: int
    on_front: bool
    is_baseline: bool
    shares: tuple[float, ...]
    metrics: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ChangedQuestion:
    """A question whose result differs from the baseline's, with the first hits of both."""

    change: Change
    expected: tuple[str, ...]
    before: tuple[Mapping[str, Any], ...]
    after: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Versus:
    """One result against the baseline."""

    row: Row
    better: tuple[ChangedQuestion, ...]
    worse: tuple[ChangedQuestion, ...]
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Content:
    """All of it.

    Attributes:
        metric: by which results are ordered and compared.
        rows: in the order given; the first is the baseline.
        metric_names: of all results, in order.
        specs: of each row with a difference of its spec: (row, [(key, base, value)]).
        failures: (row, failure), at most `MOST_FAILURES`; `failures_in_all` says how many there are.
        provenance: of each row: (row, {what: value}).
    """

    metric: str
    baseline: str
    rows: tuple[Row, ...]
    metric_names: tuple[str, ...]
    versus: tuple[Versus, ...]
    specs: tuple[tuple[Row, tuple[tuple[str, str, str], ...]], ...]
    failures: tuple[tuple[Row, Mapping[str, Any]], ...]
    failures_in_all: int
    provenance: tuple[tuple[Row, Mapping[str, str]], ...]
    same_questions: bool


def content_of(results: Sequence[Result], metric: str | None = None) -> Content:
    """What is to be said of these results, the first of which is the baseline.

    Args:
        metric: the first of the first result's if None.

    Raises:
        UsageError: there is no result, one lacks the metric, or shares no question with the first.
    """
    if not results:
        raise UsageError("there is no result to report", hint="ragctl eval SPEC --queries FILE makes one")
    chosen = metric or next(iter(results[0].get("metrics", {})), None)
    if chosen is None:
        raise UsageError("the first result has no metric")
    comparison = compare(results, chosen)
    rows = _rows(results, chosen, comparison)
    digests = {one.get("queries", {}).get("sha256") for one in results}
    failures = [(row, failure) for row, one in zip(rows, results, strict=True) for failure in one["failures"]]
    return Content(
        metric=chosen,
        baseline=rows[0].name,
        rows=tuple(rows),
        metric_names=tuple(dict.fromkeys(name for one in results for name in one["metrics"])),
        versus=tuple(_versus(results, rows, comparison)),
        specs=tuple(
            (row, tuple((key, _text(old), _text(new)) for key, old, new in one["spec_diff"]))
            for row, one in zip(rows, results, strict=True)
            if one.get("spec_diff")
        ),
        failures=tuple(failures[:MOST_FAILURES]),
        failures_in_all=len(failures),
        provenance=tuple((row, _provenance(one)) for row, one in zip(rows, results, strict=True)),
        same_questions=len(digests) == 1,
    )


def _rows(results: Sequence[Result], metric: str, comparison: Comparison) -> list[Row]:
    front = pareto(results, quality=metric)
    differences = [None, *comparison.differences]
    rows = []
    for number, (one, difference, on_front) in enumerate(
        zip(results, differences, front, strict=True), start=1
    ):
        facts, measured = one.get("index_facts", {}), one["metrics"][metric]
        interval = None if difference is None else difference.interval
        rows.append(
            Row(
                number=number,
                name=str(one.get("name") or one["run"]),
                run=str(one["run"]),
                mean=measured["mean"],
                low=measured["low"],
                high=measured["high"],
                questions=measured["n"],
                difference=None if interval is None else (interval.mean, interval.low, interval.high),
                p=None if difference is None else difference.p_corrected,
                p50_ms=value_at(one, "latency_ms.p50"),
                p95_ms=value_at(one, "latency_ms.p95"),
                cost=one.get("cost_usd_per_question"),
                chunks=facts.get("chunks"),
                bytes=facts.get("bytes"),
                ingest_seconds=facts.get("ingest_seconds"),
                failures=len(one["failures"]),
                on_front=on_front,
                is_baseline=number == 1,
                shares=_shares(one, metric),
                metrics=one["metrics"],
            )
        )
    return rows


def _shares(result: Result, metric: str) -> tuple[float, ...]:
    counts = [0] * len(SHARES)
    for one in result["per_question"]:
        value = one["metrics"].get(metric)
        if value is not None:
            counts[_share_of(value)] += 1
    total = sum(counts) or 1
    return tuple(count / total for count in counts)


def _share_of(value: float) -> int:
    if value <= 0:
        return 0
    if value >= 1:
        return len(SHARES) - 1
    return next((number for number, most in enumerate((0.25, 0.5, 0.75), start=1) if value <= most), 4)


def _versus(results: Sequence[Result], rows: Sequence[Row], comparison: Comparison) -> list[Versus]:
    questions = [{str(one["id"]): one for one in result["per_question"]} for result in results]

    def changed(at: int, changes: Sequence[Change]) -> tuple[ChangedQuestion, ...]:
        return tuple(
            ChangedQuestion(
                one,
                tuple(map(str, questions[0][one.id].get("expected", ()))),
                tuple(questions[0][one.id].get("top", ())[:MOST_HITS]),
                tuple(questions[at][one.id].get("top", ())[:MOST_HITS]),
            )
            for one in changes[:MOST_CHANGES]
        )

    return [
        Versus(
            rows[at],
            changed(at, one.better),
            changed(at, one.worse),
            (len(one.better), len(one.worse), one.unchanged),
        )
        for at, one in enumerate(comparison.differences, start=1)
    ]


def _provenance(result: Result) -> dict[str, str]:
    made, queries = result.get("provenance", {}), result.get("queries", {})
    judgements = result.get("judgements", {})
    judge = result.get("judge") or {}
    values = {
        "run": result["run"],
        "started": result.get("started"),
        "index": result.get("index"),
        "generation": result.get("generation"),
        "embedder": made.get("embedder"),
        "recipe": made.get("recipe"),
        "questions": f"{queries.get('path')}, {queries.get('count')}, SHA-256 {queries.get('sha256')}",
        "judgements": f"{judgements.get('path')}, by {judgements.get('level')}, "
        f"SHA-256 {judgements.get('sha256')}",
        "judge": judge.get("model"),
        "versions": ", ".join(f"{name} {one}" for name, one in made.get("versions", {}).items()),
        "Python": made.get("python"),
    }
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
