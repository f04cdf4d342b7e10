"""One worker process, seen from the process that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import ragctl.errors
from ragctl.errors import (
    DocumentError,
    MissingPackage,
    RagctlError,
    ReaderCrashed,
    ReaderStopped,
    Unavailable,
)
from ragctl.readers.parts import Found
from ragctl.readers.wire import BrokenFrame, Frame, found_of, item_entry, receive, send
from ragctl.readers.worker import resident_bytes
from ragctl.types import Item

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ragctl.readers.worker import main; main()"
)
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "DSN", "DATABASE_URL", "AUTH")
"""Environment variables of such names do not reach a process that reads what strangers wrote."""
_ON_WINDOWS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
_LOOK_EVERY_S = 0.25
_FRAMES_OVERHEAD = 16
"""A frame may be as many times longer than the output that it stands for: escapes, and structure."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one item may take.

    Attributes:
        seconds: by the clock.
        memory: bytes that the worker may have; on Windows it is not limited.
        output: characters of text and bytes of parts that may come of it.
    """

    seconds: float = 300.0
    memory: int = 2048 * _MIB
    output: int = 256 * _MIB


class Worker:
    """Reads one item at a time. Whatever goes wrong, `alive` says whether it can read another.

    Raises:
        Unavailable: it cannot be started.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.served = 0
        self.resident: int | None = None
        self._killed_for = ""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = _start(self._complaints)
        try:
            ready = self._ask({"limits": {**_as_dict(limits)}})
        except (BrokenFrame, OSError):
            ready = None
        if ready is None:
            self._process.kill()
            complaint = self._complaint()
            self.end()
            raise Unavailable(
                f"a worker process for reading documents cannot be started: {complaint}",
                where="extract.limits",
                hint="extract.limits.memory may be too little for Python itself",
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def read(self, name: str, options: Mapping[str, Any], item: Item, data: bytes) -> list[Found]:
        """What the reader finds.

        Raises:
            ReaderStopped: it took too much time or memory, or too much came of it.
            ReaderCrashed: the process ended.
            DocumentError, MissingPackage: as the reader raised them.
        """
        self.served += 1
        found: list[Found] = []
        try:
            with self._watched():
                send(self._stdin, {"reader": name, "options": options, "item": item_entry(item)}, data)
                while "end" not in (frame := self._next()).content:
                    found.append(found_of(frame))
        except (BrokenFrame, OSError) as error:
            self.end()
            raise self._why_it_ended(error) from None
        except BaseException:  # such as Ctrl-C: what it still sends would be taken for the next item's
            self.end()
            raise
        end = frame.content["end"]
        self.resident = end.get("resident")
        _raise(end, self.limits)
        return found

    def end(self) -> None:
        """Ends it, and the programs that it has started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _ask(self, content: Mapping[str, Any]) -> Frame | None:
        send(self._stdin, content)
        assert self._process.stdout is not None
        return receive(self._process.stdout)

    def _next(self) -> Frame:
        assert self._process.stdout is not None
        # A worker that a file has taken over must not make this process hold more than was agreed.
        frame = receive(self._process.stdout, most=self.limits.output * _FRAMES_OVERHEAD + _MIB)
        if frame is None:
            raise BrokenFrame("ended")
        return frame

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A thread ends the process when it has had its time or has too much memory."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def _watch(self, done: threading.Event) -> None:
        last = time.monotonic() + self.limits.seconds
        while not done.wait(min(_LOOK_EVERY_S, self.limits.seconds)):
            if time.monotonic() >= last:
                self._killed_for = "time"
            elif (resident_bytes(self._process.pid) or 0) > self.limits.memory:
                self._killed_for = "memory"
            if self._killed_for:
                with suppress(ProcessLookupError, PermissionError):
                    if sys.platform == "win32":
                        self._process.kill()
                    else:
                        os.killpg(self._process.pid, signal.SIGKILL)
                return

    def _why_it_ended(self, error: Exception) -> DocumentError:
        if self._killed_for:
            return stopped(self._killed_for, self.limits)
        code = self._process.returncode
        if sys.platform != "win32" and code == -signal.SIGALRM:
            return stopped("time", self.limits)
        if sys.platform != "win32" and code < 0 and code != -signal.SIGKILL:
            return ReaderCrashed(f"the reader's process crashed on it ({signal.Signals(-code).name})")
        if str(error) in ("ended", "cut off") and code >= 0:
            return ReaderCrashed(f"the reader's process ended while it read it (exit code {code})")
        return ReaderCrashed(
            "the reader's process was ended from outside, or gave no sense, while it read it"
        )

    def _complaint(self) -> str:
        self._complaints.seek(0)
        said = self._complaints.read()[-2000:].decode("utf-8", "replace").split("\n")
        return next(
            (line for line in reversed(said) if line.strip()), f"exit code {self._process.returncode}"
        )


def stopped(what: str, limits: Limits) -> ReaderStopped:
    """The error of an item that took more than it may."""
    most = {
        "time": f"it takes longer than extract.limits.seconds ({limits.seconds:g} s)",
        "memory": f"it needs more memory than extract.limits.memory ({limits.memory // _MIB:,} MiB)",
        "output": f"more comes of it than extract.limits.output ({limits.output // _MIB:,} MiB)",
    }[what]
    return ReaderStopped(
        f"reading it was stopped: {most}; a later --retry-failed tries it with another limit"
    )


def _raise(end: Mapping[str, Any], limits: Limits) -> None:
    if "over" in end:
        raise stopped(end["over"], limits)
    if "crashed" in end:
        raise ReaderCrashed(end["crashed"])
    if "error" in end:
        entry = end["error"]
        found = getattr(ragctl.errors, entry["type"], None)
        known: type[RagctlError] = (
            found
            if isinstance(found, type) and issubclass(found, DocumentError | MissingPackage)
            else ReaderCrashed
        )
        raise known(entry["message"], where=entry["where"], hint=entry["hint"])


def _as_dict(limits: Limits) -> dict[str, float]:
    return {"seconds": limits.seconds, "memory": limits.memory, "output": limits.output}


def _start(complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env=_environment(),
        # A group of its own: Ctrl-C does not reach it, and it is ended together with what it has started.
        start_new_session=sys.platform != "win32",
        creationflags=_ON_WINDOWS,
    )


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not any(part in name.upper() for part in _SECRET)
    }
    return {**kept, "DO_NOT_TRACK": "1", "PYTHONIOENCODING": "utf-8"}
