"""Processes that are started with a log each, and stopped for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

LOG_LINES = 30
STOPS_S = 20.0


class Died(Exception):
    """A process that should run has ended; the text holds the end of its log."""


class Component:
    """One long-running process, the leader of a process group of its own.

    Its own session keeps a Ctrl-C of the terminal away from it: it is stopped by `stop_all`, in order.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._command, self._environment = list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Starts it; its output is added to the log."""
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """
        Raises:
            Died: it does not run any more.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            raise Died(f"{self.name} ended with {code}; the end of {self.log}:\n{self.tail()}")

    def tail(self, lines: int = LOG_LINES) -> str:
        """The last lines of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def kill(self, *, group: bool) -> None:
        """SIGKILL to the process alone, or to its whole group; waits for its end."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM; returns at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        """Waits for its end until `deadline` (of `time.monotonic`), then kills what is left of its group."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self.kill(group=True)


def stop_all(components: Iterable[Component]) -> None:
    """Ends all of them within some STOPS_S seconds."""
    running = list(components)
    for one in running:
        one.ask_to_stop()
    deadline = time.monotonic() + STOPS_S
    for one in running:
        one.wait_or_kill(deadline)


def kill_marked(variable: str, value: str) -> list[str]:
    """Kills every process whose environment has `variable` at `value`; their command lines.

    A group is not enough: workers of an executor, and servers started by tasks, may have left theirs.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(variable) == value:
                found.append(" ".join(process.cmdline())[:120])
                process.kill()
    return found
