"""rank: hits → the few that are shown, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragctl.types import Hit


def rank(hits: Sequence[Hit], *, top_n: int) -> list[Hit]:
    """The first `top_n` hits, numbered from 1. They keep the order that they came in."""
    return [replace(hit, rank=number) for number, hit in enumerate(hits[:top_n], start=1)]
