"""Files and directories that root may have to make among another user's files, without being led astray.

What is made in a directory gets that directory's owner. No link is followed and nothing is
written in place: a reader sees the old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from ragctl.embedded.account import is_root

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Puts `text` there as UTF-8, whole and durable, with these permission bits.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            _settle(stream.fileno(), path.parent, mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)  # noqa: PTH105 - Path.replace would hide that it is atomic
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def open_descriptor(path: Path, flags: int, mode: int = 0o600) -> int:
    """An open descriptor; the file is made if it is missing. The caller closes it.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    try:
        return os.open(path, flags | _NOFOLLOW)
    except FileNotFoundError:
        descriptor = os.open(path, flags | _NOFOLLOW | os.O_CREAT, mode)
        _settle(descriptor, path.parent, mode)
        return descriptor


def make(path: Path) -> None:
    """Makes an empty file if there is none.

    Raises:
        OSError: it cannot be made.
    """
    if not path.exists():
        os.close(open_descriptor(path, os.O_RDWR))


def fresh_directory(path: Path, mode: int) -> None:
    """Makes a directory with exactly these permission bits, whatever the umask.

    Raises:
        FileExistsError: there is one.
    """
    path.mkdir(mode=mode)
    path.chmod(mode)


def remove_tree(path: Path) -> None:
    """Removes a directory and all in it; what another process removes meanwhile is no error."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def _settle(descriptor: int, directory: Path, mode: int) -> None:
    if sys.platform != "win32":
        if is_root():
            owner = directory.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.fchmod(descriptor, mode)
