"""What models were asked for in a run, by stage, as records and reports show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from ragctl.ports import Metered
from ragctl.types import Usage


class UsageWatch:
    """What a model is asked for from now on."""

    def __init__(self, model: Metered) -> None:
        self._model = model
        self._before = model.usage

    @property
    def usage(self) -> Usage:
        after, before = self._model.usage, self._before
        return Usage(
            tokens=after.tokens - before.tokens,
            output_tokens=after.output_tokens - before.output_tokens,
            requests=after.requests - before.requests,
            retries=after.retries - before.retries,
            seconds=after.seconds - before.seconds,
            cost_usd=_cost(before, after),
        )


def _cost(before: Usage, after: Usage) -> float | None:
    if after == before:
        return 0.0
    if after.cost_usd is None or before.cost_usd is None:
        return None
    return after.cost_usd - before.cost_usd


def total_usage(by_stage: Mapping[str, Usage]) -> Usage:
    """All stages together."""
    return sum(by_stage.values(), Usage())


def usage_json(by_stage: Mapping[str, Usage], *, tokens: int, cost_usd: float | None) -> dict[str, Any]:
    """The object under `usage`: sums, and the same of each stage under `stages`.

    Args:
        tokens: of what the run embedded, as ragctl counts them; a provider's own count stands with its stage.
    """
    total = asdict(total_usage(by_stage))
    return {
        "tokens": tokens,
        "cost_usd": _rounded(cost_usd),
        "output_tokens": total["output_tokens"],
        "requests": total["requests"],
        "retries": total["retries"],
        "seconds": round(total["seconds"], 3),
        "stages": {stage: stage_json(usage) for stage, usage in by_stage.items()},
    }


def stage_json(usage: Usage) -> dict[str, Any]:
    """One stage's usage as JSON values; `usage_of` reads it back."""
    return {**asdict(usage), "seconds": round(usage.seconds, 3), "cost_usd": _rounded(usage.cost_usd)}


def usage_of(entry: Mapping[str, Any]) -> Usage:
    """What `stage_json` wrote."""
    return Usage(**{one.name: entry[one.name] for one in fields(Usage) if one.name in entry})


def _rounded(cost_usd: float | None) -> float | None:
    """To a billionth of a dollar: sums of floats are not to show their last digits."""
    return None if cost_usd is None else round(cost_usd, 9)
