"""The keeper: a small process of its own that stops the server when nobody has used it for a while.

Every `connect` makes sure that one lives. It holds `keeper.lock` for its lifetime, and gives it
back only under the life-cycle lock after it has seen that the server is gone, so that no server
stays without one. It watches over a connection of its own and so notices at once when the server
ends. Run as `python -m ragctl.embedded.keeper HOME IDLE_STOP_S [DESCRIPTOR]`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.embedded import endpoint, files, layout, locks, postmaster
from ragctl.embedded.layout import ServerDirectory
from ragctl.errors import RagctlError

if TYPE_CHECKING:
    import psycopg

APPLICATION_NAME = "ragctl keeper"
_LONGEST_PAUSE_S = 15.0
_END_S = 5.0
_CLIENTS = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)

# Keepers that this process started, so that those which ended are not left as zombies.
_started: list[subprocess.Popen[bytes]] = []


def ensure(home: Path, directory: ServerDirectory, idle_stop_s: float) -> None:
    """Starts a keeper unless one lives. Under the life-cycle lock.

    Raises:
        Unavailable, OSError: it cannot be started.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    lock = _lock_to_hand_down(directory.keeper_lock)
    if lock is None:
        return
    log = files.open_descriptor(directory.keeper_log, os.O_WRONLY | os.O_TRUNC)
    try:
        _started.append(
            subprocess.Popen(
                # -P: the directory it works in holds no modules of ours.
                [sys.executable, "-P", "-m", "ragctl.embedded.keeper", str(home), repr(idle_stop_s)]
                + [str(descriptor) for descriptor in lock.pass_fds()],
                cwd=directory.root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=True,
                pass_fds=lock.pass_fds(),
                **_detached(),
            )
        )
    finally:
        os.close(log)
        lock.close()


def lives(directory: ServerDirectory) -> bool:
    """Whether there is a keeper. Under the life-cycle lock."""
    lock = _lock_to_hand_down(directory.keeper_lock)
    if lock is not None:
        lock.close()
    return lock is None


def _lock_to_hand_down(path: Path) -> locks.Held | None:
    if sys.platform == "win32":
        probe = locks.take_here(path)
        if probe is None:
            return None
        probe.release()
    return locks.take(path)


def _detached() -> dict[str, Any]:
    """A session of its own: it outlives the terminal and hears none of its signals."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def wait_for_end(home: Path, directory: ServerDirectory) -> None:
    """Waits some seconds for the keeper of a stopped server; it ends by itself, sooner or later."""
    deadline = time.monotonic() + _END_S
    while directory.keeper_lock.exists() and time.monotonic() < deadline:
        with locks.life_cycle(layout.life_cycle_lock(home)):
            if not lives(directory):
                break
        time.sleep(0.01)
    _started[:] = [process for process in _started if process.poll() is None]


def keep(home: Path, idle_stop_s: float, give_back: Callable[[], None]) -> None:
    """Watches the server of `home` until it is gone, and stops it when it was idle for `idle_stop_s` seconds.

    `give_back` lets go of the keeper's lock.

    Raises:
        RagctlError, OSError: the server cannot be looked at or stopped.
    """
    directory = layout.find(home)
    life_cycle = layout.life_cycle_lock(home)
    # Without its data directory the server ends by itself, and there is nothing to lock.
    while directory is not None and directory.data.is_dir():
        # Under this lock no connect() can start a server between our look and our leaving.
        with locks.life_cycle(life_cycle):
            connection = _connect(directory)
            if connection is None:
                give_back()
                return
        with contextlib.closing(connection):
            idleness = _Idleness(connection, directory.used, idle_stop_s)
            if not idleness.wait():
                continue
            with locks.life_cycle(life_cycle):
                if not idleness.confirmed():
                    continue
                try:
                    postmaster.stop(directory, connection)
                finally:
                    give_back()  # also if it failed: the next connect() starts another keeper
                return


class _Idleness:
    """For how long nobody but the keeper has been connected."""

    def __init__(self, connection: psycopg.Connection[Any], used: Path, idle_stop_s: float) -> None:
        self._connection = connection
        self._used = used
        self._idle_stop_s = idle_stop_s
        self._last_touch = _touched(used)
        self._since = time.monotonic()

    def wait(self) -> bool:
        """Waits until the time is up, then True; False as soon as the server is gone."""
        import psycopg

        pause = min(self._idle_stop_s / 4, _LONGEST_PAUSE_S)
        try:
            while not self._reached():
                # The server says goodbye, or its end closes the connection: either wakes us.
                select.select([self._connection.fileno()], [], [], pause)
        except psycopg.OperationalError:
            return False
        return True

    def confirmed(self) -> bool:
        """Whether it still is so, now that nobody can connect; False if the server is gone."""
        import psycopg

        try:
            return self._reached()
        except psycopg.OperationalError:
            return False

    def _reached(self) -> bool:
        """Looks now. Someone connected, or connected and gone since the last look, begins it anew.

        Raises:
            psycopg.OperationalError: the server is gone.
        """
        row = self._connection.execute(_CLIENTS).fetchone()
        touch = _touched(self._used)
        now = time.monotonic()
        if (row is not None and row[0]) or touch != self._last_touch:
            self._last_touch = touch
            self._since = now
        return now - self._since >= self._idle_stop_s


def _touched(used: Path) -> int:
    try:
        return used.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _connect(directory: ServerDirectory) -> psycopg.Connection[Any] | None:
    try:
        return endpoint.connect(
            directory,
            endpoint.MAINTENANCE_DATABASE,
            {"autocommit": True, "application_name": APPLICATION_NAME},
        )
    except endpoint.NoAnswer:
        return None


def main(arguments: list[str]) -> int:
    """The process's work: HOME, IDLE_STOP_S and, but for Windows, the descriptor of the keeper's lock.

    What goes wrong is said on stderr, which is `keeper.log`.
    """
    home, idle_stop_s = Path(arguments[0]), float(arguments[1])
    try:
        give_back = _own(home, arguments[2:])
        if give_back is not None:
            keep(home, idle_stop_s, give_back)
    except RagctlError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return int(error.exit_code)
    return 0


def _own(home: Path, descriptors: list[str]) -> Callable[[], None] | None:
    """How to give back the keeper's lock, which came with the process or is taken now."""
    if descriptors:
        return functools.partial(os.close, int(descriptors[0]))
    directory = layout.find(home)
    lock = None if directory is None else locks.take_here(directory.keeper_lock)
    return None if lock is None else lock.release


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
