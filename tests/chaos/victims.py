"""Whom a round kills: ragctl, the embedded server, or one of the server's sessions.

They are found without a connection, which would take longer than most of what is to be interrupted.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ragctl.embedded import layout
from ragctl.errors import RagctlError

RAGCTL, SERVER, SESSION = "ragctl", "server", "session"


def choose(chance: random.Random) -> str:
    return chance.choices((RAGCTL, SERVER, SESSION), weights=(2, 1, 1))[0]


def find(victim: str, base: Path, chance: random.Random) -> int | None:
    """The process number of a part of the server of `base`; None for ragctl, and where there is none."""
    server = None if victim == RAGCTL else postmaster(base)
    return _session(server, chance) if victim == SESSION and server else server


def postmaster(base: Path) -> int | None:
    """The process number of the embedded server of `base`, if its file names a server that lives."""
    try:
        directory = layout.find(base / ".ragctl")
        if directory is None:
            return None
        pid = int(directory.postmaster_pid.read_text(encoding="utf-8").splitlines()[0])
    except (RagctlError, OSError, ValueError, IndexError):
        return None  # it has not been made, is being started, or was stopped
    return pid if "postgres" in _command(pid) else None


def _session(server: int, chance: random.Random) -> int | None:
    """A process of the server that serves a client."""
    sessions = [pid for pid in _children(server) if " ragctl ragctl " in _command(pid)]
    return chance.choice(sessions) if sessions else None


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(child) for child in listed.read_text(encoding="utf-8").split()]
    except OSError:  # no /proc (macOS), or the kernel does not tell
        return [int(row[0]) for row in _listed("pid=,ppid=") if len(row) == 2 and row[1] == str(pid)]


def _command(pid: int) -> str:
    """The command line, which PostgreSQL's sessions use to say what they do; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        rows = (row for row in _listed("pid=,args=") if row[0] == str(pid))
        return next((row[1] for row in rows if len(row) == 2), "")


def _listed(columns: str) -> Iterator[list[str]]:
    """POSIX's list of processes, in two columns."""
    listed = subprocess.run(["ps", "-A", "-o", columns], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return (line.split(None, 1) for line in listed.stdout.splitlines() if line.strip())
