"""The embedded server as others see it: connect, status, stop."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.embedded import (
    account,
    cluster,
    endpoint,
    faults,
    files,
    keeper,
    layout,
    locks,
    postmaster,
    programs,
)
from ragctl.errors import MissingPackage, Unavailable

if TYPE_CHECKING:
    import psycopg

    from ragctl.embedded.layout import ServerDirectory

DEFAULT_IDLE_STOP_S = 300.0
_STATUS = (
    "SELECT split_part(current_setting('server_version'), ' ', 1), pg_postmaster_start_time(),"
    " (SELECT extversion FROM pg_extension WHERE extname = 'vector'),"
    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    "  AND pid <> pg_backend_pid() AND application_name <> %s)"
)


@dataclass(frozen=True)
class ServerStatus:
    """What is known of a server without starting it.

    Attributes:
        running: it answered just now, from this very data directory.
        initialised: it has a data directory.
        data: where that is; None if there is none.
        log: the server's log; None if there is none.
        version: PostgreSQL's, such as `18.6`; pgvector's in `vector_version`. None unless it runs.
        sockets: the directory of its Unix socket; None for loopback TCP.
        port: on loopback for TCP, else a part of the socket's name.
        started_at: with time zone.
        connections: clients connected, this look and the keeper not counted.
    """

    running: bool
    initialised: bool
    data: Path | None = None
    log: Path | None = None
    version: str | None = None
    vector_version: str | None = None
    sockets: Path | None = None
    port: int | None = None
    started_at: datetime | None = None
    connections: int | None = None


class EmbeddedServer:
    """A private PostgreSQL server with pgvector for one `.ragctl` directory.

    Any number of objects, threads and processes may use the same directory at once: there is
    one server. It is started by the first `connect` and stopped by `stop`, or by its keeper when
    no client has been connected for `idle_stop_s`.
    """

    def __init__(self, home: Path, *, idle_stop_s: float = DEFAULT_IDLE_STOP_S) -> None:
        """
        Args:
            home: the `.ragctl` directory beside the spec; made when needed.
            idle_stop_s: seconds, above 0; infinity keeps the server until `stop`. Where several
                processes differ, the one that started the keeper decides.

        Raises:
            ValueError: `idle_stop_s` is not above 0.
        """
        if not idle_stop_s > 0:
            raise ValueError(f"idle_stop_s must be above 0, not {idle_stop_s}")
        self.home = Path(os.path.realpath(home))
        self.idle_stop_s = idle_stop_s

    def exists(self) -> bool:
        """Whether there is an initialised data directory; nothing is started or made.

        Raises:
            Mismatch: `home` is a copy, or its data lie elsewhere and are missing.
            Unavailable: it cannot be looked at.
        """
        with self._file_faults("look at"):
            directory = layout.find(self.home)
            return directory is not None and directory.initialised()

    def connect(self, **arguments: Any) -> psycopg.Connection[Any]:
        """A connection to database `ragctl` with the extension `vector`; starts the server if needed.

        Args:
            arguments: for `psycopg.connect`, but for where and as whom to connect; `connection_class` is
                the class of the connection.

        Raises:
            Unavailable: it cannot be started or does not answer; MissingPackage without the wheel.
            Mismatch: another major version made the data, or `home` was copied without its data.
            UsageError: the path of `home` is too long for PostgreSQL.
        """
        with self._file_faults("start"):
            if not self.home.is_dir():
                layout.prepare_home(self.home, account.for_new_data())
            with locks.life_cycle(layout.life_cycle_lock(self.home)):
                directory = layout.find(self.home)
                connection = self._connect_running(directory, arguments)
                if directory is None or connection is None:
                    directory = self._start(directory)
                    try:
                        connection = endpoint.connect(directory, endpoint.DATABASE, arguments)
                    except endpoint.NoAnswer as error:
                        raise self._no_answer(error) from error
                try:
                    self._keep(directory)
                except BaseException:
                    connection.close()
                    raise
                return connection

    def status(self) -> ServerStatus:
        """What is known of the server; it is not started, and not waited for.

        Raises:
            Mismatch, Unavailable: as `exists`.
        """
        with self._file_faults("look at"):
            directory = layout.find(self.home)
            if directory is None or not directory.initialised():
                return ServerStatus(running=False, initialised=False)
            return _ask(directory) or ServerStatus(
                running=False, initialised=True, data=directory.data, log=directory.log
            )

    def stop(self) -> bool:
        """Stops the server and its keeper; clients that are connected are cut off.

        Returns:
            Whether it ran.

        Raises:
            Unavailable: it runs but does not stop, or its process cannot be identified.
            Mismatch: as `exists`.
        """
        with self._file_faults("stop"):
            directory = layout.find(self.home)
            if directory is None or not directory.initialised():
                return False
            with locks.life_cycle(layout.life_cycle_lock(self.home)):
                ran = postmaster.stop_if_running(directory)
            keeper.wait_for_end(self.home, directory)
            return ran

    def _connect_running(
        self, directory: ServerDirectory | None, arguments: dict[str, Any]
    ) -> psycopg.Connection[Any] | None:
        if directory is None:
            return None
        try:
            return endpoint.connect(directory, endpoint.DATABASE, arguments)
        except endpoint.NoAnswer:
            return None  # `_start` finds out why, and waits or starts

    def _start(self, directory: ServerDirectory | None) -> ServerDirectory:
        if directory is None:
            user = account.for_new_data()
            layout.prepare_home(self.home, user)
            directory = layout.create(self.home, user)
        elif directory.data.exists():
            user = account.of_existing(directory.data)
        else:
            user = account.for_new_data_in(directory.root)
        tools = programs.for_account(user)
        if not directory.data.exists():
            cluster.initialise(directory, tools)
        cluster.check_version(directory, tools)
        postmaster.bring_up(directory, tools)
        try:
            _prepare_database(directory)
        except endpoint.NoAnswer as error:
            raise self._no_answer(error) from error
        return directory

    def _keep(self, directory: ServerDirectory) -> None:
        files.make(directory.used)
        os.utime(directory.used)
        if math.isfinite(self.idle_stop_s):
            keeper.ensure(self.home, directory, self.idle_stop_s)

    def _no_answer(self, error: endpoint.NoAnswer) -> Unavailable:
        return Unavailable(
            f"the embedded server does not answer: {error}",
            where=str(self.home),
            hint="try again; if it stays so, `ragctl doctor SPEC --stop` and try once more",
        )

    @contextlib.contextmanager
    def _file_faults(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise faults.unavailable(error, f"cannot {verb} the embedded server", self.home) from error


def _prepare_database(directory: ServerDirectory) -> None:
    """Makes the database and its extension if they are missing, as after a kill between two steps.

    The extension is brought up to the version of the programs.

    Raises:
        MissingPackage: the programs come without pgvector.
        Unavailable: they cannot be made, for want of space for example.
        endpoint.NoAnswer: the server went away.
    """
    import psycopg

    try:
        with _session(directory, endpoint.MAINTENANCE_DATABASE) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (endpoint.DATABASE,))
            if known.fetchone() is None:
                connection.execute(f'CREATE DATABASE "{endpoint.DATABASE}"')
        with _session(directory, endpoint.DATABASE) as connection:
            _prepare_extension(connection, directory)
    except psycopg.Error as error:
        raise Unavailable(
            f"the embedded server's database cannot be set up: {' '.join(str(error).split())}",
            where=str(directory.root),
            hint=faults.hint_from_log(str(error), directory.log),
        ) from error


def _prepare_extension(connection: psycopg.Connection[Any], directory: ServerDirectory) -> None:
    row = connection.execute(
        "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise MissingPackage(
            "the embedded server comes without the extension pgvector",
            where=str(directory.root),
            hint=f"{programs.INSTALL_LINE} --force-reinstall",
        )
    installed, newest = row
    if installed is None:
        connection.execute("CREATE EXTENSION vector")
    elif installed != newest:
        connection.execute("ALTER EXTENSION vector UPDATE")


def _session(directory: ServerDirectory, database: str) -> contextlib.closing[psycopg.Connection[Any]]:
    return contextlib.closing(endpoint.connect(directory, database, {"autocommit": True}))


def _ask(directory: ServerDirectory) -> ServerStatus | None:
    import psycopg

    place = endpoint.recall(directory)
    try:
        with _session(directory, endpoint.DATABASE) as connection:
            row = connection.execute(_STATUS, (keeper.APPLICATION_NAME,)).fetchone()
    except (endpoint.NoAnswer, psycopg.OperationalError):
        return None
    if row is None or place is None:
        return None
    version, started_at, vector_version, connections = row
    return ServerStatus(
        running=True,
        initialised=True,
        data=directory.data,
        log=directory.log,
        version=version,
        vector_version=vector_version,
        sockets=place.sockets,
        port=place.port,
        started_at=started_at,
        connections=connections,
    )
