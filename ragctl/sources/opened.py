"""Opening a file that must lie inside a root, whatever was done to its path since it was listed."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from ragctl.errors import UnreadableDocument


class _NamedErrors(io.FileIO):
    """A raw file whose read errors say which document they befell."""

    def __init__(self, descriptor: int, where: str) -> None:
        super().__init__(descriptor, "rb", closefd=True)
        self._where = where

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _unreadable(error, self._where) from error

    def readall(self) -> bytes:
        try:
            return super().readall() or b""
        except OSError as error:
            raise _unreadable(error, self._where) from error


def open_inside(root: Path, path: str, *, where: str, anywhere: bool = False) -> BinaryIO:
    """Opens the regular file `path` (relative, POSIX) under `root` for reading, buffered.

    The file that was opened is compared with the one found at the resolved path, so that a link
    swapped in after the listing cannot lead out of the root.

    Args:
        anywhere: it may lie outside the root, as links of the root are followed.

    Raises:
        UnreadableDocument: it cannot be opened, is no regular file, or lies outside the root.
    """
    # a pipe put in the file's place must not block the run
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(root / path, flags | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        raise _unreadable(error, where) from error
    try:
        _check(descriptor, root, path, where, anywhere)
        return io.BufferedReader(_NamedErrors(descriptor, where))
    except BaseException:
        os.close(descriptor)
        raise


def _check(descriptor: int, root: Path, path: str, where: str, anywhere: bool) -> None:
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise UnreadableDocument("it is no regular file any more", where=where)
        if anywhere:
            return
        real_root = root.resolve(strict=True)
        real = (root / path).resolve(strict=True)
        if not real.is_relative_to(real_root) or not os.path.samestat(opened, real.stat()):
            raise UnreadableDocument(f"its path leads out of {root}; it is not read", where=where)
    except (OSError, RuntimeError) as error:
        raise _unreadable(error, where) from error


def _unreadable(error: Exception, where: str) -> UnreadableDocument:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = "Check its permissions." if isinstance(error, PermissionError) else None
    return UnreadableDocument(f"cannot be read: {reason}", where=where, hint=hint)
