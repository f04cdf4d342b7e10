"""Conditions of a command line."""

from __future__ import annotations

from collections.abc import Iterable

from ragctl.conditions import Condition
from ragctl.errors import UsageError
from ragctl.stages.conditions import parse_condition


def conditions_of(texts: Iterable[str], *, option: str) -> tuple[Condition, ...]:
    """What documents must fulfil, all of it.

    Args:
        option: where the texts are from, for the error.

    Raises:
        UsageError: one of them is no condition.
    """
    made = []
    for text in texts:
        try:
            made.append(parse_condition(text))
        except ValueError as error:
            raise UsageError(str(error), where=option) from error
    return tuple(made)
