"""Starting and stopping the server's process, and what may be said about process numbers.

A number in `postmaster.pid` proves nothing: it may be left from before a reboot and belong to
anyone by now. Nothing is signalled before the process was identified.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.embedded import account, cluster, endpoint, faults, files, locks
from ragctl.embedded.layout import ServerDirectory
from ragctl.embedded.programs import Programs, for_account
from ragctl.errors import Unavailable

if TYPE_CHECKING:
    import psycopg

PATIENCE_S = 60.0
_LAUNCHES = 4
_BOOT_S = 1.0
_FAST_STOP_S = 30
_IMMEDIATE_STOP_S = 10
_LOG_LIMIT_BYTES = 1_000_000


def bring_up(directory: ServerDirectory, programs: Programs) -> None:
    """Makes the server of this directory answer, starting it unless it runs. Under the life-cycle lock.

    Waits for what a killed server left running, and for a recovery after a crash.

    Raises:
        Unavailable: it does not answer within a minute, or ends at every start.
        OSError: its files cannot be written.
    """
    began = time.monotonic()
    launches, pause, reason, log_size = 0, 0.005, "", 0
    while time.monotonic() - began < PATIENCE_S:
        held = locks.take(directory.alive_lock)
        if held is not None:
            if launches == _LAUNCHES:
                held.close()
                raise _does_not_start(directory, log_size)
            time.sleep(0.2 * launches)
            launches += 1
            log_size = _launch(directory, programs, held)
        try:
            endpoint.connect(directory, endpoint.MAINTENANCE_DATABASE).close()
            return
        except endpoint.NoAnswer as error:
            reason = str(error)
            waited = time.monotonic() - began
            if launches == 0 and _out_of_reach(directory, error, waited):
                stop(directory)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)
    raise Unavailable(
        f"the embedded server's processes run, but it has not answered for {PATIENCE_S:.0f} s: {reason}",
        where=str(directory.root),
        hint="wait for what still runs on that directory, or end it; "
        + faults.hint_from_log("", directory.log),
    )


def _launch(directory: ServerDirectory, programs: Programs, held: locks.Held) -> int:
    """Starts the server on a fresh endpoint and hands it the lock; returns the log's size before."""
    try:
        if held.descriptor is not None:
            # No process of this directory's server lives, so the number in there is someone else's.
            directory.postmaster_pid.unlink(missing_ok=True)
        endpoint.forget(directory)
        chosen = endpoint.choose(directory, programs.account)
        cluster.write_settings(directory, chosen)
        endpoint.remember(directory, chosen)
        if _size(directory.log) > _LOG_LIMIT_BYTES:
            os.replace(directory.log, directory.log.with_suffix(".log.1"))  # noqa: PTH105 - atomic
        log = files.open_descriptor(directory.log, os.O_WRONLY | os.O_APPEND)
        try:
            size = _size(directory.log)
            programs.run(
                "pg_ctl", "start", "--silent", *_waiting(), "-D", "data", "-o", "-c config_file=server.conf",
                cwd=directory.root, output=log, pass_fds=held.pass_fds(),
            )  # fmt: skip
        finally:
            os.close(log)
        return size
    finally:
        held.close()


def _waiting() -> tuple[str, ...]:
    """pg_ctl looks every 100 ms; with the lock `alive` we see sooner whether the server is up or gone."""
    return ("--wait", f"--timeout={PATIENCE_S:.0f}") if sys.platform == "win32" else ("--no-wait",)


def stop_if_running(directory: ServerDirectory) -> bool:
    """Stops the server if it runs; says whether it did. Under the life-cycle lock.

    Raises:
        Unavailable: as `stop`.
        OSError: its files cannot be looked at.
    """
    try:
        connection = endpoint.connect(directory, endpoint.MAINTENANCE_DATABASE)
    except endpoint.NoAnswer:
        if not locks.held(directory.alive_lock):
            return False
        stop(directory)
        return True
    with contextlib.closing(connection):
        stop(directory, connection)
    return True


def stop(directory: ServerDirectory, connection: psycopg.Connection[Any] | None = None) -> None:
    """Stops a running server: clients are cut off, what they committed is kept. Under the life-cycle lock.

    Args:
        connection: one that the server answers, if there is one; helps to identify the process.

    Raises:
        Unavailable: the process cannot be identified, so that nothing was signalled; or it does
            not end.
    """
    pid = _noted_pid(directory)
    if pid is None or not _is_postmaster(pid, directory.data, connection):
        raise Unavailable(
            "the embedded server runs, but its process cannot be identified, so nothing was stopped",
            where=str(directory.postmaster_pid),
            hint=(
                "if it runs in another container or on another machine, stop it there; "
                "else it ends by itself about a minute after that file was changed or removed"
            ),
        )
    programs = for_account(account.of_existing(directory.data))
    for mode, seconds in (("fast", _FAST_STOP_S), ("immediate", _IMMEDIATE_STOP_S)):
        done = programs.run(
            "pg_ctl", "stop", "-D", "data", f"--mode={mode}", f"--timeout={seconds}",
            cwd=directory.root, output=subprocess.PIPE,
        )  # fmt: skip
        # Without the lock (Windows) pg_ctl's word is all there is.
        if done.returncode == 0 and _all_gone(directory):
            endpoint.forget(directory)
            return
    raise Unavailable(
        f"the embedded server does not stop: {faults.last_lines(done.stdout.decode('utf-8', 'replace'))}",
        where=str(directory.root),
        hint=faults.hint_from_log("", directory.log),
    )


def _all_gone(directory: ServerDirectory) -> bool:
    """Waits for the last process of a server whose postmaster has ended."""
    deadline = time.monotonic() + _IMMEDIATE_STOP_S
    while locks.held(directory.alive_lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _noted_pid(directory: ServerDirectory) -> int | None:
    try:
        return int(directory.postmaster_pid.read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_postmaster(pid: int, data: Path, connection: psycopg.Connection[Any] | None) -> bool:
    """Whether that process is the server of this data directory; False if it cannot be told."""
    if sys.platform == "win32":
        # pg_ctl's signals go through a pipe that only a PostgreSQL server of that number has.
        return connection is not None
    if Path("/proc/self/cwd").exists():
        process = Path("/proc") / str(pid)
        try:  # the server works in its data directory; only its user and root can see that
            return (process / "cwd").samefile(data) and (process / "comm").read_text(
                encoding="utf-8"
            ).strip() == "postgres"
        except OSError:
            return False
    return connection is not None and _parent(connection.info.backend_pid) == pid


def _parent(pid: int) -> int | None:
    """The process that forked the one that serves our connection; by POSIX's `ps`."""
    done = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, check=False)
    text = done.stdout.decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def _out_of_reach(directory: ServerDirectory, error: endpoint.NoAnswer, waited_s: float) -> bool:
    """Whether a server that lives can no more be reached: its directory was moved, or its socket removed.

    One that was being started when its starter was killed has no socket yet, for a moment.
    """
    if isinstance(error, endpoint.MovedServer):
        return True
    noted = endpoint.recall(directory)
    path = None if noted is None else noted.socket_path()
    return waited_s > _BOOT_S and (noted is None or (path is not None and not path.exists()))


def _does_not_start(directory: ServerDirectory, log_size: int) -> Unavailable:
    lines = faults.tail(directory.log, log_size)
    return Unavailable(
        f"the embedded server does not start: {lines or 'it ended without a word'}",
        where=str(directory.root),
        hint=faults.hint_from_log(lines, directory.log),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
