"""A session that is lost comes back in place, and what was under way is as `session` says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from own_server import OwnServer
from psycopg.conninfo import make_conninfo
from run.cutting_proxy import Cut, cutting

from ragctl.errors import LeaseLost
from ragctl.state.lease import acquire_lease, break_lease, is_held
from ragctl.state.runs import Runs
from ragctl.state.schema import enter_schema
from ragctl.state.session import LastingConnection, SessionLost

Connection = psycopg.Connection[Any]


@pytest.fixture
def lasting(connection: Connection) -> Iterator[LastingConnection]:
    """In the session's database, with a table `kept` of its own."""
    with opened(make_conninfo(connection.info.dsn, password=connection.info.password)) as made:
        made.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        yield made
        made.execute("DROP TABLE kept")


def opened(dsn: str) -> LastingConnection:
    def once() -> LastingConnection:
        return LastingConnection.connect(dsn, autocommit=True, prepare_threshold=None)

    made = once()
    made.reopen = once
    made.on_return("schema", lambda: enter_schema(made), now=True)
    return made


def end(connection: Connection, lasting: LastingConnection) -> None:
    connection.execute("SELECT pg_terminate_backend(%s, 5000)", (lasting.info.backend_pid,))


def numbers(connection: Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM ragctl.kept ORDER BY number")]


def test_a_statement_is_done_again_in_the_next_session(
    lasting: LastingConnection, connection: Connection
) -> None:
    told: list[str] = []
    lasting.tell = told.append
    before = lasting.info.backend_pid
    for _ in range(3):
        end(connection, lasting)
        assert lasting.execute("SELECT current_schema()").fetchone() == ("ragctl",)
    assert lasting.info.backend_pid != before
    assert len(told) == 3
    assert "lost" in told[0]


def test_a_transaction_is_gone_and_can_be_done_again(
    lasting: LastingConnection, connection: Connection
) -> None:
    with pytest.raises(SessionLost), lasting.transaction():
        lasting.execute("INSERT INTO kept VALUES (1)")
        with lasting.transaction():
            lasting.execute("INSERT INTO kept VALUES (2)")
            end(connection, lasting)
            lasting.execute("INSERT INTO kept VALUES (3)")
    assert numbers(connection) == []
    with lasting.transaction():
        lasting.execute("INSERT INTO kept VALUES (4)")
    assert numbers(connection) == [4]


def test_blocks_are_as_psycopgs(lasting: LastingConnection, connection: Connection) -> None:
    with lasting.transaction():
        lasting.execute("INSERT INTO kept VALUES (1)")
        with pytest.raises(ZeroDivisionError), lasting.transaction():
            lasting.execute("INSERT INTO kept VALUES (2)")
            print(1 / 0)
        with lasting.transaction():
            lasting.execute("INSERT INTO kept VALUES (3)")
            raise psycopg.Rollback
        with lasting.transaction(force_rollback=True):
            lasting.execute("INSERT INTO kept VALUES (4)")
        assert numbers(connection) == []
    assert numbers(connection) == [1]
    with pytest.raises(psycopg.errors.SyntaxError), lasting.transaction():
        lasting.execute("INSERT INTO kept VALUES (5)")
        lasting.execute("SELEKT")
    assert numbers(connection) == [1]
    lasting.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with lasting.transaction():
        row = lasting.execute("SHOW transaction_isolation").fetchone()
    assert row == ("repeatable read",)


@pytest.fixture(scope="module")
def tcp(no_data_left_behind: None) -> Iterator[OwnServer]:
    server = OwnServer()
    with server.connect() as owner:
        owner.execute("CREATE SCHEMA ragctl CREATE TABLE kept (number int)")
    yield server
    server.close()


@pytest.mark.parametrize("sent", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_up(tcp: OwnServer, sent: bool) -> None:
    marks = (b"INSERT INTO kept", b"COMMIT") if sent else (b"INSERT INTO kept",)
    with tcp.connect() as owner, cutting(tcp.port, Cut(marks)) as port:
        owner.execute("TRUNCATE ragctl.kept")
        expected = nullcontext() if sent else pytest.raises(SessionLost)
        with opened(tcp.dsn(port=port)) as lasting, expected, lasting.transaction():
            lasting.execute("INSERT INTO kept VALUES (1)")
        assert numbers(owner) == ([1] if sent else [])


def test_after_a_restart_a_lost_commit_counts_as_not_done(tcp: OwnServer) -> None:
    """Numbers of transactions are each server's own: it is done again, which must not double anything."""
    with opened(tcp.dsn()) as lasting:
        with pytest.raises(SessionLost), lasting.transaction():
            lasting.execute("INSERT INTO kept VALUES (2)")
            tcp.kill()
            tcp.start()
            lasting.execute("INSERT INTO kept VALUES (3)")
        assert lasting.execute("SELECT count(*) FROM kept WHERE number > 1").fetchone() == (0,)


def test_threads_that_share_it_find_one_new_session(
    lasting: LastingConnection, connection: Connection
) -> None:
    told: list[str] = []
    lasting.tell = told.append
    end(connection, lasting)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(lasting.execute("SELECT pg_backend_pid()").fetchone()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == [(lasting.info.backend_pid,)] * 8
    assert len(told) == 1


def test_a_server_that_stays_away_is_given_up(lasting: LastingConnection, connection: Connection) -> None:
    reopen, tries = lasting.reopen, []
    lasting.patience_s = 0.5

    def refused() -> Connection:
        tries.append(1)
        return psycopg.connect("host=127.0.0.1 port=1 connect_timeout=1")

    lasting.reopen = refused
    end(connection, lasting)
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            lasting.execute("SELECT 1")
    assert len(tries) > 1  # and not once more for the second statement
    count = len(tries)
    with pytest.raises(psycopg.OperationalError):
        lasting.execute("SELECT 1")
    assert len(tries) == count
    assert reopen is not None
    lasting.pgconn = reopen().pgconn  # for the fixture to clean up


def test_a_password_that_was_changed_is_not_tried_for_long(
    lasting: LastingConnection, connection: Connection
) -> None:
    reopen, tries = lasting.reopen, []

    def refused() -> Connection:
        tries.append(1)
        raise psycopg.OperationalError('FATAL:  password authentication failed for user "someone"')

    lasting.reopen = refused
    end(connection, lasting)
    with pytest.raises(psycopg.OperationalError, match="password"):
        lasting.execute("SELECT 1")
    assert len(tries) == 1
    assert reopen is not None
    lasting.pgconn = reopen().pgconn


def test_one_that_was_closed_stays_closed(connection: Connection) -> None:
    made = opened(make_conninfo(connection.info.dsn, password=connection.info.password))
    made.close()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        made.execute("SELECT 1")


def test_a_lease_is_held_again(lasting: LastingConnection, connection: Connection, index: str) -> None:
    lease = acquire_lease(lasting, index, "first", Runs(lasting, index), patience_s=5)
    end(connection, lasting)
    lease.look(lasting)
    assert is_held(connection, index)
    with lease.held(lasting):
        lasting.execute("INSERT INTO kept VALUES (1)")


def test_a_lease_that_another_run_took_is_lost(
    lasting: LastingConnection, connection: Connection, index: str
) -> None:
    acquire_lease(lasting, index, "first", Runs(lasting, index), patience_s=5)
    end(connection, lasting)
    acquire_lease(connection, index, "second", Runs(connection, index), patience_s=5)
    with pytest.raises(LeaseLost, match="first"):
        lasting.execute("SELECT 1")


def test_an_abandoned_run_learns_of_it(
    lasting: LastingConnection, connection: Connection, index: str
) -> None:
    lease = acquire_lease(lasting, index, "first", Runs(lasting, index), patience_s=5)
    break_lease(connection, index, "first")
    end(connection, lasting)
    with pytest.raises(LeaseLost), lease.held(lasting):
        lasting.execute("INSERT INTO kept VALUES (1)")
    assert numbers(connection) == []
