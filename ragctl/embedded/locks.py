"""The three locks of an embedded server; each is held by an open file, so a kill frees it.

- life cycle: whoever starts, stops, initialises or connects holds it (`filelock`);
- keeper: held by the keeper for as long as it lives (`filelock`);
- alive: handed down to the server, whose every process holds it for as long as it lives. It
  tells without any process number whether something of this very directory's server still
  runs, also where the directory was moved, copied or is shared between containers. Only where
  there is `flock` (not on Windows).
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


def take_keeper(path: Path, patience_s: float) -> filelock.BaseFileLock | None:
    """The keeper's lock, if it is to be had within `patience_s` seconds; the caller releases it."""
    import filelock

    lock = filelock.FileLock(path, timeout=patience_s, thread_local=False)
    try:
        lock.acquire(poll_interval=0.01)
    except filelock.Timeout:
        return None
    return lock


def keeper_lives(path: Path) -> bool:
    """Whether a keeper holds its lock. To be asked under the life-cycle lock."""
    lock = take_keeper(path, 0)
    if lock is None:
        return True
    lock.release()
    return False


@dataclass(frozen=True)
class AliveLock:
    """The lock `alive`, taken, to be handed to a server that is being started."""

    descriptor: int | None

    def pass_fds(self) -> tuple[int, ...]:
        return () if self.descriptor is None else (self.descriptor,)

    def close(self) -> None:
        """Lets go of it; processes that it was handed to go on holding it."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def take_alive(path: Path) -> AliveLock | None:
    """The lock, or None if a process of the server still lives. Where there is no `flock`: always one.

    Raises:
        Unavailable: the file system has no locks, or the file cannot be opened.
    """
    if sys.platform == "win32":
        return AliveLock(None)
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
    return AliveLock(descriptor)


def lives(path: Path) -> bool:
    """Whether a process of the server lives; False where that cannot be told (Windows)."""
    held = take_alive(path)
    if held is None:
        return True
    held.close()
    return False
