"""Kept evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragctl.evaluate.compare import Change, Comparison, compare
from ragctl.evaluate.pareto import pareto, value_at
from ragctl.run.composition import Composition
from ragctl.run.evaluating.kept import kept_result

SCHEMA_VERSION = 1
_MOST_QUESTIONS = 20


def compare_kept(
    composition: Composition, names: Sequence[str], metric: str | None = None
) -> tuple[Comparison, list[dict[str, Any]]]:
    """The runs named, the first of them as the baseline; and what the table shows of each.

    Args:
        metric: the first of the first result's if None.

    Raises:
        UsageError: one is no evaluation, lacks the metric, or shares no question with the first.
        NothingPublished: no ingest has run here yet.
    """
    results = [kept_result(composition, name) for name in names]
    chosen = metric or next(iter(results[0]["metrics"]))
    return compare(results, chosen), compared_facts(results, chosen)


def compared_facts(results: Sequence[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Of each result: `run`, `label`, `mean`, `p95_ms`, `cost` (a question, US dollars), `chunks`, `bytes`,
    `ingest_seconds`, and whether it is on the `pareto` front of quality, cost and latency."""
    front = pareto(results, quality=metric)
    return [
        {
            "run": one["run"],
            "label": one["name"] if one["kind"] == "variant" else one["run"],
            "mean": one["metrics"][metric]["mean"],
            "p95_ms": value_at(one, "latency_ms.p95"),
            "cost": one["cost_usd_per_question"],
            "chunks": one["index_facts"]["chunks"],
            "bytes": one["index_facts"]["bytes"],
            "ingest_seconds": one["index_facts"]["ingest_seconds"],
            "pareto": on_front,
        }
        for one, on_front in zip(results, front, strict=True)
    ]


def comparison_json(comparison: Comparison, facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document that `ragctl runs SPEC compare A B --format json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "metric": comparison.metric,
        "baseline": comparison.baseline,
        "results": list(facts),
        "differences": [
            {
                "name": one.name,
                "run": one.run,
                **one.interval._asdict(),
                "p": one.p,
                "p_corrected": one.p_corrected,
                "better": len(one.better),
                "worse": len(one.worse),
                "unchanged": one.unchanged,
                "most_better": [_change(change) for change in one.better[:_MOST_QUESTIONS]],
                "most_worse": [_change(change) for change in one.worse[:_MOST_QUESTIONS]],
            }
            for one in comparison.differences
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return {"id": change.id, "question": change.question, "before": change.before, "after": change.after}
