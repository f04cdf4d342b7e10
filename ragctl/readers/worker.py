"""A worker process: reads one item after another, under limits, for the process that started it.

It ends when its standard input ends, so it does not outlive that process, however that one ended.
"""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from ragctl.errors import DocumentError, MissingPackage, RagctlError
from ragctl.readers.parts import Found, Part
from ragctl.readers.table import made, missing_library
from ragctl.readers.wire import Frame, found_frame, item_of, receive, send
from ragctl.types import Document

ALARM_AFTER_S = 5.0
"""Seconds over its time after which the system ends a worker that nobody else has ended."""


class _OverOutput(Exception):
    pass


def main() -> None:
    """Serves requests until there are no more of them."""
    requests, replies = _own_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    first = receive(requests)
    if first is None:
        return
    limits = first.content["limits"]
    _limit_memory(limits["memory"])
    send(replies, {"ready": os.getpid()})
    _silence_stderr()
    waiting: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(requests, waiting.put), daemon=True).start()
    while True:
        _serve(waiting.get(), replies, limits)


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the parent, out of reach of what libraries print and read."""
    incoming, outgoing = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (incoming, outgoing):
            msvcrt.setmode(descriptor, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def _silence_stderr() -> None:
    """From now on errors go over the pipe; what libraries print could grow without end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _limit_memory(most: int) -> None:
    """On Linux. macOS takes the limits and does not keep them, Windows has none: see `worker_pool`."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Writable memory of its own, and not address space: libraries reserve much that they never use.
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def _take(requests: IO[bytes], put: Callable[[Frame], None]) -> None:
    """In a thread of its own, so that the parent's end is noticed while a file is being read."""
    with contextlib.suppress(Exception):
        while (frame := receive(requests)) is not None:
            put(frame)
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with the programs that readers have started
    os._exit(0)


def _serve(request: Frame, replies: IO[bytes], limits: dict[str, Any]) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, limits["seconds"] + ALARM_AFTER_S)
    try:
        end = _read(request, replies, limits["output"])
    except MemoryError:
        end = {"over": "memory"}
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, 0)
    send(replies, {"end": {**end, "resident": resident_bytes(os.getpid())}})


def _read(request: Frame, replies: IO[bytes], most: int) -> dict[str, Any]:
    """Sends what is found; returns how it ended."""
    asked = request.content
    left = most
    try:
        reader = made(asked["reader"], asked["options"])
        for found in reader.read(item_of(asked["item"]), request.data):
            left -= _size(found)
            if left < 0:
                raise _OverOutput
            send(replies, *found_frame(found))
    except _OverOutput:
        return {"over": "output"}
    except ModuleNotFoundError as error:
        return {"error": _entry(missing_library(asked["reader"], error))}
    except (DocumentError, MissingPackage) as error:
        return {"error": _entry(error)}
    except MemoryError:
        raise
    except Exception as error:  # whatever a library raises is this document's fault, and is said so
        return {"crashed": f"{type(error).__name__}: {error}"[:500]}
    return {}


def _size(found: Found) -> int:
    if isinstance(found, Document):
        return len(found.text)
    return len(found.data) if isinstance(found, Part) else 0


def _entry(error: RagctlError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": error.message,
        "where": error.where,
        "hint": error.hint,
    }


def resident_bytes(pid: int) -> int | None:
    """Memory that a process has now; None where that cannot be told."""
    if platform.system() == "Linux":
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return None
    if platform.system() == "Darwin":
        done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=False)
        return int(done.stdout) * 1024 if done.stdout.strip().isdigit() else None
    return None
