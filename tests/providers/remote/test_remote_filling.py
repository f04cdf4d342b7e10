"""Requests are filled to the limits, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ragctl.providers.remote.filling import fill, spread


def test_requests_hold_as_many_as_the_limits_allow() -> None:
    draw = random.Random(1)
    tokens = [draw.randint(1, 400) for _ in range(5_000)]
    requests = list(fill(enumerate(tokens), max_tokens=3_000, max_inputs=lambda: 20))
    assert [position for request in requests for position in request] == list(range(5_000))
    sums = [sum(tokens[position] for position in request) for request in requests]
    assert max(sums) <= 3_000 and max(map(len, requests)) == 20
    for request, total, after in zip(requests, sums, requests[1:], strict=False):
        assert len(request) == 20 or total + tokens[after[0]] > 3_000


def test_the_limits_of_openai_in_round_numbers() -> None:
    short = list(fill(enumerate([10] * 5_000), max_tokens=300_000, max_inputs=lambda: 2_048))
    assert [len(request) for request in short] == [2_048, 2_048, 904]
    long = list(fill(enumerate([8_000] * 100), max_tokens=300_000, max_inputs=lambda: 2_048))
    assert [len(request) for request in long] == [37, 37, 26]


def test_an_input_over_a_whole_request_goes_alone() -> None:
    assert list(fill(enumerate([5, 900, 5, 5]), max_tokens=100, max_inputs=lambda: 9)) == [(0,), (1,), (2, 3)]


def test_no_more_is_taken_than_one_past_the_request() -> None:
    taken: list[int] = []

    def source() -> Iterator[tuple[int, int]]:
        for position in range(100):
            taken.append(position)
            yield position, 1

    requests = fill(source(), max_tokens=100, max_inputs=lambda: 4)
    assert next(requests) == (0, 1, 2, 3)
    assert taken == [0, 1, 2, 3, 4]


def test_a_limit_that_turns_out_lower_holds_from_then_on() -> None:
    limit = [8]
    requests = fill(enumerate([1] * 20), max_tokens=100, max_inputs=lambda: limit[0])
    assert len(next(requests)) == 8
    limit[0] = 3
    assert [len(request) for request in requests] == [3, 3, 3, 3]


def test_inputs_are_spread_over_the_requests_in_flight() -> None:
    assert spread(512, max_in_flight=8, max_inputs=2_048) == 64
    assert spread(513, max_in_flight=8, max_inputs=2_048) == 65
    assert spread(20, max_in_flight=8, max_inputs=2_048) == 32
    assert spread(100_000, max_in_flight=8, max_inputs=2_048) == 2_048
    assert spread(500, max_in_flight=8, max_inputs=10) == 10
