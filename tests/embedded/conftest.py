"""One server's directory, made once for all tests that need not make their own; stopped after each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded.homes import end

from ragctl.embedded import layout
from ragctl.embedded.server import EmbeddedServer


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A directory that other users can enter, with a place for what root shares; removed at the end."""
    path = Path(os.path.realpath(tempfile.mkdtemp(prefix="ragctl-test-", dir=_in_memory())))
    path.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(layout.SHARED_VARIABLE, str(path / "shared"))
        yield path
    shutil.rmtree(path)


def _in_memory() -> str | None:
    """A file system in memory, where there is room and programs may be run: it spares the disk's flushes."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        return None
    space = os.statvfs(memory)
    fits = space.f_bavail * space.f_frsize >= 2**30 and not space.f_flag & os.ST_NOEXEC
    return str(memory) if fits else None


@pytest.fixture(scope="session")
def initialised(ground: Path) -> Iterator[Path]:
    """A home with an initialised server; its path is short enough for a socket inside."""
    home = ground / "one" / ".ragctl"
    home.parent.mkdir()
    EmbeddedServer(home).connect().close()
    yield home
    end(home)


@pytest.fixture
def home(initialised: Path) -> Iterator[Path]:
    """The common home; its server does not run before the test, nor after it."""
    EmbeddedServer(initialised).stop()
    yield initialised
    EmbeddedServer(initialised).stop()


@pytest.fixture
def server(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home)


@pytest.fixture
def empty_home(ground: Path) -> Iterator[Path]:
    """Where nothing was made yet."""
    project = Path(tempfile.mkdtemp(dir=ground))
    project.chmod(0o755)
    yield project / ".ragctl"
    end(project / ".ragctl")
    shutil.rmtree(project)
