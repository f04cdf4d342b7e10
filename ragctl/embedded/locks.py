"""The three locks of an embedded server; each is held by an open file, so a kill frees it.

- life cycle: whoever starts, stops, initialises or connects holds it (`filelock`);
- alive: taken by the one who starts the server and handed down to it; each of its processes
  holds it for as long as it lives. It tells without any process number whether something of
  this very directory's server still runs, also where the directory was moved, copied or is
  shared between containers;
- keeper: handed down to the keeper in the same way.

Windows has no locks to hand down: there pg_ctl's word stands for `alive`, and the keeper takes
its lock itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.embedded import faults, files
from ragctl.errors import Unavailable

if TYPE_CHECKING:
    import filelock

# Longer than the longest thing that is done under the lock: an initialisation or a recovery.
LIFE_CYCLE_PATIENCE_S = 180.0


@contextlib.contextmanager
def life_cycle(path: Path) -> Iterator[None]:
    """Holds the life-cycle lock. Its directory must exist.

    Raises:
        Unavailable: another process has held it for three minutes.
        OSError: the file cannot be made or locked.
    """
    import filelock

    files.make(path)
    lock = filelock.FileLock(path, timeout=LIFE_CYCLE_PATIENCE_S, thread_local=False)
    try:
        lock.acquire(poll_interval=0.01)
    except filelock.Timeout:
        raise Unavailable(
            "another process has been starting or stopping the embedded server "
            f"for {LIFE_CYCLE_PATIENCE_S:.0f} s",
            where=str(path),
            hint="wait for it, or end the ragctl process that hangs",
        ) from None
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Held:
    """A lock that was taken to be handed to a child process; the descriptor is None on Windows."""

    descriptor: int | None

    def pass_fds(self) -> tuple[int, ...]:
        """For `subprocess`: what hands it down."""
        return () if self.descriptor is None else (self.descriptor,)

    def close(self) -> None:
        """Lets go of it; processes that it was handed to go on holding it."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def take(path: Path) -> Held | None:
    """The lock `alive` or `keeper`, or None if a process holds it. Under the life-cycle lock.

    Raises:
        Unavailable: the file system has no locks, or the file cannot be opened.
    """
    if sys.platform == "win32":
        return Held(None)
    import fcntl

    try:
        descriptor = files.open_descriptor(path, os.O_RDWR)
    except OSError as error:
        raise faults.unavailable(error, "cannot open the embedded server's lock", path) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise faults.unavailable(error, "cannot lock", path) from error
    return Held(descriptor)


def held(path: Path) -> bool:
    """Whether a process holds the lock `alive` or `keeper`; always False on Windows. As `take`."""
    taken = take(path)
    if taken is None:
        return True
    taken.close()
    return False


def take_here(path: Path) -> filelock.BaseFileLock | None:
    """The keeper's lock on Windows, where it cannot be handed down; None if another keeper holds it."""
    import filelock

    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        return None
    return lock
