"""What `low`, `medium` and `high` mean in US dollars per million tokens."""

from __future__ import annotations

import math
from typing import Literal

CostLevel = Literal["low", "medium", "high"]

UP_TO: dict[CostLevel, float] = {"low": 0.05, "medium": 0.15, "high": math.inf}
"""Level → the highest price that it stands for, in US dollars per million tokens, cheapest level first.

Chosen so that they part the embedding models on sale when this was written: text-embedding-3-small and what
runs at home are low, ada-002, -3-large and Cohere's are medium.
"""


def level_of(usd_per_million_tokens: float) -> CostLevel:
    """The level that a price belongs to."""
    return next(level for level, most in UP_TO.items() if usd_per_million_tokens <= most)


def is_within(level: CostLevel, threshold: CostLevel) -> bool:
    """Is it at most as high?"""
    return UP_TO[level] <= UP_TO[threshold]
