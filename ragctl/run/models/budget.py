"""The money of one run: its models are made before the run has a name, and spend under that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ragctl.state.spending import PostgresSpending, open_budget
from ragctl.types import Usage

if TYPE_CHECKING:
    from psycopg import Connection


class RunBudget:
    """What models reserve from. Until it is opened nothing is counted, and nothing refused.

    Args:
        connect: gives a connection that no run holds a transaction open on.
    """

    def __init__(self, connect: Callable[[], Connection[Any]]) -> None:
        self._connect = connect
        self._spending: PostgresSpending | None = None

    def open(self, run: str, max_usd: float | None) -> None:
        """From now on, requests are paid from this run's budget; see `open_budget`."""
        open_budget(self._connect(), run, max_usd)
        self._spending = PostgresSpending(self._connect, run)

    def reserve(self, most_usd: float) -> int:
        """
        Raises:
            OverBudget: see `Spending.reserve`.
        """
        return self._spending.reserve(most_usd) if self._spending is not None else 0

    def settle(self, reservation: int, usage: Usage) -> None:
        if self._spending is not None:
            self._spending.settle(reservation, usage)
