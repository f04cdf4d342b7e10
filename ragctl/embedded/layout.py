"""Where an embedded server's files lie.

    home/                     `.ragctl` beside the spec
      .gitignore              `*`
      embedded.lock           the life-cycle lock
      embedded-place.json     only where the server's directory had to go elsewhere
      postgres/               the server's directory
        data/                 PostgreSQL's own, the only part that belongs to `nobody` under root
        socket/               the Unix socket, where the path is short enough
        server.conf  server.json  server.log  password
        alive.lock  keeper.lock  keeper.log  used

Where root cannot lend `home` to the user who runs the server (it is in a folder of root's own), the
server's directory lies in a shared one that root owns, and `embedded-place.json` names it.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from ragctl.embedded import files
from ragctl.embedded.account import Account
from ragctl.errors import Mismatch, Unavailable

SHARED_VARIABLE = "RAGCTL_EMBEDDED_DIR"
_SHARED_DIRECTORIES = (Path("/var/lib/ragctl"), Path("/var/tmp/ragctl"))


@dataclass(frozen=True)
class ServerDirectory:
    """The paths inside one server's directory."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def sockets(self) -> Path:
        return self.root / "socket"

    @property
    def settings(self) -> Path:
        return self.root / "server.conf"

    @property
    def record(self) -> Path:
        return self.root / "server.json"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def password(self) -> Path:
        return self.root / "password"

    @property
    def alive_lock(self) -> Path:
        return self.root / "alive.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.root / "keeper.lock"

    @property
    def keeper_log(self) -> Path:
        return self.root / "keeper.log"

    @property
    def used(self) -> Path:
        """Touched by every connect, so that the keeper sees connections that came and went."""
        return self.root / "used"

    @property
    def postmaster_pid(self) -> Path:
        return self.data / "postmaster.pid"

    def initialised(self) -> bool:
        """Whether there is a finished data directory.

        Raises:
            Mismatch: there is one, and it is damaged.
        """
        if (self.data / "PG_VERSION").is_file():
            return True
        if self.data.is_dir():  # it gets its name when it is finished
            raise Mismatch(
                "the embedded server's data directory is damaged: PG_VERSION is missing",
                where=str(self.data),
                hint="restore it from a backup, or remove it and ingest again",
            )
        return False


def life_cycle_lock(home: Path) -> Path:
    return home / "embedded.lock"


def _record(home: Path) -> Path:
    return home / "embedded-place.json"


def find(home: Path) -> ServerDirectory | None:
    """The server's directory, if it was ever made.

    Raises:
        Mismatch: this home is a copy whose data lie elsewhere and belong to the original, or
            its data were left behind on another machine.
    """
    inside = ServerDirectory(home / "postgres")
    try:
        text = _record(home).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return inside if inside.root.is_dir() else None
    directory, owner = _parse(text, _record(home))
    if not directory.is_dir():
        raise Mismatch(
            f"the embedded server's data are not at {directory}, where they were put",
            where=str(_record(home)),
            hint="bring that directory here too, or delete this file to begin with an empty index",
        )
    if owner != home:
        if _is_record_of(owner, directory):
            raise Mismatch(
                f"this is a copy of {owner}, whose data lie at {directory} and were not copied",
                where=str(_record(home)),
                hint="delete this file to begin with an empty index here",
            )
        _remember(home, directory)  # the project was moved
    return ServerDirectory(directory)


def prepare_home(home: Path, account: Account) -> None:
    """Makes `home` with its `.gitignore`, if they are missing.

    Raises:
        OSError: they cannot be made.
    """
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        if account.keeps_files:
            account.take(home)
    if not (home / ".gitignore").exists():
        files.write(home / ".gitignore", "*\n", 0o644)


def create(home: Path, account: Account) -> ServerDirectory:
    """Makes the server's directory where `account` can reach it. Under the life-cycle lock.

    Raises:
        Unavailable: root has no place that it may lend.
        OSError: it cannot be made.
    """
    root = home / "postgres"
    outside = not account.can_reach(home)
    if outside:
        servers = shared_directory(account) / "servers"
        _make_shared(servers)
        # A fresh name: data that an earlier home at this path left there are not taken over.
        root = servers / secrets.token_hex(12)
    if not root.is_dir():
        files.fresh_directory(root, 0o700 if account.keeps_files else 0o711)
        if account.keeps_files:
            account.take(root)
    if outside:
        files.write(root / "home", f"{home}\n")
        _remember(home, root)
    return ServerDirectory(root)


def shared_directory(account: Account) -> Path:
    """A directory of root's for what `account` must reach: data and copies of the programs.

    `RAGCTL_EMBEDDED_DIR` names it, else it is `/var/lib/ragctl` or `/var/tmp/ragctl`, whichever
    can be made.

    Raises:
        Unavailable: there is none that is root's alone to write and that `account` can reach.
    """
    named = os.environ.get(SHARED_VARIABLE)
    candidates = (Path(named),) if named else _SHARED_DIRECTORIES
    refusals: list[str] = []
    for candidate in candidates:
        try:
            _make_shared(candidate)
        except OSError as error:
            refusals.append(f"{candidate}: {error.strerror or error}")
            continue
        if account.can_reach(candidate):
            return candidate
        refusals.append(f"{candidate}: {account.name} cannot reach it")
    raise Unavailable(
        f"as root, the embedded server needs a directory that {account.name} can reach: "
        + "; ".join(refusals),
        hint=f"name one with {SHARED_VARIABLE}, or run ragctl as an ordinary user",
    )


def _make_shared(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        files.fresh_directory(path, 0o711)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise PermissionError(1, "not a directory that only root may write to", str(path)) from None


def _parse(text: str, where: Path) -> tuple[Path, Path]:
    try:
        record = json.loads(text)
        return Path(record["directory"]), Path(record["home"])
    except (ValueError, KeyError, TypeError):
        raise Mismatch(
            "the note of where the embedded server's data lie cannot be read",
            where=str(where),
            hint="restore it from a backup, or delete it to begin with an empty index",
        ) from None


def _is_record_of(home: Path, directory: Path) -> bool:
    try:
        return _parse(_record(home).read_text(encoding="utf-8"), _record(home))[0] == directory
    except (OSError, Mismatch):
        return False


def _remember(home: Path, directory: Path) -> None:
    record = {"directory": str(directory), "home": str(home)}
    files.write(_record(home), json.dumps(record, ensure_ascii=False) + "\n")
