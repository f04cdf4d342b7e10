"""What a run may spend, kept in the database so that all of its workers spend one budget.

Before a request its most is reserved, after it what it came to takes the reservation's place: spent and
reserved together never pass what the run may cost. A worker that was killed leaves its reservations
behind; they count as spent, as nobody knows what became of the requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragctl.errors import OverBudget
from ragctl.types import Usage

if TYPE_CHECKING:
    from psycopg import Connection

PATIENCE_S = 90.0
"""A request that is in flight has come to its end by then, or will not."""
_LOOK_AGAIN_S = 0.05
_NANODOLLAR = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of a budget, in US dollars.

    Attributes:
        max_usd: what the run was allowed; None: any amount.
        spent_usd: what requests came to.
        unsettled_usd: what was reserved for requests of which nothing is known.
        unpriced: the price of some request was not known; what was reserved for it counts as spent.
    """

    max_usd: float | None
    spent_usd: float
    unsettled_usd: float
    unpriced: bool


class PostgresSpending:
    """The budget of one run. Threads and processes may share one run's.

    Args:
        connect: gives the connection to use, in autocommit mode; called when it is first needed. It must
            not be one that holds a transaction open.
        run: whose budget it is, see `open_budget`.
        patience_s: how long to wait for requests in flight to be settled, where only what is reserved for
            them stands in the way.
    """

    def __init__(
        self,
        connect: Callable[[], Connection[Any]],
        run: str,
        *,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._connect = connect
        self._run = run
        self._patience_s = patience_s
        self._sleep = sleep

    def reserve(self, most_usd: float) -> int:
        """Sets that much aside; the number is for `settle`.

        Raises:
            OverBudget: with it, the run might cost more than it may; the request is not to be sent.
        """
        most = _exact(most_usd)
        started = time.monotonic()
        while True:
            reservation = self._reserved(most)
            if reservation is not None:
                return reservation
            in_the_way = self._in_the_way(most)
            if not in_the_way or time.monotonic() - started >= self._patience_s:
                raise self._over(most)
            self._sleep(_LOOK_AGAIN_S)

    def settle(self, reservation: int, usage: Usage) -> None:
        """Puts what the request came to in the place of what was reserved; once a reservation.

        An unknown cost (`cost_usd` None) counts as all that was reserved.
        """
        cost = None if usage.cost_usd is None else _exact(usage.cost_usd)
        self._connect().execute(
            """
            WITH gone AS (DELETE FROM reservations WHERE id = %(id)s AND run = %(run)s RETURNING usd)
            UPDATE budgets SET reserved_usd = reserved_usd - gone.usd,
                spent_usd = spent_usd + coalesce(%(cost)s::numeric, gone.usd),
                unpriced = unpriced OR %(cost)s::numeric IS NULL
            FROM gone WHERE run = %(run)s
            """,
            {"id": reservation, "run": self._run, "cost": cost},
        )

    def _reserved(self, most: Decimal) -> int | None:
        """One statement: the budget's row is locked, looked at again and changed, or left as it is."""
        row = (
            self._connect()
            .execute(
                """
                WITH granted AS (
                    UPDATE budgets SET reserved_usd = reserved_usd + %(most)s::numeric
                    WHERE run = %(run)s AND (max_usd IS NULL
                        OR spent_usd + reserved_usd + %(most)s::numeric <= max_usd)
                    RETURNING run)
                INSERT INTO reservations (run, usd) SELECT run, %(most)s::numeric FROM granted
                RETURNING id
                """,
                {"run": self._run, "most": most},
            )
            .fetchone()
        )
        return int(row[0]) if row else None

    def _in_the_way(self, most: Decimal) -> bool:
        """Would there be room if what is in flight cost nothing?"""
        row = (
            self._connect()
            .execute(
                "SELECT reserved_usd > 0 AND spent_usd + %s::numeric <= max_usd FROM budgets WHERE run = %s",
                (most, self._run),
            )
            .fetchone()
        )
        return bool(row and row[0])

    def _over(self, most: Decimal) -> OverBudget:
        row = (
            self._connect()
            .execute("SELECT max_usd, spent_usd, reserved_usd FROM budgets WHERE run = %s", (self._run,))
            .fetchone()
        )
        if row is None:
            raise LookupError(f"the run {self._run} has no budget")
        maximum, spent, reserved = row
        held = f", ${reserved:,.4f} is held for requests in flight" if reserved else ""
        return OverBudget(
            f"the run has spent ${spent:,.4f} of ${maximum:,.4f}{held}, and the next request may cost "
            f"${most:,.4f}; it was not sent",
            hint="what was done stays; the same command with a higher --max-cost goes on from here",
        )


def open_budget(connection: Connection[Any], run: str, max_usd: float | None) -> None:
    """Gives a run its budget. One that it has already (a run that is tried again) keeps what was spent of it.

    Args:
        max_usd: the most that the run may cost; None: what is spent is counted, and nothing refused.
    """
    connection.execute(
        "INSERT INTO budgets (run, max_usd) VALUES (%s, %s) "
        "ON CONFLICT (run) DO UPDATE SET max_usd = excluded.max_usd",
        (run, None if max_usd is None else _exact(max_usd)),
    )


def close_budget(connection: Connection[Any], run: str) -> Spent | None:
    """Ends a run's budget and says what became of it; None if it had none."""
    row = connection.execute(
        "DELETE FROM budgets WHERE run = %s "
        "RETURNING max_usd::float8, spent_usd::float8, reserved_usd::float8, unpriced",
        (run,),
    ).fetchone()
    return Spent(*row) if row else None


def close_left_budgets(connection: Connection[Any], index: str) -> None:
    """Closes the budgets of runs on an index that are over; what became of each goes into its record.

    A run that was killed has none of its own: `spending` is then all that is known of its cost.
    """
    connection.execute(
        """
        WITH gone AS (
            DELETE FROM budgets b USING runs r
            WHERE r.id = b.run AND r.index_name = %s AND r.status <> 'running'
            RETURNING b.run, b.max_usd, b.spent_usd, b.reserved_usd, b.unpriced)
        UPDATE runs r SET record = r.record || jsonb_build_object('spending', jsonb_build_object(
            'max_usd', gone.max_usd, 'spent_usd', gone.spent_usd, 'unsettled_usd', gone.reserved_usd,
            'unpriced', gone.unpriced))
        FROM gone WHERE r.id = gone.run
        """,
        (index,),
    )


def _exact(usd: float) -> Decimal:
    """Sums of these come out even, whatever their order; to a billionth of a dollar."""
    return Decimal(repr(float(usd))).quantize(_NANODOLLAR)
