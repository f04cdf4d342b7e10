"""Gates: what an evaluation must reach for a build to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl.errors import UsageError
from ragctl.evaluate.compare import compare

_FORM = re.compile(r"\s*([a-z][a-z0-9_@.]*)\s*(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")
_LATENCIES = {"p50_ms": "p50", "p95_ms": "p95"}


@dataclass(frozen=True, slots=True)
class Gate:
    """A metric's mean, or `p50_ms`, `p95_ms`, `cost_usd_per_question`, and what it must be."""

    metric: str
    operator: str
    value: float

    def __str__(self) -> str:
        return f"{self.metric}{self.operator}{self.value:g}"

    def holds(self, measured: float) -> bool:
        return {
            ">=": measured >= self.value,
            "<=": measured <= self.value,
            ">": measured > self.value,
            "<": measured < self.value,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate, what was measured (None: nothing), and whether it holds."""

    gate: str
    measured: float | None
    met: bool

    def as_json(self) -> dict[str, Any]:
        return {"gate": self.gate, "measured": self.measured, "met": self.met}


def read_gate(text: str) -> Gate:
    """`ndcg@10>=0.65` as a gate.

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no gate", hint="such as 'ndcg@10>=0.65' or 'p95_ms<=200'; quote it")
    return Gate(found[1], found[2], float(found[3]))


def verdicts(result: Mapping[str, Any], gates: Sequence[Gate]) -> list[Verdict]:
    """Each gate against a result. What was not measured is not met."""
    found = []
    for gate in gates:
        value = _measured(result, gate.metric)
        found.append(Verdict(str(gate), value, value is not None and gate.holds(value)))
    return found


def drop_verdicts(
    result: Mapping[str, Any], baseline: Mapping[str, Any], *, max_drop: float, metrics: Sequence[str]
) -> list[Verdict]:
    """Each metric's mean paired difference to the baseline, which may be at most `max_drop` below 0.

    Raises:
        UsageError: the two share no questions, or one lacks a metric.
    """
    found = []
    for metric in metrics:
        (difference,) = compare([baseline, result], metric).differences
        by = difference.interval.mean
        found.append(Verdict(f"{metric} at most {max_drop:g} below the baseline", by, by >= -max_drop))
    return found


def _measured(result: Mapping[str, Any], metric: str) -> float | None:
    if metric in _LATENCIES:
        value = result["latency_ms"][_LATENCIES[metric]]
    elif metric == "cost_usd_per_question":
        value = result[metric]
    else:
        value = result["metrics"].get(metric, {}).get("mean")
    return None if value is None else float(value)
