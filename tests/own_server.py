"""A PostgreSQL server of a user's own, as tests need one: over TCP, with settings, killed and restarted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ragctl.embedded import account, programs

PASSWORD = "owner's password"  # with a space and a quote, as users have them
OWNER = "owner"


class OwnServer:
    """On a port of its own of loopback; the binaries are the embedded server's. Close it when done.

    Its database `postgres` is its owner's, who is a superuser. It loses all when it is closed.
    """

    def __init__(self, **settings: str) -> None:
        self._account = account.for_new_data()
        self._programs = programs.for_account(self._account)
        shared = Path(os.environ["RAGCTL_EMBEDDED_DIR"])
        shared.mkdir(parents=True, exist_ok=True)  # no embedded server has made it, or the last is gone
        self.base = Path(tempfile.mkdtemp(prefix="own-", dir=shared))
        self._account.take(self.base)
        self.port = _free_port()
        self._initialise(settings)
        self.start()

    def _initialise(self, settings: dict[str, str]) -> None:
        password = self.base / "password"
        password.write_text(PASSWORD + "\n", encoding="utf-8")
        self._account.take(password)
        self._run(
            *("initdb", "--pgdata", "data", "--username", OWNER, "--auth", "scram-sha-256"),
            *("--pwfile", "password", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "30",
            "shared_buffers": "32MB",
            **settings,
        }
        self.set(**given)

    def set(self, **settings: str) -> None:
        """Settings for the next start; of several for one name the last counts."""
        with (self.base / "data" / "postgresql.conf").open("a", encoding="utf-8") as stream:
            stream.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Also after a kill: the last of its processes may still hold the shared memory for a moment."""
        until = time.monotonic() + 20
        while self._code("pg_ctl", "start", "--wait", "--silent", "-D", "data", "--log", "log") != 0:
            assert time.monotonic() < until, (self.base / "log").read_text(encoding="utf-8")
            time.sleep(0.1)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", "fast", "-D", "data")

    def kill(self) -> None:
        """As a power cut would: no process of it gets to do anything any more."""
        pid = int((self.base / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        for one in (pid, *map(int, children)):
            os.kill(one, signal.SIGKILL)
        while any(_runs(one) for one in (pid, *map(int, children))):
            time.sleep(0.01)

    def dsn(self, user: str = OWNER, password: str = PASSWORD, **parameters: Any) -> str:
        given = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres", **parameters}
        return make_conninfo("", user=user, password=password, **given)

    def connect(self, **parameters: Any) -> psycopg.Connection[Any]:
        """As its owner, in autocommit mode."""
        return psycopg.connect(self.dsn(**parameters), autocommit=True)

    def close(self) -> None:
        self._code("pg_ctl", "stop", "--wait", "--silent", "--mode", "immediate", "-D", "data")
        shutil.rmtree(self.base)

    def _run(self, name: str, *arguments: str) -> None:
        code = self._code(name, *arguments)
        assert code == 0, (self.base / "output").read_text(encoding="utf-8")

    def _code(self, name: str, *arguments: str) -> int:
        with (self.base / "output").open("ab") as output:
            return self._programs.run(name, *arguments, cwd=self.base, output=output).returncode


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)
