"""Fixtures that many tests share: a real server for the session, and workspaces with specs in it.

Where processes share the tests out (pytest-xdist) each has a session, and so a server, of its own.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragctl.embedded.server import EmbeddedServer
from ragctl.providers.local import compiled
from ragctl.providers.local.model_files import ModelFiles
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.state.migrations import migrate
from ragctl.state.schema import enter_schema
from workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests with & has them ignore SIGINT, and every command that they start would:
    # then no test of Ctrl-C could pass.
    signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore: list[str] = []
try:
    # Not by importing it: Airflow reads its settings when it is imported, and airflow/conftest.py makes them.
    distribution("apache-airflow-core")
except PackageNotFoundError:
    # Airflow has an environment of its own; `make airflow-parity` runs these tests in it.
    collect_ignore.append("airflow")


LONG = {"test_kill.py", "test_docs.py", "test_wheel.py"}
"""Files with few tests that take long: given out first, so that no process has one left to do alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)  # the order is otherwise as it was


@pytest.fixture(scope="session", autouse=True)
def no_data_left_behind() -> Iterator[None]:
    """As root, data that another user must reach go to a folder of the tests' own."""
    folder = Path(tempfile.mkdtemp(prefix="ragctl-tests-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGCTL_EMBEDDED_DIR", str(folder))
        yield
    shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def model_compiled_once() -> Iterator[None]:
    """Commands in this process share the compiled model: compiling it takes longer than most tests.

    It depends on its files and settings alone. Commands in processes of their own compile theirs, and
    tests/providers/local has the tests of compiling.
    """
    made: dict[tuple[object, ...], compiled.CompiledEncoder] = {}
    compile_encoder = compiled.compile_encoder

    def once(
        files: ModelFiles, tokenizer: LocalTokenizer, *, goal: compiled.Goal, threads: int | None = None
    ) -> compiled.CompiledEncoder:
        settings = (files.model.reference, files.folder, goal, threads or compiled.processor_quota())
        if settings not in made:
            made[settings] = compile_encoder(files, tokenizer, goal=goal, threads=threads)
        return made[settings]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "compile_encoder", once)
        yield


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
        enter_schema(opened)
        yield opened


@pytest.fixture
def workspace(server_base: Path) -> Iterator[Workspace]:
    """A workspace of the test's own."""
    taken = sum(1 for _ in server_base.glob("*.yaml"))
    made = Workspace(server_base, f"w{taken}")
    yield made
    made.drop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Other people's documents, where they are to be had."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder with other people's documents, ../shared/data")
    return folder
