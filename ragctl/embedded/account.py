"""Which user runs the server. PostgreSQL refuses to run as root, so root must lend it to another."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl.errors import Unavailable

_OWN_SERVER = "or name a server of your own with `dsn_env` under `store`"


@dataclass(frozen=True)
class Account:
    """The user who runs the server's programs.

    Attributes:
        uid, gid: None where the caller's own identity is used as it is.
        name: for messages.
        keeps_files: the files around the data belong to this user too, since a person stands
            behind it. False for `nobody`, which gets the data directory and nothing else.
    """

    uid: int | None
    gid: int | None
    name: str
    keeps_files: bool

    def popen(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make a child run as this user."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, path: Path) -> None:
        """Makes this user the owner of `path`; a link is not followed.

        Raises:
            OSError: the owner cannot be changed.
        """
        if sys.platform != "win32" and self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_reach(self, path: Path) -> bool:
        """Whether this user may read `path` (and enter it, if a directory) and all that is above it.

        Judged by permission bits; access lists are not looked at.
        """
        if self.uid is None:
            return os.access(path, os.R_OK)
        real = Path(os.path.realpath(path))
        try:
            if not _allows(real.stat(), self.uid, self.gid, read=not real.is_dir(), enter=real.is_dir()):
                return False
            return all(_allows(p.stat(), self.uid, self.gid, read=False, enter=True) for p in real.parents)
        except OSError:
            return False


def _allows(status: os.stat_result, uid: int, gid: int | None, *, read: bool, enter: bool) -> bool:
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    wanted = (4 if read else 0) | (1 if enter else 0)
    return (stat.S_IMODE(status.st_mode) >> shift) & wanted == wanted


def is_root() -> bool:
    """Whether the caller is root, so that another user must run the server."""
    return sys.platform != "win32" and os.geteuid() == 0


def of_existing(data: Path) -> Account:
    """The user who owns the data directory: the only one who can run a server on it.

    Raises:
        Unavailable: it belongs to someone else and the caller is not root.
    """
    if sys.platform == "win32":
        return _caller()
    status = data.stat()
    if not is_root():
        if status.st_uid != os.geteuid():
            raise Unavailable(
                f"the embedded server's data belong to {_name(status.st_uid)}, not to you",
                where=str(data),
                hint=f"run ragctl as {_name(status.st_uid)} or as root",
            )
        return _caller()
    if status.st_uid == 0:
        raise Unavailable(
            "the embedded server's data belong to root, and PostgreSQL refuses to run as root",
            where=str(data),
            hint="give the directory back to the user it belonged to (`chown -R USER`), then try again",
        )
    human = status.st_uid != _nobody_uid()
    return Account(status.st_uid, status.st_gid, _name(status.st_uid), keeps_files=human)


def for_new_data_in(directory: Path) -> Account:
    """The user for data that are to be made in a directory which was made before for that purpose.

    Raises:
        Unavailable: as `of_existing` and `for_new_data`.
    """
    if is_root() and directory.stat().st_uid == 0:
        return for_new_data()
    return of_existing(directory)


def for_new_data(environment: Mapping[str, str] = os.environ) -> Account:
    """The user who will run a server that does not exist yet.

    An ordinary caller runs it. For root it is the user who called `sudo`, else `nobody`.

    Raises:
        Unavailable: there is no such user, or the caller has no name (which initdb needs).
    """
    if sys.platform == "win32":
        return _caller()
    import pwd

    if not is_root():
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise Unavailable(
                f"the user number {os.geteuid()} has no name here, and PostgreSQL's initdb needs one",
                where="/etc/passwd",
                hint=f"add a line for it to /etc/passwd (in a container: in its image), {_OWN_SERVER}",
            ) from None
        return _caller()
    caller = environment.get("SUDO_UID", "")
    if caller.isdecimal() and int(caller) != 0:
        try:
            entry = pwd.getpwuid(int(caller))
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, keeps_files=True)
        except KeyError:
            pass  # sudo from another system's user, in a container: as if root had no caller
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise Unavailable(
            "PostgreSQL refuses to run as root, and there is no user `nobody` to run it",
            where="/etc/passwd",
            hint=f"run ragctl as an ordinary user, {_OWN_SERVER}",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, keeps_files=False)


def _caller() -> Account:
    return Account(None, None, "the caller", keeps_files=True)


def _nobody_uid() -> int:
    import pwd

    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return -1


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user number {uid}"
