"""Fixtures that many tests share: a real server for the session, and workspaces with specs in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragctl.embedded.server import EmbeddedServer
from ragctl.state.migrations import migrate
from workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def no_data_left_behind() -> Iterator[None]:
    """As root, data that another user must reach go to a folder of the tests' own."""
    folder = Path(tempfile.mkdtemp(prefix="ragctl-tests-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGCTL_EMBEDDED_DIR", str(folder))
        yield
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server_base(no_data_left_behind: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose `.ragctl` holds the embedded server that the whole session uses."""
    base = tmp_path_factory.mktemp("workspaces")
    yield base
    EmbeddedServer(base / ".ragctl").stop()


@pytest.fixture
def connection(server_base: Path) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the session's server, with the state's schema."""
    with EmbeddedServer(server_base / ".ragctl").connect(autocommit=True) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def workspace(server_base: Path, request: pytest.FixtureRequest) -> Workspace:
    """A workspace of the test's own."""
    taken = sum(1 for _ in server_base.glob("*.yaml"))
    return Workspace(server_base, f"w{taken}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Other people's documents, where they are to be had."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder with other people's documents, ../shared/data")
    return folder
