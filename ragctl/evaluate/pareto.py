"""Which results no other one beats at everything: the Pareto front of quality against what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
COSTS = ("cost_usd_per_question", "latency_ms.p95")


def pareto(results: Sequence[Result], *, quality: str, against: Sequence[str] = COSTS) -> list[bool]:
    """For each result: is there none that is at least as good at everything, and better at something?

    Args:
        quality: a metric; more is better.
        against: paths of numbers, such as `latency_ms.p95`; less is better. One that a result does not know
            counts as worse than any number.
    """
    points = [_point(result, quality, against) for result in results]
    return [not any(_beats(other, point) for other in points) for point in points]


def value_at(result: Result, path: str) -> float | None:
    """The number at `path`, keys joined by dots; None where there is none."""
    found: Any = result
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _point(result: Result, quality: str, against: Sequence[str]) -> tuple[float, ...]:
    measured = result.get("metrics", {}).get(quality, {}).get("mean")
    worst = float("-inf")
    best_first = [worst if measured is None else float(measured)]
    for path in against:
        value = value_at(result, path)
        best_first.append(worst if value is None else -value)
    return tuple(best_first)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine >= theirs for mine, theirs in zip(one, other, strict=True))
