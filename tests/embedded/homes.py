"""Homes of embedded servers: copying them, looking into them, and stopping what runs on them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ragctl.embedded import layout, locks, postmaster
from ragctl.embedded.server import EmbeddedServer


def end(home: Path) -> None:
    """Stops what runs on `home`, which must work, and removes the data."""
    directory = layout.find(home)
    if directory is not None:
        EmbeddedServer(home).stop()
        assert not locks.held(directory.alive_lock)
        shutil.rmtree(directory.root)


def copy(home: Path, target: Path) -> None:
    """Copies with owners and modes, as a backup does."""
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)


@contextlib.contextmanager
def moved(home: Path, target: Path) -> Iterator[Path]:
    """The home under another path, for a while."""
    home.rename(target)
    try:
        yield target
    finally:
        EmbeddedServer(target).stop()
        target.rename(home)


@contextlib.contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """The file with another text, in place and with its owner, for a while."""
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def directory_of(home: Path) -> layout.ServerDirectory:
    directory = layout.find(home)
    assert directory is not None
    return directory


def postmaster_pid(home: Path) -> int:
    """The server's process number; only right while the server runs and nobody meddled with the file."""
    pid = postmaster._noted_pid(directory_of(home))
    assert pid is not None
    return pid
