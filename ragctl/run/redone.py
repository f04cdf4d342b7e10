"""What was under way when the database's session was lost, done again in the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_OFTEN = 3


def redone(work: Callable[[], T]) -> T:
    """Does the work; all of it again where its transaction was lost with the session.

    Args:
        work: one transaction, or several each of which may be done twice; outside of any other.

    Raises:
        psycopg.OperationalError: the session was lost each time, or did not come back.
    """
    from ragctl.state.session import SessionLost

    for _ in range(_OFTEN - 1):
        try:
            return work()
        except SessionLost:
            continue
    return work()
