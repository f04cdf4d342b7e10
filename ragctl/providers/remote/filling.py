"""Fills requests to a provider's limits of inputs and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

_FEWEST_INPUTS = 32
"""Requests smaller than this gain nothing by being in flight together."""


def fill(
    counted: Iterable[tuple[int, int]], *, max_tokens: int, max_inputs: Callable[[], int]
) -> Iterator[tuple[int, ...]]:
    """Positions that go into one request each, in order, as many as the limits allow.

    An input that has more tokens than a whole request may have goes alone: the server decides.

    Args:
        counted: (position, tokens) of each input; taken no further than one past a request's last.
        max_tokens: of all inputs of a request together.
        max_inputs: of a request; asked for at each, as it may turn out to be lower.
    """
    request: list[int] = []
    tokens = 0
    for position, of_input in counted:
        if request and (len(request) >= max_inputs() or tokens + of_input > max_tokens):
            yield tuple(request)
            request, tokens = [], 0
        request.append(position)
        tokens += of_input
    if request:
        yield tuple(request)


def spread(inputs: int, *, max_in_flight: int, max_inputs: int) -> int:
    """Inputs for each request, so that as many as may be are in flight, none of them needlessly small.

    8 requests of 64 inputs are answered sooner than one of 512.
    """
    return min(max_inputs, max(_FEWEST_INPUTS, -(-inputs // max_in_flight)))
