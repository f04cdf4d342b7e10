"""The lease: one writer an index, and none that a dead process holds on to."""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from embedded.processes import start, wait_until

from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import ExitCode, LeaseLost, RunInProgress
from ragctl.state.lease import Lease, acquire_for_run, acquire_lease, break_lease, is_held
from ragctl.state.runs import Runs, new_run_id


def take(connection: psycopg.Connection[Any], index: str, run: str = "run1", patience_s: float = 0) -> Lease:
    return acquire_lease(connection, index, run, Runs(connection, index), patience_s=patience_s)


def test_a_second_run_is_refused_and_told_who_writes(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(connection, index)
    run = new_run_id()
    Runs(connection, index).start(run, pipeline="docs", command="ingest")
    with pytest.raises(RunInProgress) as refused:
        take(other, index)
    message = refused.value.message
    assert f"the index {index!r}" in message
    assert f"run {run} on {socket.gethostname()}, since " in message
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+; nothing was written$", message)
    assert refused.value.hint
    assert refused.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize("before", ["nothing", "a run whose process died"])
def test_a_holder_that_has_not_begun_its_run_is_named_too(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str, before: str
) -> None:
    if before != "nothing":
        Runs(connection, index).start("dead-run", pipeline="docs", command="ingest")
    take(connection, index)
    with pytest.raises(
        RunInProgress, match=rf"the index '{index}': run run1 on {socket.gethostname()}, since"
    ):
        take(other, index)


def test_it_is_freed_when_the_connection_ends(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(other, index)
    other.close()
    take(connection, index, patience_s=30)


def test_the_holder_may_take_it_again(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(connection, index)
    take(connection, index).check(connection)
    with pytest.raises(RunInProgress):
        take(other, index)


def test_it_outlives_the_transactions_of_its_holder(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(connection, index)
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT 1")
    with pytest.raises(RunInProgress):
        take(other, index)


def test_other_indexes_are_free(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(connection, index)
    take(other, f"{index}_beside")


def test_the_users_own_advisory_locks_do_not_meet_it(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    other.execute("SELECT pg_advisory_lock(hashtext(%s))", (index,))
    other.execute("SELECT pg_advisory_lock(1, hashtext(%s))", (index,))
    take(connection, index)


def test_who_has_patience_gets_it_when_it_is_freed(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(other, index)
    waiting = threading.Thread(target=take, args=(connection, index, "run2", 60))
    waiting.start()
    waiting.join(timeout=0.3)
    assert waiting.is_alive()
    other.close()
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    row = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ).fetchone()
    assert row == (1,)


HOLDER = """
from ragctl.state.lease import acquire_lease
from ragctl.state.runs import Runs
index, run = sys.argv[2:]
connection = server.connect(autocommit=True, options="-csearch_path=ragctl,public")
runs = Runs(connection, index)
acquire_lease(connection, index, run, runs, patience_s=0)
runs.start(run, pipeline="docs", command="ingest")
print("held", flush=True)

time.sleep(600)
"""


def test_it_is_freed_when_its_holder_is_killed(
    connection: psycopg.Connection[Any], index: str, server_home: Path
) -> None:
    run = new_run_id()
    process = start(HOLDER, server_home, index, run)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunInProgress, match=run):
            take(connection, index)
    finally:
        process.kill()
        process.communicate(timeout=60)
    take(connection, index, patience_s=30)
    assert (Runs(connection, index).running() or ("",))[0] == run  # until the new holder closes it
    Runs(connection, index).close_dead()
    assert Runs(connection, index).running() is None


def test_a_holder_whose_server_session_was_ended_can_write_no_more(
    connection: psycopg.Connection[Any], server_home: Path, index: str
) -> None:
    with EmbeddedServer(server_home).connect(
        autocommit=True, options="-csearch_path=ragctl,public"
    ) as holder:
        take(holder, index)
        connection.execute("SELECT pg_terminate_backend(%s)", (holder.info.backend_pid,))
        take(connection, index, patience_s=30)
        with pytest.raises(psycopg.OperationalError):
            holder.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES (%s, 'docs')", (index,))
    wait_until(lambda: holder.closed)


def test_the_epoch_rises_each_time_the_index_changes_hands(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    first = take(other, index, "run1")
    assert first == Lease(index, "run1", 1)
    first.check(other)
    other.close()
    second = take(connection, index, "run2", patience_s=30)
    assert second == Lease(index, "run2", 2)
    second.check(connection)
    with pytest.raises(LeaseLost, match="run1 no longer holds") as lost:
        first.check(connection)
    assert lost.value.exit_code == ExitCode.REFUSED
    assert take(connection, f"{index}_beside", "run3").epoch == 1


@pytest.mark.parametrize("after", ["broken", "broken and taken again by the same run"])
def test_who_lost_it_can_write_nothing(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str, after: str
) -> None:
    lease = take(connection, index)
    assert break_lease(other, index, "run1")
    if after != "broken":
        take(connection, index).check(connection)
    with pytest.raises(LeaseLost), connection.transaction():
        connection.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES (%s, 'docs')", (index,))
        lease.check(connection)
    written = connection.execute("SELECT 1 FROM ragctl.indexes WHERE name = %s", (index,)).fetchone()
    assert written is None


def test_only_the_run_that_holds_it_can_be_deprived(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    assert not break_lease(other, index, "run1")  # nobody ever held it
    lease = take(connection, index)
    assert not break_lease(other, index, "run2")
    lease.check(connection)
    assert break_lease(other, index, "run1")
    assert not break_lease(other, index, "run1")


def test_it_cannot_be_broken_in_the_middle_of_a_commit(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    lease = take(connection, index)
    broken: list[bool] = []
    late = threading.Thread(target=lambda: broken.append(break_lease(other, index, "run1")))
    with connection.transaction():
        lease.check(connection)
        late.start()
        late.join(timeout=0.2)
        assert late.is_alive()
        connection.execute("INSERT INTO ragctl.indexes (name, pipeline) VALUES (%s, 'docs')", (index,))
    late.join(timeout=60)
    assert broken == [True]
    with pytest.raises(LeaseLost):
        lease.check(connection)


def test_whether_it_is_held_can_be_asked(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    assert not is_held(connection, index)
    take(other, index)
    assert is_held(connection, index)
    assert is_held(connection, index)
    other.close()
    wait_until(lambda: not is_held(connection, index))
    take(connection, index, "run2")  # the question itself holds nothing


# Held by a run's name.


def take_for_run(
    connection: psycopg.Connection[Any], index: str, run: str = "docs_ingest/1", over: str = ""
) -> Lease:
    runs = Runs(connection, index)
    return acquire_for_run(connection, index, run, runs, patience_s=0, is_over=lambda name: name == over)


def test_a_run_holds_it_beyond_its_connection(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    lease = take_for_run(other, index)
    other.close()
    assert is_held(connection, index)
    with pytest.raises(RunInProgress, match="docs_ingest/1"):
        take(connection, index)
    with pytest.raises(RunInProgress):
        take_for_run(connection, index, "docs_ingest/2")
    lease.check(connection)
    lease.release(connection)
    assert not is_held(connection, index)
    take(connection, index)
    with pytest.raises(LeaseLost):
        lease.check(connection)


def test_a_session_keeps_a_run_out(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    take(other, index)
    with pytest.raises(RunInProgress):
        take_for_run(connection, index)


def test_the_same_run_takes_it_again_and_its_earlier_tasks_are_shut_out(
    connection: psycopg.Connection[Any], index: str
) -> None:
    before = take_for_run(connection, index)
    again = take_for_run(connection, index)
    assert again.epoch > before.epoch
    again.check(connection)
    with pytest.raises(LeaseLost):
        before.check(connection)


def test_after_the_release_its_tasks_may_write_until_another_run_comes(
    connection: psycopg.Connection[Any], index: str
) -> None:
    lease = take_for_run(connection, index)
    lease.release(connection)
    lease.check(connection)
    take_for_run(connection, index, "docs_ingest/2")
    with pytest.raises(LeaseLost):
        lease.check(connection)
    with pytest.raises(LeaseLost):
        lease.renew(connection)
    lease.release(connection)  # nothing: it is another run's
    assert is_held(connection, index)


def test_it_is_taken_over_from_a_run_that_is_over(connection: psycopg.Connection[Any], index: str) -> None:
    dead = take_for_run(connection, index)
    lease = take_for_run(connection, index, "docs_ingest/2", over="docs_ingest/1")
    lease.check(connection)
    with pytest.raises(LeaseLost):
        dead.check(connection)


def test_a_run_that_holds_it_by_name_can_be_abandoned(
    connection: psycopg.Connection[Any], index: str
) -> None:
    lease = take_for_run(connection, index)
    assert break_lease(connection, index, lease.run)
    assert not is_held(connection, index)
    with pytest.raises(LeaseLost):
        lease.check(connection)
    take(connection, index)


def test_tasks_of_one_run_commit_side_by_side(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    lease = take_for_run(connection, index)
    other.execute("SET lock_timeout = '2s'")
    with lease.held(connection), lease.held(other):
        pass


def test_a_change_of_hands_waits_for_a_commit(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any], index: str
) -> None:
    lease = take_for_run(connection, index)
    other.execute("SET lock_timeout = '200ms'")
    with lease.held(connection), pytest.raises(psycopg.errors.LockNotAvailable):
        break_lease(other, index, lease.run)
