"""Worker processes: whatever happens in one happens to one document."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from readers.faulty_readers import PROGRAM

from ragctl.errors import MalformedDocument, MissingPackage, ReaderCrashed, ReaderStopped, Unavailable
from ragctl.readers import worker_process
from ragctl.readers.parts import Found, Part
from ragctl.readers.worker_pool import WorkerPool
from ragctl.readers.worker_process import Limits
from ragctl.types import Document, Item

MIB = 1 << 20
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by the system on Linux alone")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    monkeypatch.setattr(worker_process, "_PROGRAM", PROGRAM)
    with WorkerPool(Limits(seconds=60, memory=512 * MIB, output=8 * MIB)) as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    monkeypatch.setattr(worker_process, "_PROGRAM", PROGRAM)
    with WorkerPool(Limits(seconds=0.5, memory=512 * MIB)) as made:
        yield made


def do(pool: WorkerPool, what: str, data: bytes = b"words") -> list[Found]:
    return list(pool.read("faulty", {}, Item("docs", what, f"file:///{what}", "f"), data))


def text_of(pool: WorkerPool, what: str) -> str:
    (document,) = do(pool, what)
    assert isinstance(document, Document)
    return document.text


def test_documents_and_parts_come_back_as_they_are(pool: WorkerPool) -> None:
    document, part = do(pool, "good", "wörter\n\U0001f600".encode())
    assert isinstance(document, Document)
    assert (document.text, document.source, document.path) == ("wörter\n\U0001f600", "docs", "good")
    assert document.sections[0].end == len(document.text)
    assert part == Part("inner.txt", b"inner")


def test_one_process_reads_many(pool: WorkerPool) -> None:
    assert len({text_of(pool, "pid") for _ in range(3)}) == 1
    assert pool.started == 1


def test_none_is_started_before_it_is_needed(pool: WorkerPool) -> None:
    assert pool.started == 0


def test_it_is_recycled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_PROGRAM", PROGRAM)
    with WorkerPool(recycled_after=2) as pool:
        pids = [text_of(pool, "pid") for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@posix
def test_a_segmentation_fault_is_one_documents_failure(pool: WorkerPool) -> None:
    with pytest.raises(ReaderCrashed, match=r"crashed on it \(SIGSEGV\)"):
        do(pool, "segfault")
    assert text_of(pool, "pid")


def test_a_process_that_ends_is_one_documents_failure(pool: WorkerPool) -> None:
    with pytest.raises(ReaderCrashed, match=r"ended while it read it \(exit code 7\)"):
        do(pool, "exit")
    assert text_of(pool, "pid")


@pytest.mark.parametrize("what", ["hang", "deaf"])
def test_a_hang_is_ended(hasty: WorkerPool, what: str) -> None:
    with pytest.raises(ReaderStopped, match=r"longer than extract.limits.seconds \(0.5 s\)"):
        do(hasty, what)


@posix
def test_programs_that_a_reader_started_end_with_it(hasty: WorkerPool, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(ReaderStopped):
        do(hasty, "hang_in_a_program", str(note).encode("utf-8"))
    assert gone(int(note.read_text(encoding="utf-8")))


@linux
def test_a_memory_bomb_is_stopped(pool: WorkerPool) -> None:
    with pytest.raises(ReaderStopped, match=r"more memory than extract.limits.memory \(512 MiB\)"):
        do(pool, "memory")
    assert text_of(pool, "pid")


def test_an_output_bomb_is_stopped(pool: WorkerPool) -> None:
    with pytest.raises(ReaderStopped, match=r"more comes of it than extract.limits.output \(8 MiB\)"):
        do(pool, "output")
    assert text_of(pool, "pid")


def test_errors_of_a_reader_come_back_as_they_are(pool: WorkerPool) -> None:
    with pytest.raises(MalformedDocument, match="password-protected") as caught:
        do(pool, "malformed")
    assert caught.value.hint == "a hint"
    with pytest.raises(ReaderCrashed, match="ZeroDivisionError: of a library"):
        do(pool, "raises")
    with pytest.raises(MissingPackage, match="a_package_that_is_not_there") as missing:
        do(pool, "missing")
    assert missing.value.hint == "pip install 'ragctl[formats]'"
    assert pool.started == 1


def test_what_a_library_prints_is_no_answer(pool: WorkerPool) -> None:
    assert text_of(pool, "prints") == "words"
    assert text_of(pool, "many_prints") == "words"


@posix
def test_a_worker_that_sends_nonsense_is_ended(pool: WorkerPool) -> None:
    with pytest.raises(ReaderCrashed, match="gave no sense"):
        do(pool, "nonsense")
    assert text_of(pool, "pid")


def test_secrets_do_not_reach_it(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("MY_DSN", "postgresql://")
    names = text_of(pool, "environment").split()
    assert "DO_NOT_TRACK" in names
    assert not {"OPENAI_API_KEY", "MY_DSN"} & set(names)


def test_one_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_PROGRAM", "raise SystemExit('no room')")
    with WorkerPool() as pool, pytest.raises(Unavailable, match="cannot be started: no room"):
        do(pool, "good")


@posix
@pytest.mark.parametrize("busy", [False, True])
def test_it_does_not_outlive_a_parent_that_was_killed(busy: bool, tmp_path: Path) -> None:
    """Idle, or in the middle of a file."""
    note = tmp_path / "pid"
    program = f"""
        from pathlib import Path
        from readers.faulty_readers import PROGRAM
        from ragctl.readers import worker_process
        from ragctl.readers.worker_pool import WorkerPool
        from ragctl.types import Item
        worker_process._PROGRAM = PROGRAM
        pool = WorkerPool()
        (found,) = pool.read("faulty", {{}}, Item("d", "pid", "", ""), b"x")
        Path({str(note)!r}).write_text(found.text, encoding="utf-8")
        if {busy}:
            pool.read("faulty", {{}}, Item("d", "hang", "", ""), b"x")
        import time; time.sleep(600)
    """
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        wait_for(lambda: note.exists() and note.read_text(encoding="utf-8") != "")
        time.sleep(0.3 if busy else 0)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(int(note.read_text(encoding="utf-8")))


def gone(pid: int) -> bool:
    """Has the process ended, or does it within some seconds?"""

    def ended() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"

    return wait_for(ended)


def wait_for(condition: object, seconds: float = 20.0) -> bool:
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False
