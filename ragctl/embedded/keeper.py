"""The keeper: a small process of its own that stops the server when nobody has used it for a while.

Every `connect` makes sure that one lives. It holds `keeper.lock` for its lifetime, and gives it
back only under the life-cycle lock after it has seen that the server is gone, so that no server
stays without one. It watches over a connection of its own and so notices at once when the server
ends. Run as `python -m ragctl.embedded.keeper HOME IDLE_STOP_S`.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.embedded import endpoint, files, layout, locks, postmaster
from ragctl.embedded.layout import ServerDirectory
from ragctl.errors import RagctlError

if TYPE_CHECKING:
    import psycopg

APPLICATION_NAME = "ragctl keeper"
_LONGEST_PAUSE_S = 15.0
_ANOTHER_KEEPER_S = 2.0  # longer than a connect() holds the lock to see whether a keeper lives
_END_S = 5.0
_CLIENTS = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)

# Keepers that this process started, so that those which ended are not left as zombies.
_started: list[subprocess.Popen[bytes]] = []


def ensure(home: Path, directory: ServerDirectory, idle_stop_s: float) -> None:
    """Starts a keeper unless one lives. Under the life-cycle lock.

    Raises:
        OSError: it cannot be started.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    files.make(directory.keeper_lock)
    if locks.keeper_lives(directory.keeper_lock):
        return
    log = files.open_descriptor(directory.keeper_log, os.O_WRONLY | os.O_TRUNC)
    try:
        _started.append(
            subprocess.Popen(
                # -P: the directory it works in holds no modules of ours.
                [sys.executable, "-P", "-m", "ragctl.embedded.keeper", str(home), repr(idle_stop_s)],
                cwd=directory.root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=True,
                **_detached(),
            )
        )
    finally:
        os.close(log)


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
            if not locks.keeper_lives(directory.keeper_lock):
                break
        time.sleep(0.01)
    _started[:] = [process for process in _started if process.poll() is None]


def keep(home: Path, idle_stop_s: float) -> None:
    """Watches the server of `home` until it is gone, and stops it when it was idle for `idle_stop_s` seconds.

    Returns at once if another keeper lives.

    Raises:
        RagctlError, OSError: the server cannot be looked at or stopped.
    """
    directory = layout.find(home)
    own = None if directory is None else locks.take_keeper(directory.keeper_lock, _ANOTHER_KEEPER_S)
    if directory is None or own is None:
        return
    life_cycle = layout.life_cycle_lock(home)
    # Without its data directory the server ends by itself, and there is nothing to lock.
    while directory.data.is_dir():
        # Under this lock no connect() can start a server between our look and our leaving.
        with locks.life_cycle(life_cycle):
            connection = _connect(directory)
            if connection is None:
                own.release()
                return
        with contextlib.closing(connection):
            idleness = _Idleness(connection, directory.used, idle_stop_s)
            if not idleness.wait():
                continue
            with locks.life_cycle(life_cycle):
                if idleness.reached():
                    postmaster.stop(directory, connection)
                    own.release()
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
        while True:
            # The server says goodbye, or its end closes the connection: either wakes us.
            select.select([self._connection.fileno()], [], [], pause)
            try:
                if self.reached():
                    return True
            except psycopg.OperationalError:
                return False

    def reached(self) -> bool:
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
    """The process's work: HOME and IDLE_STOP_S. What goes wrong is said on stderr, which is `keeper.log`."""
    try:
        keep(Path(arguments[0]), float(arguments[1]))
    except RagctlError as error:
        sys.stderr.write(f"{error}\n{error.hint or ''}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
