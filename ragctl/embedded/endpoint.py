"""Where a running server listens, the note of it, and the connection that proves whose server it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.embedded import files
from ragctl.embedded.account import Account
from ragctl.embedded.layout import ServerDirectory
from ragctl.errors import Mismatch

if TYPE_CHECKING:
    import psycopg

USER = "ragctl"
DATABASE = "ragctl"
MAINTENANCE_DATABASE = "postgres"
TCP_VARIABLE = "RAGCTL_EMBEDDED_TCP"

_SOCKET_PORT = 5432  # only a part of the socket's name
_LOOPBACK = "127.0.0.1"
# sun_path holds 104 bytes on macOS and the BSDs, 108 on Linux, the closing zero included.
_MAX_SOCKET_PATH = 103
# A directory named otherwise would need quoting in the server's settings or in libpq's `host`.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._+ -]*")
_TEMPORARY_PREFIX = "ragctl-"


class NoAnswer(Exception):
    """Nothing that can be shown to be our server answered; the text says what happened instead."""


class MovedServer(NoAnswer):
    """A server answered at our place, but for another directory: this one was moved or copied."""


@dataclass(frozen=True)
class Endpoint:
    """A directory with a Unix socket, or None for loopback TCP; the port is part of both."""

    sockets: Path | None
    port: int

    def socket_path(self) -> Path | None:
        return None if self.sockets is None else self.sockets / f".s.PGSQL.{self.port}"

    def unlink(self) -> None:
        """Removes what a server that is gone left behind of its socket. Only to be called when it is gone."""
        path = self.socket_path()
        if path is None or self.sockets is None:
            return
        if self.sockets.name.startswith(_TEMPORARY_PREFIX):
            shutil.rmtree(self.sockets, ignore_errors=True)  # a missing or foreign one is not ours to mind
            return
        for leftover in (path, path.with_name(f"{path.name}.lock")):
            leftover.unlink(missing_ok=True)


def uses_tcp() -> bool:
    """Whether a server to be started listens on loopback TCP instead of a Unix socket.

    True where Python has no Unix sockets (Windows) and where `RAGCTL_EMBEDDED_TCP` is `1`.
    """
    return not hasattr(socket, "AF_UNIX") or os.environ.get(TCP_VARIABLE) == "1"


def choose(directory: ServerDirectory, account: Account) -> Endpoint:
    """An endpoint for a server about to be started; a socket directory is made, open to `account` alone.

    Raises:
        OSError: no socket directory can be made, or no port be had.
    """
    if uses_tcp():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((_LOOPBACK, 0))
            return Endpoint(None, int(probe.getsockname()[1]))
    inside = Endpoint(directory.sockets, _SOCKET_PORT)
    if _fits(inside):
        if not directory.sockets.is_dir():
            files.fresh_directory(directory.sockets, 0o700)
        account.take(directory.sockets)
        if _holds_sockets(directory.sockets):
            return inside
    # A fresh name of mkdtemp's cannot have been laid out by someone else. Not XDG_RUNTIME_DIR:
    # it goes when the user logs out, the server need not.
    temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, dir=_short_temporary_directory()))
    account.take(temporary)
    return Endpoint(temporary, _SOCKET_PORT)


def remember(directory: ServerDirectory, endpoint: Endpoint) -> None:
    """Notes where the server of this directory listens.

    Raises:
        OSError: the note cannot be written.
    """
    inside = endpoint.sockets == directory.sockets
    record = {
        "sockets": None if inside or endpoint.sockets is None else str(endpoint.sockets),
        "tcp": endpoint.sockets is None,
        "port": endpoint.port,
        "directory": str(directory.root),
    }
    files.write(directory.record, json.dumps(record, ensure_ascii=False) + "\n")


def recall(directory: ServerDirectory) -> Endpoint | None:
    """Where the server of this directory listens, if it runs; None if none was ever noted."""
    record = _load(directory)
    if record is None:
        return None
    if record["tcp"]:
        return Endpoint(None, int(record["port"]))
    sockets = record["sockets"]
    return Endpoint(directory.sockets if sockets is None else Path(sockets), int(record["port"]))


def forget(directory: ServerDirectory) -> None:
    """Removes the note and what is left of the socket. Only to be called when the server is gone.

    Raises:
        OSError: they cannot be removed.
    """
    record = _load(directory)
    endpoint = recall(directory)
    # A copied directory's note names the socket of the original, which may be in use.
    if record is not None and endpoint is not None and record.get("directory") == str(directory.root):
        endpoint.unlink()
    directory.record.unlink(missing_ok=True)


def connect(
    directory: ServerDirectory, database: str, arguments: dict[str, Any] | None = None
) -> psycopg.Connection[Any]:
    """A connection to the server of this very directory.

    Raises:
        NoAnswer: none answers.
        MovedServer: the one that answers runs on another path than `directory.data`.
        psycopg.ProgrammingError: `arguments` are wrong.
    """
    import psycopg

    endpoint = recall(directory)
    if endpoint is None:
        raise NoAnswer("it was not started")
    try:
        given = dict(arguments or {})
        kind: type[psycopg.Connection[Any]] = given.pop("connection_class", psycopg.Connection)
        connection = kind.connect(**_conninfo(directory, endpoint, database, given))
    except psycopg.OperationalError as error:
        raise NoAnswer(" ".join(str(error).split())) from error
    try:
        _prove(connection, directory)
    except BaseException:
        connection.close()
        raise
    return connection


def _prove(connection: psycopg.Connection[Any], directory: ServerDirectory) -> None:
    # By libpq itself: it opens no transaction and knows nothing of the caller's row factory.
    result = connection.pgconn.exec_(b"SHOW data_directory")
    value = result.get_value(0, 0) if result.ntuples else None
    if value is None:
        raise NoAnswer("it answered and then went away")
    try:
        if Path(os.fsdecode(value)).samefile(directory.data):
            return
    except OSError:
        pass  # the path that the server knows is gone or is not ours to look at: not this directory
    raise MovedServer(f"the server there runs on {os.fsdecode(value)}")


def _conninfo(
    directory: ServerDirectory, endpoint: Endpoint, database: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """All that a `PG…` variable of the caller's could otherwise turn elsewhere is named here."""
    given: dict[str, Any] = {
        "application_name": "ragctl",
        "client_encoding": "UTF8",
        "connect_timeout": 10,
        "options": "",
        **arguments,
        "user": USER,
        "dbname": database,
        "port": endpoint.port,
        "sslmode": "disable",
        "gssencmode": "disable",
        "channel_binding": "disable",
        "target_session_attrs": "any",
    }
    if endpoint.sockets is not None:
        return {**given, "host": str(endpoint.sockets), "hostaddr": "", "require_auth": ""}
    try:
        password = directory.password.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise Mismatch(
            "the embedded server's password file is missing",
            where=str(directory.password),
            hint="restore it from a backup, or remove `.ragctl` and ingest again",
        ) from None
    # require_auth: whatever else may listen on that port is never shown the password.
    return {
        **given,
        "host": _LOOPBACK,
        "hostaddr": _LOOPBACK,
        "password": password,
        "require_auth": "scram-sha-256",
    }


def _load(directory: ServerDirectory) -> dict[str, Any] | None:
    try:
        record = json.loads(directory.record.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None  # a damaged note is as good as none: it is written anew at the next start
    if not isinstance(record, dict) or not {"tcp", "sockets", "port"} <= record.keys():
        return None
    return record


def _fits(endpoint: Endpoint) -> bool:
    path = str(endpoint.socket_path())
    return len(os.fsencode(path)) <= _MAX_SOCKET_PATH and _PLAIN_PATH.fullmatch(path) is not None


def _holds_sockets(directory: Path) -> bool:
    """Whether the file system has sockets: folders shared with another system often have none."""
    path = directory / "try"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            path.unlink(missing_ok=True)
            probe.bind(str(path))
        path.unlink()
    except OSError:
        return False
    return True


def _short_temporary_directory() -> str:
    if sys.platform != "win32" and Path("/tmp").is_dir() and os.access("/tmp", os.W_OK | os.X_OK):
        return "/tmp"  # TMPDIR may be long (macOS) or private to this process
    return tempfile.gettempdir()
