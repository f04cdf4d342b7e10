"""Made-up results, in the form that evaluations are kept in."""

from __future__ import annotations

import random
from typing import Any

from ragctl.evaluate.intervals import mean_interval

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> $a$ & \u202e`*_'


def made_results(
    variants: int = 3, questions: int = 40, *, name: str = "tokens={}, mode=hybrid"
) -> list[Any]:
    """Each variant a little better and slower than the one before; the second has a failure."""
    draw = random.Random(7)
    base = [draw.random() for _ in range(questions)]
    return [_result(draw, number, base, name) for number in range(variants)]


def _result(draw: random.Random, number: int, base: list[float], name: str) -> dict[str, Any]:
    values = [min(1.0, max(0.0, round(one + draw.gauss(0.02 * number, 0.2), 3))) for one in base]
    asked = [_question(at, value, number) for at, value in enumerate(values)]
    means = {
        metric: mean_interval([one["metrics"][metric] for one in asked], resamples=200)._asdict()
        for metric in ("ndcg@10", "recall@100")
    }
    failure = {"id": "q1", "question": HOSTILE, "stage": "query", "message": HOSTILE}
    return {
        "schema_version": 1,
        "run": f"20261123T0500{number:02}-abcdef",
        "kind": "variant",
        "name": name.format(64 * (number + 1)),
        "started": "2026-11-23T05:00:00+00:00",
        "index": "docs",
        "generation": number + 1,
        "queries": {"path": "queries.jsonl", "sha256": "ab" * 32, "count": len(base)},
        "judgements": {"path": "qrels.tsv", "sha256": "cd" * 32, "level": "document", "left_out": 0},
        "values": {"chunk.max_tokens": 64 * (number + 1)},
        "spec_diff": [["chunk.max_tokens", 256, 64 * (number + 1)]] if number else [],
        "metrics": means,
        "metric_names": list(means),
        "latency_ms": {"p50": 50.0 + number, "p95": 70.0 + 9 * number},
        "cost_usd": 0.01 * number,
        "cost_usd_per_question": 0.0001 * number,
        "index_facts": {"chunks": 900, "bytes": 34_000_000, "ingest_seconds": 75.1},
        "provenance": {"recipe": "f" * 64, "embedder": "local/x", "versions": {"ragctl": "0"}, "python": "3"},
        "failures": [failure] if number == 1 else [],
        "per_question": asked,
    }


def _question(at: int, value: float, variant: int) -> dict[str, Any]:
    text = HOSTILE if at % 5 == 0 else f"What becomes of document {at} when its update fails half-way?"
    hits = [
        {"source": "docs", "document": f"{at + place}.md", "start": 0, "end": 90, "score": 0.5,
         "relevant": place == variant % 3}
        for place in range(10)
    ]  # fmt: skip
    return {
        "id": f"q{at}",
        "question": text,
        "ms": 60.0,
        "cost_usd": 0.0,
        "metrics": {"ndcg@10": value, "recall@100": value},
        "top": hits,
        "expected": [f"{at}.md"],
    }
