"""The budget of a run: exact, whoever spends it, and however they end."""

from __future__ import annotations

import itertools
import multiprocessing
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ragctl.errors import ExitCode, OverBudget
from ragctl.state.runs import Runs
from ragctl.state.spending import (
    PostgresSpending,
    close_budget,
    close_left_budgets,
    open_budget,
)
from ragctl.types import Usage

_numbers = itertools.count()


@pytest.fixture
def run() -> str:
    return f"spending{next(_numbers)}"


@pytest.fixture
def dsn(connection: psycopg.Connection[Any]) -> str:
    return make_conninfo(connection.info.dsn, password=connection.info.password)


def spending(connection: psycopg.Connection[Any], run: str, **options: Any) -> PostgresSpending:
    return PostgresSpending(lambda: connection, run, **options)


def test_what_fits_is_granted_to_the_last_cent(connection: psycopg.Connection[Any], run: str) -> None:
    open_budget(connection, run, 0.3)
    budget = spending(connection, run)
    for _ in range(3):  # in binary floating point, 0.1 three times is more than 0.3
        budget.settle(budget.reserve(0.1), Usage(cost_usd=0.1))
    with pytest.raises(OverBudget, match=r"spent \$0\.3000 of \$0\.3000") as refused:
        budget.reserve(0.000001)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert "--max-cost" in (refused.value.hint or "")
    spent = close_budget(connection, run)
    assert spent is not None
    assert (spent.spent_usd, spent.unsettled_usd, spent.unpriced) == (0.3, 0.0, False)


def test_what_a_request_did_not_cost_can_be_spent(connection: psycopg.Connection[Any], run: str) -> None:
    open_budget(connection, run, 1.0)
    budget = spending(connection, run)
    failed = budget.reserve(1.0)
    budget.settle(failed, Usage(requests=1, cost_usd=0))
    assert budget.reserve(1.0) != failed


def test_settling_twice_counts_once(connection: psycopg.Connection[Any], run: str) -> None:
    open_budget(connection, run, 1.0)
    budget = spending(connection, run)
    reservation = budget.reserve(0.5)
    budget.settle(reservation, Usage(cost_usd=0.25))
    budget.settle(reservation, Usage(cost_usd=0.25))
    spent = close_budget(connection, run)
    assert spent is not None
    assert (spent.spent_usd, spent.unsettled_usd) == (0.25, 0.0)


def test_an_unknown_cost_counts_as_all_that_was_reserved(
    connection: psycopg.Connection[Any], run: str
) -> None:
    open_budget(connection, run, 1.0)
    budget = spending(connection, run)
    budget.settle(budget.reserve(0.75), Usage(cost_usd=None))
    spent = close_budget(connection, run)
    assert spent is not None
    assert (spent.spent_usd, spent.unpriced) == (0.75, True)


def test_without_a_limit_all_is_counted_and_nothing_refused(
    connection: psycopg.Connection[Any], run: str
) -> None:
    open_budget(connection, run, None)
    budget = spending(connection, run)
    budget.settle(budget.reserve(10**6), Usage(cost_usd=999_999.0))
    spent = close_budget(connection, run)
    assert spent is not None
    assert spent.spent_usd == 999_999.0


def test_it_waits_for_what_is_in_flight_and_goes_on_with_what_was_not_used(
    connection: psycopg.Connection[Any], run: str
) -> None:
    open_budget(connection, run, 1.0)
    in_flight = spending(connection, run).reserve(0.75)

    def settle_meanwhile(_: float) -> None:
        spending(connection, run).settle(in_flight, Usage(cost_usd=0.25))

    waiting = spending(connection, run, sleep=settle_meanwhile)
    assert waiting.reserve(0.75) != in_flight
    with pytest.raises(OverBudget, match="in flight"):
        spending(connection, run, patience_s=0).reserve(0.01)


def test_it_does_not_wait_where_waiting_cannot_help(connection: psycopg.Connection[Any], run: str) -> None:
    def sleep(_: float) -> None:
        raise AssertionError("it waited")

    open_budget(connection, run, 1.0)
    budget = spending(connection, run, sleep=sleep)
    budget.reserve(0.5)
    with pytest.raises(OverBudget):
        budget.reserve(1.25)


def test_a_run_that_is_tried_again_keeps_what_it_has_spent(
    connection: psycopg.Connection[Any], run: str
) -> None:
    open_budget(connection, run, 1.0)
    budget = spending(connection, run, patience_s=0)
    budget.settle(budget.reserve(0.75), Usage(cost_usd=0.75))
    open_budget(connection, run, 1.0)
    with pytest.raises(OverBudget):
        budget.reserve(0.5)
    open_budget(connection, run, 2.0)
    budget.reserve(0.5)


def test_what_a_killed_run_left_is_counted_in_its_record(
    connection: psycopg.Connection[Any], run: str, index: str
) -> None:
    runs = Runs(connection, index)
    runs.start(run, pipeline="docs", command="ingest", record={"recipe": "r"})
    open_budget(connection, run, 2.0)
    budget = spending(connection, run)
    budget.settle(budget.reserve(0.5), Usage(cost_usd=0.25))
    budget.reserve(0.125)  # and here its process was killed
    close_left_budgets(connection, index)
    assert close_budget(connection, run) is not None, "it may still be running"

    open_budget(connection, run, 2.0)
    budget.settle(budget.reserve(0.5), Usage(cost_usd=0.25))
    budget.reserve(0.125)
    runs.close_dead()
    close_left_budgets(connection, index)
    found = runs.find(run)
    assert found is not None
    assert found.record["spending"] == {
        "max_usd": 2.0,
        "spent_usd": 0.25,
        "unsettled_usd": 0.125,
        "unpriced": False,
    }
    assert found.record["recipe"] == "r"
    assert close_budget(connection, run) is None
    assert connection.execute(
        "SELECT count(*) FROM ragctl.reservations WHERE run = %s", (run,)
    ).fetchone() == (0,)


def spend(dsn: str, run: str, seed: int, threads: int, dies: bool, told: Any) -> None:
    """A process of its own: spends until it is refused; one that `dies` leaves a reservation behind."""
    with psycopg.connect(dsn, autocommit=True, options="-csearch_path=ragctl,public") as connection:
        # What the dead one holds is not waited for long.
        budget = PostgresSpending(lambda: connection, run, patience_s=1.0)
        if dies:
            told.put(("left", budget.reserve(0.01)))
            return

        def work(number: int) -> int:
            chance, cents = random.Random(seed * 100 + number), 0
            while True:
                most = chance.randint(1, 5)
                try:
                    reservation = budget.reserve(most / 100)
                except OverBudget:
                    return cents
                came_to = chance.randint(0, most)
                cents += came_to
                budget.settle(reservation, Usage(cost_usd=came_to / 100))

        with ThreadPoolExecutor(threads) as pool:
            told.put(("cents", sum(pool.map(work, range(threads)))))


def test_many_processes_never_pass_the_limit_and_nothing_is_lost(
    connection: psycopg.Connection[Any], run: str, dsn: str
) -> None:
    open_budget(connection, run, 2.0)
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    options = [(False, 1), (False, 2), (True, 3)]
    workers = [context.Process(target=spend, args=(dsn, run, seed, 4, dies, told)) for dies, seed in options]
    for worker in workers:
        worker.start()
    heard = [told.get(timeout=100) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    cents = sum(number for what, number in heard if what == "cents")
    spent = close_budget(connection, run)
    assert spent is not None
    assert spent.spent_usd == pytest.approx(cents / 100)
    assert spent.unsettled_usd == 0.01
    # Whoever was refused wanted 5 cents at most, and the dead one holds 1.
    assert 2.0 - 0.05 < spent.spent_usd + spent.unsettled_usd <= 2.0
