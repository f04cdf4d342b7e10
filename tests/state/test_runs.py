"""Runs: a name that sorts, a record that is kept, and dead ones that are closed."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ragctl.state.runs import MEASURED_TOKENS, Runs, measured_rate, new_run_id


@pytest.fixture
def runs(connection: psycopg.Connection[Any], index: str) -> Runs:
    return Runs(connection, index)


def row(connection: psycopg.Connection[Any], run: str) -> tuple[Any, ...]:
    found = connection.execute(
        "SELECT index_name, pipeline, command, host, status, finished_at IS NOT NULL, record "
        "FROM ragctl.runs WHERE id = %s",
        (run,),
    ).fetchone()
    assert found is not None
    return found


def test_names_sort_by_time_and_differ() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert re.fullmatch(r"20260102T030405-[0-9a-f]{6}", new_run_id(now))
    names = [new_run_id(now + timedelta(seconds=step)) for step in (0, 1, 60, 3600, 86400 * 400)]
    assert names == sorted(names)
    assert len({new_run_id(now) for _ in range(50)}) == 50
    assert new_run_id()[:8] in {f"{datetime.now(UTC) + timedelta(minutes=step):%Y%m%d}" for step in (-1, 0)}


def test_a_run_is_recorded_from_start_to_end(
    connection: psycopg.Connection[Any], runs: Runs, index: str
) -> None:
    run = new_run_id()
    assert runs.running() is None
    before = datetime.now(UTC)
    runs.start(run, pipeline="docs", command="ingest")
    found = runs.running()
    assert found is not None
    assert found[:2] == (run, socket.gethostname())
    assert abs(found[2] - before) < timedelta(minutes=10)
    assert row(connection, run) == (
        index,
        "docs",
        "ingest",
        socket.gethostname(),
        "running",
        False,
        {},
    )
    record = {"counts": {"added": 3}, "failures": [{"message": 'it\'s "broken" 👩‍👧'}], "cost_usd": None}
    runs.finish(run, "done", record)
    assert runs.running() is None
    assert row(connection, run)[4:] == ("done", True, record)


def test_a_record_may_quote_what_the_database_refuses(
    connection: psycopg.Connection[Any], runs: Runs
) -> None:
    run = new_run_id()
    runs.start(run, pipeline="docs", command="ingest")
    runs.finish(run, "failed", {"failures": [{"message": "a \0 and \udcff", "list": ("\0", 1, None)}]})
    assert row(connection, run)[4:] == (
        "failed",
        True,
        {"failures": [{"message": "a \ufffd and \ufffd", "list": ["\ufffd", 1, None]}]},
    )


def test_an_unknown_outcome_is_refused(connection: psycopg.Connection[Any], runs: Runs) -> None:
    run = new_run_id()
    runs.start(run, pipeline="docs", command="ingest")
    with pytest.raises(psycopg.errors.CheckViolation):
        runs.finish(run, "perhaps", {})
    assert row(connection, run)[4] == "running"


def test_a_name_is_used_once(runs: Runs) -> None:
    run = new_run_id()
    runs.start(run, pipeline="docs", command="ingest")
    with pytest.raises(psycopg.errors.UniqueViolation):
        runs.start(run, pipeline="docs", command="ingest")


def test_dead_runs_of_this_index_are_closed(
    connection: psycopg.Connection[Any], runs: Runs, index: str
) -> None:
    beside = Runs(connection, f"{index}_beside")
    done, dead, alive = (new_run_id() for _ in range(3))
    runs.start(done, pipeline="docs", command="ingest")
    runs.finish(done, "done", {"counts": {}})
    runs.start(dead, pipeline="docs", command="ingest")
    beside.start(alive, pipeline="docs", command="ingest")
    runs.close_dead()
    assert row(connection, done)[4:] == ("done", True, {"counts": {}})
    assert row(connection, dead)[4:6] == ("interrupted", True)
    assert row(connection, dead)[6]["error"]["kind"] == "died"
    assert row(connection, alive)[4] == "running"
    assert runs.running() is None
    assert (beside.running() or ("",))[0] == alive


def test_of_several_the_latest_is_the_one_in_progress(
    connection: psycopg.Connection[Any], runs: Runs
) -> None:
    old, new = new_run_id(), new_run_id()
    runs.start(old, pipeline="docs", command="ingest")
    runs.start(new, pipeline="docs", command="ingest")
    connection.execute(
        "UPDATE ragctl.runs SET started_at = started_at - interval '1 day' WHERE id = %s", (old,)
    )
    assert (runs.running() or ("",))[0] == new


def test_a_speed_is_that_of_runs_which_embedded_a_fair_amount_on_such_a_device(
    connection: psycopg.Connection[Any], runs: Runs
) -> None:
    def embedded(model: str, tokens: int, seconds: float, *, gpu: bool) -> None:
        run = new_run_id()
        runs.start(run, pipeline="docs", command="ingest")
        embed = {"provider": "local", "model": model, "gpu": gpu, "tokens": tokens, "seconds": seconds}
        runs.finish(run, "done", {"embed": embed})

    model = new_run_id()  # of no other test
    assert measured_rate(connection, "local", model, gpu=False) is None
    embedded(model, MEASURED_TOKENS - 1, 100.0, gpu=False)
    assert measured_rate(connection, "local", model, gpu=False) is None
    embedded(model, 30_000, 10.0, gpu=False)
    embedded(model, 50_000, 10.0, gpu=False)
    embedded(model, 1_000_000, 1.0, gpu=True)
    assert measured_rate(connection, "local", model, gpu=False) == 4_000.0
    assert measured_rate(connection, "local", model, gpu=True) == 1_000_000.0
    assert measured_rate(connection, "huggingface", model, gpu=True) is None
