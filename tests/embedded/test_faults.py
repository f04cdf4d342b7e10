"""Kills, stale and reused process numbers, moved and copied directories."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from embedded.homes import copy, directory_of, end, moved, postmaster_pid
from embedded.processes import needs_root, start, wait_until

from ragctl.embedded import cluster, endpoint, faults, locks, postmaster
from ragctl.embedded.account import of_existing
from ragctl.embedded.server import EmbeddedServer
from ragctl.errors import Unavailable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal and flock are Unix's")


@pytest.fixture
def innocent(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A live process of the user who runs the server, which has nothing to do with it."""
    account = of_existing(directory_of(home).data)
    process = subprocess.Popen(["sleep", "600"], cwd="/", **account.popen())
    yield process
    process.kill()
    process.wait()


def name_in_pid_file(home: Path, pid: int) -> None:
    path = directory_of(home).postmaster_pid
    path.write_text(f"{pid}\n{directory_of(home).data}\n{int(time.time())}\n5432\n/tmp\n\n", encoding="utf-8")
    account = of_existing(directory_of(home).data)
    account.take(path)


def test_killed_server_comes_back_with_what_was_committed(server: EmbeddedServer, home: Path) -> None:
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE survivors AS SELECT 7 AS n")
        os.kill(postmaster_pid(home), signal.SIGKILL)
        with server.connect() as again:
            assert again.execute("SELECT n FROM survivors").fetchone() == (7,)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()


def test_start_waits_for_the_orphans_of_a_killed_server(server: EmbeddedServer, home: Path) -> None:
    # A backend inside a computation does not notice that its parent is gone before it is through.
    busy = start(
        "c = server.connect()\nprint('busy', flush=True)\n"
        'c.execute("SELECT count(*) FROM generate_series(1, 12000000)")',
        home,
    )
    assert busy.stdout is not None
    assert busy.stdout.readline() == "busy\n"
    time.sleep(0.2)
    os.kill(postmaster_pid(home), signal.SIGKILL)
    with server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    busy.communicate(timeout=60)


def test_killed_client_leaves_a_server_that_can_be_stopped(home: Path) -> None:
    client = start("c = server.connect()\nprint('in', flush=True)\ntime.sleep(600)", home)
    assert client.stdout is not None
    assert client.stdout.readline() == "in\n"
    client.kill()
    client.communicate()
    server = EmbeddedServer(home)
    wait_until(lambda: server.status().connections == 0)
    assert server.stop()
    assert not server.status().running


def test_client_killed_while_it_starts_the_server_is_no_obstacle(home: Path) -> None:
    for delay in (0.25, 0.3, 0.35, 0.4):
        client = start("server.connect()", home)
        time.sleep(delay)
        client.kill()
        client.communicate()
        with EmbeddedServer(home).connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        EmbeddedServer(home).stop()


def test_stale_pid_file_is_no_obstacle(server: EmbeddedServer, home: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    name_in_pid_file(home, gone.pid)
    assert not server.stop()
    server.connect().close()
    assert server.stop()


def test_reused_pid_is_neither_believed_nor_killed(
    server: EmbeddedServer, home: Path, innocent: subprocess.Popen[bytes]
) -> None:
    name_in_pid_file(home, innocent.pid)
    assert not server.status().running
    assert not server.stop()
    server.connect().close()
    assert postmaster_pid(home) != innocent.pid
    assert server.stop()
    assert innocent.poll() is None


@needs_root
def test_reused_pid_of_root_is_neither_believed_nor_killed(server: EmbeddedServer, home: Path) -> None:
    name_in_pid_file(home, os.getpid())
    server.connect().close()
    assert server.stop()


def test_another_number_under_a_running_server_is_not_signalled(
    server: EmbeddedServer, home: Path, innocent: subprocess.Popen[bytes]
) -> None:
    server.connect().close()
    path = directory_of(home).postmaster_pid
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace(right.split("\n")[0], str(innocent.pid), 1), encoding="utf-8")
    with pytest.raises(Unavailable, match="nothing was stopped"):
        server.stop()
    assert innocent.poll() is None
    assert server.status().running
    path.write_text(right, encoding="utf-8")
    assert server.stop()
    assert innocent.poll() is None


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to identify a silent server")
def test_server_whose_socket_was_removed_is_replaced(server: EmbeddedServer, home: Path) -> None:
    server.connect().close()
    first = postmaster_pid(home)
    sockets = server.status().sockets
    assert sockets is not None
    for path in sockets.iterdir():
        path.unlink()
    with server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postmaster_pid(home) != first


def test_home_moved_under_a_running_server(server: EmbeddedServer, home: Path, ground: Path) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE moved AS SELECT 7 AS n")
    with moved(home, ground / "elsewhere") as target:
        with EmbeddedServer(target).connect() as connection:
            assert connection.execute("SELECT n FROM moved").fetchone() == (7,)
            row = connection.execute("SHOW data_directory").fetchone()
        assert row == (str(directory_of(target).data),)


def test_copy_of_a_home_gets_a_server_of_its_own(
    server: EmbeddedServer, home: Path, empty_home: Path
) -> None:
    with server.connect(autocommit=True) as original:
        original.execute("CREATE TABLE copied AS SELECT 7 AS n")
        original.execute("CHECKPOINT")
        copy(home, empty_home)
        copied = EmbeddedServer(empty_home)
        assert not copied.status().running
        with copied.connect() as connection:
            connection.execute("UPDATE copied SET n = 8")
        assert copied.stop()
        assert original.execute("SELECT n FROM copied").fetchone() == (7,)
    assert server.status().running


def test_damaged_note_of_the_endpoint_is_written_anew(server: EmbeddedServer, home: Path) -> None:
    directory_of(home).record.write_text('{"tcp": tru', encoding="utf-8")
    server.connect().close()
    assert server.status().running


def test_initialisation_killed_halfway_is_done_again(empty_home: Path) -> None:
    process = start("server.connect()", empty_home, start_new_session=True)
    wait_until(lambda: bool(list(empty_home.glob("postgres/data.new-*/base"))))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    server = EmbeddedServer(empty_home)
    assert not server.exists()
    with server.connect() as connection:
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'").fetchone()
    assert not list(empty_home.glob("postgres/data.new-*"))


def test_kill_between_initialisation_and_database_is_made_good(server: EmbeddedServer) -> None:
    server.connect().close()
    directory = directory_of(server.home)
    with endpoint.connect(directory, endpoint.MAINTENANCE_DATABASE, {"autocommit": True}) as connection:
        connection.execute("DROP DATABASE ragctl WITH (FORCE)")
    with server.connect() as connection:
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'").fetchone()


def test_log_stays_bounded(server: EmbeddedServer, home: Path) -> None:
    log = directory_of(home).log
    log.write_bytes(b"x" * 1_500_000)
    server.connect().close()
    assert log.stat().st_size < 100_000
    assert log.with_suffix(".log.1").stat().st_size == 1_500_000


@needs_root
def test_full_disk_is_named(empty_home: Path) -> None:
    empty_home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "tmpfs", str(empty_home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(Unavailable, match="No space left") as caught:
            EmbeddedServer(empty_home).connect()
        assert "free some space" in str(caught.value.hint)
        assert not EmbeddedServer(empty_home).exists()
    finally:
        subprocess.run(["umount", str(empty_home)], check=True)


def test_tail_shows_only_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("old\n", encoding="utf-8")
    size = log.stat().st_size
    with log.open("a", encoding="utf-8") as stream:
        stream.write("new one\n\nnew two\n")
    assert faults.tail(log, size) == "new one | new two"
    assert faults.tail(tmp_path / "none") == ""


def test_small_shared_memory_is_not_relied_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: EmbeddedServer
) -> None:
    monkeypatch.setattr(cluster, "_SHARED_MEMORY_NEEDED", 2**62)
    with server.connect() as connection:
        expected = "mmap" if Path("/dev/shm").is_dir() else "posix"
        assert connection.execute("SHOW dynamic_shared_memory_type").fetchone() == (expected,)


def test_lock_is_held_for_as_long_as_a_process_of_the_server_lives(
    server: EmbeddedServer, home: Path
) -> None:
    lock = directory_of(home).alive_lock
    assert not locks.held(lock)
    server.connect().close()
    assert locks.held(lock)
    server.stop()
    assert not locks.held(lock)


def test_home_made_anew_where_a_server_still_runs(server: EmbeddedServer, home: Path, ground: Path) -> None:
    """The old home is gone as far as the path is concerned, but kept aside so that it can be stopped."""
    server.connect().close()
    old = postmaster_pid(home)
    with moved(home, ground / "aside"):
        EmbeddedServer(home).connect().close()
        assert postmaster_pid(home) != old
        end(home)
        shutil.rmtree(home)


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs POSIX's ps")
def test_postmaster_is_the_parent_of_the_process_that_answers(server: EmbeddedServer, home: Path) -> None:
    """How it is identified where there is no /proc (macOS)."""
    with server.connect() as connection:
        assert postmaster._parent(connection.info.backend_pid) == postmaster_pid(home)
