"""What the operating system and the server said, put into errors for people."""

from __future__ import annotations

import errno
from pathlib import Path

from ragctl.errors import Unavailable

_LOG_LINES = 6
_LOG_BYTES = 16_384
_PERMISSION = (
    "see who owns the directory: the embedded server's files belong to the user who made them; "
    "run ragctl as that user, or put the spec where you may write"
)
_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, then run the command again; nothing committed is lost",
    errno.EDQUOT: "your disk quota is used up: free some space, then run the command again",
    errno.EROFS: (
        "the file system is read-only: put the spec where you may write, or name a server of your own "
        "with `dsn_env` under `store`"
    ),
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.ENOTDIR: "something that is no directory stands in the way: move it",
    errno.EEXIST: "something that is no directory stands in the way: move it",
    errno.ENOLCK: "the file system has no file locks: put the spec on a local disk",
    errno.ENOSYS: "the file system has no file locks: put the spec on a local disk",
}


def unavailable(error: OSError, what: str, where: Path) -> Unavailable:
    """The error for a file operation that failed, with the way out where one is known."""
    reason = error.strerror or str(error)
    place = error.filename if isinstance(error.filename, str) else str(where)
    return Unavailable(f"{what}: {reason}", where=place, hint=_HINTS.get(error.errno or 0))


def last_lines(text: str) -> str:
    """The last lines of a tool's output or of a log, joined for use in a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LOG_LINES:])


def tail(log: Path, since: int = 0) -> str:
    """The last lines that the server wrote to its log after byte `since`; empty if there are none."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(min(since, size), size - _LOG_BYTES))
            return last_lines(stream.read().decode("utf-8", "replace"))
    except FileNotFoundError:
        return ""


def hint_from_log(lines: str, log: Path) -> str:
    """What to do about a start or an initialisation that failed, from what was written about it."""
    if "No space left on device" in lines:
        return _HINTS[errno.ENOSPC]
    if "Read-only file system" in lines:
        return _HINTS[errno.EROFS]
    if "invalid permissions" in lines or "wrong ownership" in lines:
        return (
            "the file system does not keep Unix permissions (a mounted Windows or shared folder?): "
            "put the spec on a local disk"
        )
    return f"the whole log is {log}"
