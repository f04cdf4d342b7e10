"""A provider's limits of requests and tokens a minute, shared by all that work with one database.

Each limit is a row that says when its next request may go: the generic cell rate algorithm without a
burst. A request takes its place in the queue with one statement, and then sleeps until it is its turn.
The clock is the server's, so that the workers' own need not agree.

In any minute no more requests go than the limit, and no more tokens than the limit and one request's.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable

if TYPE_CHECKING:
    from psycopg import Connection

_MINUTE_S = 60.0


class PostgresThrottle:
    """Waits for its turn before each request. Threads may share one.

    Args:
        connect: gives the connection to use, in autocommit mode; called when it is first needed. It must
            not be one that holds a transaction open: others would wait for its end.
        name: of what is limited, see `throttle_name`; equal names share their limits.
        requests_per_minute, tokens_per_minute: above 0; None: no such limit.
        sleep: waits so many seconds. By default one that `close` ends.
    """

    def __init__(
        self,
        connect: Callable[[], Connection[Any]],
        name: str,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._connect = connect
        self._name = name
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._closed = threading.Event()
        self._sleep = self._closed.wait if sleep is None else sleep

    def acquire(self, *, tokens: int) -> float:
        """Waits until one more request, of so many tokens, may go.

        A request of more tokens than a minute has goes too, and those after it wait the longer.

        Returns:
            The seconds waited.

        Raises:
            Unavailable: the throttle was closed meanwhile; the request is not to be sent.
        """
        wait = self._take_places(tokens)
        if wait > 0:
            self._sleep(wait)
        if self._closed.is_set():
            raise Unavailable("the run ended while a request waited for its provider's limits")
        return wait

    def close(self) -> None:
        """Wakes everyone who waits; nobody gets a turn any more."""
        self._closed.set()

    def _take_places(self, tokens: int) -> float:
        """Seconds until both limits let the request go; not above 0 if they do now."""
        waits = [0.0]
        if self._requests_per_minute is not None:
            waits.append(self._take_place("requests", _MINUTE_S / self._requests_per_minute))
        if self._tokens_per_minute is not None:
            waits.append(self._take_place("tokens", _MINUTE_S * tokens / self._tokens_per_minute))
        return max(waits)

    def _take_place(self, limit: str, seconds: float) -> float:
        """Takes so many seconds of that limit's time; how long it is until they begin."""
        # The row is locked before its new value is computed: no two get the same place.
        row = (
            self._connect()
            .execute(
                """
                INSERT INTO throttles AS t (name, free_at)
                VALUES (%(name)s, clock_timestamp() + make_interval(secs => %(seconds)s))
                ON CONFLICT (name) DO UPDATE
                SET free_at = greatest(t.free_at, clock_timestamp()) + make_interval(secs => %(seconds)s)
                RETURNING extract(epoch FROM
                    free_at - make_interval(secs => %(seconds)s) - clock_timestamp())::float8
                """,
                {"name": f"{self._name}/{limit}", "seconds": seconds},
            )
            .fetchone()
        )
        assert row is not None  # it was either inserted or updated
        return float(row[0])


def throttle_name(provider: str, host: str | None, model: str, key: str | None) -> str:
    """The name of what one account may ask of one model. A digest: the key cannot be had back from it."""
    text = "\0".join((provider, host or "", model, key or ""))
    return f"{provider}/{hashlib.sha256(text.encode()).hexdigest()[:32]}"
