from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ragctl.providers.huggingface.ahead import run_ahead


def _running(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def test_items_come_in_order() -> None:
    assert list(run_ahead(iter(range(100)), depth=2, name="ordered")) == list(range(100))
    assert list(run_ahead(iter(()), depth=1, name="ordered")) == []
    assert not _running("ordered")


def test_no_more_than_the_depth_waits() -> None:
    made: list[int] = []
    enough, go_on = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            if number == 4:
                enough.set()
            yield number

    ahead = run_ahead(items(), depth=3, name="bounded")
    assert next(ahead) == 0
    assert enough.wait(5)  # one used, three waiting, one in hand
    go_on.wait(0.3)
    assert made == [0, 1, 2, 3, 4]
    assert list(ahead) == list(range(1, 20))


def test_what_raises_there_raises_here_after_what_came_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    ahead = run_ahead(items(), depth=4, name="failing")
    assert next(ahead) == 1
    with pytest.raises(LookupError, match="no more"):
        next(ahead)
    assert not _running("failing")


def test_closing_ends_both_of_two_in_a_row() -> None:
    closed: list[str] = []

    def items() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append(threading.current_thread().name)

    inner = run_ahead(items(), depth=2, name="inner")
    outer = run_ahead((number * 2 for number in inner), depth=2, name="outer")
    assert next(outer) == 0
    outer.close()
    inner.close()
    assert not _running("outer")
    assert not _running("inner")
    assert closed == ["inner"]
