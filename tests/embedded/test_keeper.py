"""The keeper stops an idle server, and only that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from embedded.homes import directory_of, postmaster_pid
from embedded.processes import wait_until

from ragctl.embedded import keeper, layout, locks
from ragctl.embedded.server import EmbeddedServer


def keeper_lives(home: Path) -> bool:
    server = EmbeddedServer(home).home
    with locks.life_cycle(layout.life_cycle_lock(server)):
        return keeper.lives(directory_of(server))


def keeper_process(home: Path) -> subprocess.Popen[bytes]:
    """The keeper that this test process started last."""
    wait_until(lambda: keeper_lives(home))
    return keeper._started[-1]


def test_idle_server_is_stopped(home: Path) -> None:
    server = EmbeddedServer(home, idle_stop_s=0.4)
    with server.connect() as connection:
        wait_until(lambda: keeper_lives(home))
        time.sleep(1.2)  # three times the limit: a client is there, however silent
        assert connection.execute("SELECT 1").fetchone() == (1,)
    wait_until(lambda: not server.status().running)
    wait_until(lambda: not keeper_lives(home))
    assert not directory_of(home).postmaster_pid.exists()
    server.connect().close()
    assert server.status().running


def test_connections_that_come_and_go_between_two_looks_count(home: Path) -> None:
    server = EmbeddedServer(home, idle_stop_s=2)
    server.connect().close()
    pid = postmaster_pid(home)
    process = keeper_process(home)
    for _ in range(14):
        time.sleep(0.25)
        server.connect().close()
    assert process.poll() is None
    assert postmaster_pid(home) == pid


def test_one_keeper_however_many_connect(server: EmbeddedServer, home: Path) -> None:
    before = len(keeper._started)
    server.connect().close()
    keeper_process(home)
    for _ in range(5):
        server.connect().close()
    assert len([p for p in keeper._started if p.poll() is None]) <= max(1, before + 1)
    assert keeper_lives(home)


def test_keeper_ends_with_the_server(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    process = keeper_process(home)
    server.stop()
    assert process.wait(timeout=20) == 0
    assert directory_of(home).keeper_log.read_text(encoding="utf-8") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is Unix's")
def test_killed_keeper_is_replaced_by_the_next_connect(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    first = keeper_process(home)
    first.kill()
    first.wait()
    assert not keeper_lives(home)
    server.connect().close()
    assert keeper_process(home) is not first


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is Unix's")
def test_killed_server_never_stays_without_a_keeper(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    keeper_process(home)
    for _ in range(3):
        os.kill(postmaster_pid(home), signal.SIGKILL)
        server.connect().close()
        time.sleep(0.5)
        assert keeper_lives(home)


def test_infinity_needs_no_keeper(home: Path) -> None:
    server = EmbeddedServer(home, idle_stop_s=float("inf"))
    server.connect().close()
    assert not directory_of(home).keeper_lock.exists() or not keeper_lives(home)


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are Unix's")
def test_keeper_and_server_are_beyond_the_terminals_reach(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    process = keeper_process(home)
    own = os.getsid(0)
    assert os.getsid(process.pid) != own
    assert os.getsid(postmaster_pid(home)) != own
