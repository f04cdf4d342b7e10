"""Work in threads: bounded, never read ahead, nothing lost when something fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ragctl.providers.remote.in_flight import Split, Stopped, in_flight


def test_results_come_as_they_are_ready_and_no_more_than_the_limit_is_in_work() -> None:
    lock, released = threading.Lock(), threading.Event()
    now, most = [0], [0]

    def work(item: int, stopped: threading.Event) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        if item == 0:
            assert released.wait(10)
        with lock:
            now[0] -= 1
        return item

    results = in_flight(range(50), work, limit=4)
    first = [next(results) for _ in range(40)]
    assert 0 not in first
    released.set()
    assert sorted(first + list(results)) == list(range(50))
    assert most[0] <= 4


def test_the_source_is_never_read_ahead() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_flight(source(), lambda item, stopped: item, limit=3)
    for done in range(1, 20):
        next(results)
        # `done` are used, at most three in work, and at most three ready that nobody has asked for.
        assert len(taken) <= done + 3
    results.close()  # type: ignore[attr-defined]


def test_something_may_be_split_and_its_parts_come_first() -> None:
    order: list[tuple[int, ...]] = []

    def work(item: tuple[int, ...], stopped: threading.Event) -> int | Split[tuple[int, ...]]:
        order.append(item)
        if len(item) == 1:
            return item[0]
        return Split((item[: len(item) // 2], item[len(item) // 2 :]))

    results = list(in_flight([(1, 2, 3), (4,)], work, limit=1))
    assert results == [1, 2, 3, 4]
    assert order == [(1, 2, 3), (1,), (2, 3), (2,), (3,), (4,)]


def test_what_is_in_work_when_another_fails_still_comes_and_nothing_new_begins() -> None:
    begun: list[int] = []
    failed, slow_begun = threading.Event(), threading.Event()

    def work(item: int, stopped: threading.Event) -> int:
        begun.append(item)
        if item == 1:
            assert slow_begun.wait(10)
            failed.set()
            raise ValueError("no")
        slow_begun.set()
        assert failed.wait(10) and stopped.wait(10)
        return item

    results = in_flight(range(10), work, limit=2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="no"):
        next(results)
    assert sorted(begun) == [0, 1]


def test_the_first_failure_is_raised_not_that_of_those_who_gave_up() -> None:
    began = threading.Event()

    def work(item: int, stopped: threading.Event) -> int:
        if item == 0:
            assert began.wait(10)
            raise ValueError("the cause")
        began.set()
        assert stopped.wait(10)
        raise Stopped

    with pytest.raises(ValueError, match="the cause"):
        list(in_flight(range(5), work, limit=2))


def test_closing_tells_the_threads_and_waits_for_them() -> None:
    gave_up: list[int] = []
    began = threading.Event()

    def work(item: int, stopped: threading.Event) -> int:
        if item == 0:
            assert began.wait(10)
            return item
        began.set()
        assert stopped.wait(10)
        gave_up.append(item)
        raise Stopped

    results = in_flight(range(5), work, limit=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert 1 in gave_up
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ragctl-request")]
