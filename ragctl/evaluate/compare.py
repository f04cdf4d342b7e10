"""Compares results question by question: paired differences, how sure they are, and where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragctl.errors import UsageError
from ragctl.evaluate.intervals import RESAMPLES, Interval, mean_interval

Result = Mapping[str, Any]
"""The JSON of one evaluation: `metrics`, `per_question`, `name`, `run` and more."""


@dataclass(frozen=True, slots=True)
class Change:
    """A question whose metric differs between the baseline and another result."""

    id: str
    question: str
    before: float
    after: float

    @property
    def by(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Difference:
    """One result against the baseline, over the questions that both have.

    Attributes:
        interval: of the paired differences, result less baseline.
        p: two-sided, of a paired t-test; 1 where all differences are 0; None with fewer than two questions.
        p_corrected: Holm's correction for the number of results that were compared.
        better, worse: questions, by how much they changed, most first.
        unchanged: how many others there are.
    """

    name: str
    run: str
    interval: Interval
    p: float | None
    p_corrected: float | None
    better: tuple[Change, ...]
    worse: tuple[Change, ...]
    unchanged: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric over several results, and each against the baseline, in the order given."""

    metric: str
    baseline: str
    differences: tuple[Difference, ...]


def compare(
    results: Sequence[Result], metric: str, *, baseline: int = 0, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Every result but the baseline against it.

    Args:
        metric: a key of each question's `metrics`.
        baseline: position of the result that the others are compared with.

    Raises:
        UsageError: a result has no such metric, or shares no question with the baseline.
    """
    values = [_values(result, metric) for result in results]
    base = values[baseline]
    pairs = []
    for position, result in enumerate(results):
        if position == baseline:
            continue
        shared = [key for key in base if key in values[position]]
        if not shared:
            raise UsageError(
                f"{_name(result)} and {_name(results[baseline])} share no question with {metric}",
                hint="compare results of the same queries file",
            )
        pairs.append((position, shared))
    p_values = [_p_value([values[at][key] - base[key] for key in shared]) for at, shared in pairs]
    corrected = holm(p_values)
    texts = {
        str(one["id"]): str(one.get("question", "")) for result in results for one in result["per_question"]
    }
    differences = []
    for (position, shared), p, adjusted in zip(pairs, p_values, corrected, strict=True):
        changes = [Change(key, texts.get(key, ""), base[key], values[position][key]) for key in shared]
        better = sorted((one for one in changes if one.by > 0), key=lambda one: (-one.by, one.id))
        worse = sorted((one for one in changes if one.by < 0), key=lambda one: (one.by, one.id))
        differences.append(
            Difference(
                name=_name(results[position]),
                run=str(results[position].get("run", "")),
                interval=mean_interval([one.by for one in changes], resamples=resamples, seed=seed),
                p=p,
                p_corrected=adjusted,
                better=tuple(better),
                worse=tuple(worse),
                unchanged=len(changes) - len(better) - len(worse),
            )
        )
    return Comparison(metric, _name(results[baseline]), tuple(differences))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number, so that they stay below a level together (Holm, 1979)."""
    known = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, position) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[position] = highest
    return corrected


def _values(result: Result, metric: str) -> dict[str, float]:
    found = {
        str(one["id"]): float(one["metrics"][metric])
        for one in result["per_question"]
        if one.get("metrics", {}).get(metric) is not None
    }
    if not found:
        known = ", ".join(sorted(result.get("metrics", {}))) or "none"
        raise UsageError(f"{_name(result)} has no metric {metric!r}", hint=f"it has: {known}")
    return found


def _name(result: Result) -> str:
    return str(result.get("name") or result.get("run") or "a result")


def _p_value(differences: Sequence[float]) -> float | None:
    """Two-sided, of a paired t-test."""
    n = len(differences)
    if n < 2:
        return None
    mean = math.fsum(differences) / n
    variance = math.fsum((one - mean) ** 2 for one in differences) / (n - 1)
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    from scipy.stats import t

    return float(2 * t.sf(abs(mean) / math.sqrt(variance / n), n - 1))
