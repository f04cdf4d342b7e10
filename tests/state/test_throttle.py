"""The throttle: shared by threads, objects and processes, and never more than the limit."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.errors import Unavailable
from ragctl.state.throttle import PostgresThrottle, throttle_name

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"throttle{next(_numbers)}"


@pytest.fixture
def dsn(connection: psycopg.Connection[Any]) -> str:
    return make_conninfo(connection.info.dsn, password=connection.info.password)


def free_at(connection: psycopg.Connection[Any], name: str, limit: str) -> float:
    row = connection.execute(
        "SELECT extract(epoch FROM free_at)::float8 FROM ragctl.throttles WHERE name = %s",
        (f"{name}/{limit}",),
    ).fetchone()
    assert row is not None
    return float(row[0])


def test_without_a_limit_nothing_is_asked_of_the_database(name: str) -> None:
    def connect() -> Any:
        raise AssertionError("the database was asked")

    assert PostgresThrottle(connect, name).acquire(tokens=10**9) == 0.0


def test_requests_go_one_interval_apart(connection: psycopg.Connection[Any], name: str) -> None:
    waits: list[float] = []
    throttle = PostgresThrottle(lambda: connection, name, requests_per_minute=6, sleep=waits.append)
    assert throttle.acquire(tokens=5) == 0.0
    # Nobody slept, so each place lies 10 seconds behind the one before.
    assert [throttle.acquire(tokens=5) for _ in range(3)] == pytest.approx([10, 20, 30], abs=0.5)
    assert waits == pytest.approx([10, 20, 30], abs=0.5)


def test_tokens_are_paid_for_after_they_went(connection: psycopg.Connection[Any], name: str) -> None:
    throttle = PostgresThrottle(lambda: connection, name, tokens_per_minute=600, sleep=lambda _: None)
    assert throttle.acquire(tokens=300) == 0.0
    assert throttle.acquire(tokens=900) == pytest.approx(30, abs=0.5)
    assert throttle.acquire(tokens=1) == pytest.approx(120, abs=0.5), "more than a minute has goes, too"


def test_the_limit_that_binds_is_waited_for(connection: psycopg.Connection[Any], name: str) -> None:
    throttle = PostgresThrottle(
        lambda: connection, name, requests_per_minute=60, tokens_per_minute=60, sleep=lambda _: None
    )
    assert throttle.acquire(tokens=10) == 0.0
    assert throttle.acquire(tokens=1) == pytest.approx(10, abs=0.5)
    assert throttle.acquire(tokens=0) == pytest.approx(11, abs=0.5)


def test_time_in_which_nobody_asked_is_not_saved_up(connection: psycopg.Connection[Any], name: str) -> None:
    throttle = PostgresThrottle(lambda: connection, name, requests_per_minute=6, sleep=lambda _: None)
    throttle.acquire(tokens=1)
    connection.execute(
        "UPDATE ragctl.throttles SET free_at = free_at - interval '1 hour' WHERE name = %s",
        (f"{name}/requests",),
    )
    assert throttle.acquire(tokens=1) == 0.0
    assert throttle.acquire(tokens=1) == pytest.approx(10, abs=0.5)


def test_two_accounts_do_not_wait_for_one_another(connection: psycopg.Connection[Any], name: str) -> None:
    def throttle(key: str) -> PostgresThrottle:
        shared = throttle_name("openai", f"{name}.test", "a-model", key)
        return PostgresThrottle(lambda: connection, shared, requests_per_minute=1, sleep=lambda _: None)

    assert throttle("sk-one").acquire(tokens=1) == 0.0
    assert throttle("sk-two").acquire(tokens=1) == 0.0
    assert throttle("sk-one").acquire(tokens=1) > 50


def test_no_key_is_stored(connection: psycopg.Connection[Any], name: str) -> None:
    stored = throttle_name("openai", f"{name}.test", "a-model", "sk-secret")
    PostgresThrottle(lambda: connection, stored, requests_per_minute=1).acquire(tokens=1)
    rows = connection.execute("SELECT name FROM ragctl.throttles").fetchall()
    assert f"{stored}/requests" in {name for (name,) in rows}
    assert not [name for (name,) in rows if "sk-secret" in name]


def test_who_waits_is_woken_when_it_is_closed(connection: psycopg.Connection[Any], name: str) -> None:
    throttle = PostgresThrottle(lambda: connection, name, requests_per_minute=0.01)
    throttle.acquire(tokens=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(throttle.acquire, tokens=1)
        throttle.close()
        with pytest.raises(Unavailable, match="ended"):
            waiting.result(timeout=30)


def acquire_many(dsn: str, name: str, start: Any, times: Any, each: int, threads: int) -> None:
    """A process of its own, with one connection that its threads share."""
    with psycopg.connect(dsn, autocommit=True, options="-csearch_path=ragctl,public") as connection:
        throttle = PostgresThrottle(
            lambda: connection, name, requests_per_minute=60 * 200, tokens_per_minute=60 * 1000
        )
        start.wait()

        def work() -> None:
            for _ in range(each):
                throttle.acquire(tokens=10)  # 10 ms of the tokens' time, 5 ms of the requests'
                times.put(time.time())

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def test_no_place_is_given_twice_whoever_asks(
    connection: psycopg.Connection[Any], name: str, dsn: str
) -> None:
    processes, threads, each = 3, 4, 10
    # The first place lies so far ahead that all of them are there when it comes.
    begin = time.time() + 1.0
    connection.execute(
        "INSERT INTO ragctl.throttles (name, free_at) "
        "SELECT name, to_timestamp(%s) FROM unnest(%s::text[]) AS name",
        (begin, [f"{name}/requests", f"{name}/tokens"]),
    )
    context = multiprocessing.get_context("spawn")
    start, times = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=acquire_many, args=(dsn, name, start, times, each, threads))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    total = processes * threads * each
    went = sorted(times.get(timeout=60) for _ in range(total))
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    # Nobody goes before its place, and no two have the same: the one that went as number n had the place
    # number n or a later one.
    for number, moment in enumerate(went):
        assert moment >= begin + number * 0.010 - 0.0005, f"number {number} of {total} went too early"
    assert free_at(connection, name, "tokens") >= begin + total * 0.010 - 0.0005
    assert free_at(connection, name, "requests") >= begin + total * 0.005 - 0.0005
