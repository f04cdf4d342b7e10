"""The ways in which the stand-in of a model server misbehaves, and when."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "rate_limit",  # 429, with Retry-After if `retry_after` is set
    "quota",  # 429 that no waiting helps: insufficient_quota
    "server_error",  # 500
    "overloaded",  # 503, with Retry-After if `retry_after` is set
    "bad_key",  # 401
    "unknown_model",  # 404
    "too_long",  # 400: more tokens than the model reads
    "redirect",  # 307 to `to`
    "hang",  # nothing, until the client gives up
    "cut_before_headers",  # the connection is closed instead of an answer
    "cut_in_body",  # it is closed after half of the body
    "drip",  # a whole answer, in pieces that take `seconds` together
    "invalid_json",  # 200, and a body that ends in the middle
    "html",  # 200, and a page as a proxy shows it
    "other_json",  # 200, and JSON of another form
    "stream_error",  # an error object in the middle of a streamed reply
    "wrong_count",  # one vector or score too few
    "wrong_dimension",  # the first vector has one number too few
    "nan",  # the first vector holds a NaN
    "zero",  # the first vector is all zeros
    "shuffled",  # all is there, in reverse order; where the format has an index it is right
    "bad_index",  # an index stands twice (formats with an index only)
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour.

    Attributes:
        retry_after: seconds that the answer asks to wait; None: it does not ask.
        retry_after_as: the header that says so: `retry-after` in seconds or as an HTTP date (whole
            seconds, rounded up), or `retry-after-ms`.
        seconds: how long a slow drip takes.
        to: URL of another host, without a path, that a redirect leads to.
    """

    kind: Kind
    retry_after: float | None = None
    retry_after_as: Literal["seconds", "date", "milliseconds"] = "seconds"
    seconds: float = 1.0
    to: str = "http://127.0.0.1:9"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; there are {', '.join(KINDS)}")


Script = Sequence["Fault | Kind | None"]
Shares = Mapping["Fault | Kind", float]


class Faults:
    """Says for each request in turn how it is answered; safe for threads.

    Args:
        plan: a script (one entry a request, None for a good answer, and good answers after its end)
            or shares (fault to probability, adding up to 1 at most).
        seed: of the draw. The numbers drawn are the same each time; which request of several at once
            meets which of them is not.
    """

    def __init__(self, plan: Script | Shares, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._script: list[Fault | None] = []
        self._shares: list[tuple[Fault, float]] = []
        if isinstance(plan, Mapping):
            self._shares = [(_fault(kind), share) for kind, share in plan.items()]
            if sum(share for _, share in self._shares) > 1:
                raise ValueError("the shares of the faults add up to more than 1")
        else:
            self._script = [None if kind is None else _fault(kind) for kind in plan]

    def __call__(self) -> Fault | None:
        with self._lock:
            if self._script:
                return self._script.pop(0)
            drawn = self._random.random() if self._shares else 1.0
            for fault, share in self._shares:
                if drawn < share:
                    return fault
                drawn -= share
            return None


def _fault(kind: Fault | Kind) -> Fault:
    return kind if isinstance(kind, Fault) else Fault(kind)
