"""A full disk, a read-only one, a cut connection: exit code 6, nothing half, and the next run goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chaos.contents import inconsistencies
from psycopg.conninfo import make_conninfo
from run.cutting_proxy import Cut, cutting

from ragctl.embedded.endpoint import TCP_VARIABLE
from ragctl.embedded.server import EmbeddedServer
from ragctl.providers.local.encoder import LocalEmbedder
from workspace import Workspace

DOCUMENTS = 16
KEEP_VECTORS = 8  # so that a few documents make several writes to the cache
needs_mount = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small file system, on Linux"
)


@pytest.fixture
def model_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors the model returned, batch by batch."""
    returned: list[int] = []
    embed = LocalEmbedder.embed

    def counted(self: LocalEmbedder, inputs: Sequence[str]) -> Iterator[Any]:
        for batch in embed(self, inputs):
            returned.append(len(batch.positions))
            yield batch

    monkeypatch.setattr(LocalEmbedder, "embed", counted)
    return returned


def write_documents(workspace: Workspace, seed: str = "") -> None:
    """Documents of some four chunks, the same for the same seed."""
    chance = random.Random(seed)
    words = "index table query vector server page chunk model reader token".split()
    for number in range(DOCUMENTS):
        workspace.write(f"{number}.txt", " ".join(chance.choices(words, k=700)) + ".\n")


def kept_vectors(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM ragctl.vectors").fetchone()
    assert row is not None
    return int(row[0])


def documents(workspace: Workspace) -> list[str]:
    shown = workspace.call("show", "--format", "json")
    assert shown.code == 0, shown.err
    return [row["document"] for row in shown.json["documents"] if row["state"] == "stored"]


class SmallDisk:
    """A workspace whose `.ragctl` is a file system of its own, in memory."""

    def __init__(self, base: Path) -> None:
        self.home = base / ".ragctl"
        self.workspace = Workspace(base, "small")
        self._filler = self.home / "filler"

    def connect(self) -> psycopg.Connection[Any]:
        return EmbeddedServer(self.home).connect(autocommit=True)

    def fill(self, leave: int) -> None:
        """Leaves so many bytes."""
        space = os.statvfs(self.home)
        with self._filler.open("wb") as filler:
            filler.write(b"\0" * (space.f_bavail * space.f_frsize - leave))

    def free(self) -> None:
        self._filler.unlink()

    def close(self) -> None:
        """Makes it read-only; the server is stopped first."""
        self.stop()
        until_done(["mount", "-o", "remount,ro", str(self.home)])

    def open(self) -> None:
        """Makes it writable again."""
        until_done(["mount", "-o", "remount,rw", str(self.home)])

    def stop(self) -> None:
        EmbeddedServer(self.home).stop()


def until_done(command: list[str]) -> None:
    """Runs it until it succeeds: the last process of a stopped server may still hold a file."""
    deadline = time.monotonic() + 20
    while subprocess.run(command, capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline, command
        time.sleep(0.05)


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """128 MB, of which an empty server takes 42."""
    base = Path(tempfile.mkdtemp(prefix="ragctl-faults-"))
    base.chmod(0o755)
    home = base / ".ragctl"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128m,mode=755", "tmpfs", str(home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        shutil.rmtree(base)
        pytest.skip("a small file system cannot be mounted here")
    disk = SmallDisk(base)
    disk.workspace.write("first.md", "# First\n\nThe first note is about lighthouses.\n")
    try:
        disk.workspace.ingest()
        yield disk
    finally:
        disk.open()
        disk.stop()
        until_done(["umount", str(home)])
        shutil.rmtree(base)


def no_room_for_chunks(disk: SmallDisk) -> None:
    disk.fill(leave=150_000)


def no_room_for_all_vectors(disk: SmallDisk) -> None:
    disk.fill(leave=50_000)


def no_room_for_the_log(disk: SmallDisk) -> None:
    """The write-ahead log needs its next file, which stops the whole server."""
    disk.fill(leave=100_000)
    with disk.connect() as connection:
        connection.execute("CREATE TABLE something (number int)")
        connection.execute("SELECT pg_switch_wal()")


@needs_mount
@pytest.mark.parametrize("fill", [no_room_for_chunks, no_room_for_all_vectors, no_room_for_the_log])
def test_a_full_disk(
    small_disk: SmallDisk,
    fill: Callable[[SmallDisk], None],
    model_calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ragctl.stages.embed.KEEP_VECTORS", KEEP_VECTORS)
    workspace = small_disk.workspace
    write_documents(workspace)
    fill(small_disk)
    for _ in range(2):
        called = workspace.call("ingest", "--format", "json")
        assert called.code == 6
        assert called.json["error"]["kind"] == "unavailable"
        assert "No space left on device" in called.json["error"]["message"]
        assert "free some space" in called.json["error"]["hint"]
        assert "Traceback" not in called.err
    small_disk.free()

    with small_disk.connect() as connection:
        assert list(inconsistencies(connection, workspace.name, ended=False)) == []
        kept = kept_vectors(connection)
    assert documents(workspace) == ["first.md"]
    # What could not be written could not be kept: the vectors of one write in each of the two runs.
    lost = sum(model_calls) - (kept - 1)
    assert lost <= 2 * (KEEP_VECTORS + max(model_calls, default=0))
    model_calls.clear()
    counts = workspace.ingest()["counts"]
    assert counts["added"] == DOCUMENTS
    assert counts["embedded"] == sum(model_calls) == counts["chunks"] + 1 - kept
    with small_disk.connect() as connection:
        assert list(inconsistencies(connection, workspace.name)) == []


@needs_mount
def test_a_read_only_disk(small_disk: SmallDisk) -> None:
    workspace = small_disk.workspace
    small_disk.close()
    workspace.write("second.md", "# Second\n\nThe second note.\n")
    for command in (["ingest"], ["plan"], ["ask", "What is the first note about?"]):
        called = workspace.call(command[0], *command[1:], "--format", "json")
        assert called.code == 6, called.err
        assert "ead-only file system" in called.json["error"]["message"], called.err
        assert called.json["error"]["hint"]
        assert "Traceback" not in called.err
    small_disk.open()
    counts = workspace.ingest()["counts"]
    assert (counts["unchanged"], counts["added"], counts["embedded"]) == (1, 1, 1)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="modes bind neither root nor Windows"
)
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "closed")
    workspace.write("first.md", "# First\n\nThe first note.\n")
    tmp_path.chmod(0o555)
    try:
        called = workspace.call("ingest", "--format", "json")
    finally:
        tmp_path.chmod(0o755)
    assert called.code == 6
    assert "ermission denied" in called.json["error"]["message"]
    assert workspace.ingest()["counts"]["added"] == 1
    EmbeddedServer(tmp_path / ".ragctl").stop()


@pytest.fixture(scope="module")
def tcp_home(tmp_path_factory: pytest.TempPathFactory, no_data_left_behind: None) -> Iterator[Path]:
    """The home of a server that listens on loopback TCP."""
    home = tmp_path_factory.mktemp("tcp") / ".ragctl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TCP_VARIABLE, "1")
        EmbeddedServer(home).connect().close()
    yield home
    EmbeddedServer(home).stop()


CUTS = {
    "in mid-COPY": Cut((b"FROM STDIN",), more=20_000),
    "before COMMIT is sent": Cut((b"FROM STDIN", b"INSERT INTO items")),
    "before COMMIT is answered": Cut((b"FROM STDIN", b"COMMIT")),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_connection_that_is_cut(
    name: str, workspace: Workspace, tcp_home: Path, monkeypatch: pytest.MonkeyPatch, model_calls: list[int]
) -> None:
    """The run goes on in a new session: nothing is lost, doubled, or embedded twice."""
    cut = CUTS[name]
    write_documents(workspace, seed=name)
    workspace.spec(store={"type": "pgvector", "dsn_env": "TEST_RAG_DSN"})
    with EmbeddedServer(tcp_home).connect(autocommit=True) as connection:
        info = connection.info
        dsn = make_conninfo(info.dsn, password=info.password)
        with cutting(info.port, cut) as port:
            monkeypatch.setenv("TEST_RAG_DSN", make_conninfo(dsn, port=port))
            called = workspace.call("ingest", "--format", "json")
        assert cut.happened.is_set()
        assert called.code == 0, called.err
        assert "the connection to the database was lost" in called.err
        assert info.password not in called.out + called.err
        counts = called.json["counts"]
        assert counts["added"] == DOCUMENTS
        assert counts["embedded"] == counts["chunks"] == sum(model_calls)
        assert list(inconsistencies(connection, workspace.name)) == []
        # A version more for each time that it was written: what was committed is not done again.
        versions = connection.execute(f"SELECT DISTINCT version FROM ragctl.{workspace.name}_g1_documents")
        assert versions.fetchall() == [(1,)]

        monkeypatch.setenv("TEST_RAG_DSN", dsn)
        again = workspace.ingest()["counts"]
        assert (again["unchanged"], again["embedded"]) == (DOCUMENTS, 0)


def test_a_network_that_stays_cut(
    workspace: Workspace, tcp_home: Path, monkeypatch: pytest.MonkeyPatch, model_calls: list[int]
) -> None:
    """The run ends with exit code 6, and the next one goes on from there."""
    monkeypatch.setattr("ragctl.state.session.PATIENCE_S", 0.5)
    write_documents(workspace, seed="stays cut")
    workspace.spec(store={"type": "pgvector", "dsn_env": "TEST_RAG_DSN"})
    with EmbeddedServer(tcp_home).connect(autocommit=True) as connection:
        info = connection.info
        dsn = make_conninfo(info.dsn, password=info.password)
        with cutting(info.port, Cut((b"FROM STDIN",), more=20_000), lasting=True) as port:
            monkeypatch.setenv("TEST_RAG_DSN", make_conninfo(dsn, port=port))
            called = workspace.call("ingest", "--format", "json")
        assert called.code == 6
        assert called.json["error"]["kind"] == "unavailable"
        assert "run the same command again" in called.json["error"]["hint"]
        assert "Traceback" not in called.err
        assert info.password not in called.out + called.err

        monkeypatch.setenv("TEST_RAG_DSN", dsn)
        assert list(inconsistencies(connection, workspace.name, ended=False)) == []
        paid = sum(model_calls)
        counts = workspace.ingest()["counts"]
        assert (counts["added"], counts["embedded"]) == (DOCUMENTS, 0)
        assert sum(model_calls) == paid > 0
        assert list(inconsistencies(connection, workspace.name)) == []
