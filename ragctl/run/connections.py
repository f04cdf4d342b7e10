"""The connections to a spec's database, and what must hold before anything is read or written there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import NothingPublished, StateLost, UsageError
from ragctl.run.database_errors import database_errors
from ragctl.state.generations import known_numbers
from ragctl.state.lost_tables import missing_tables, restore_tables
from ragctl.state.migrations import SCHEMA, migrate, schema_version

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.embedded.server import EmbeddedServer
    from ragctl.spec.load import LoadedSpec
    from ragctl.stores.pgvector_catalog import PgVectorCatalog

WORK_DIRECTORY = ".ragctl"


class Connections:
    """Of one spec. Close them when all is done.

    Args:
        environment: where the spec's names of environment variables are looked up.
    """

    def __init__(self, loaded: LoadedSpec, environment: Mapping[str, str]) -> None:
        self.loaded = loaded
        self.spec = loaded.spec
        self.environment = environment
        self._connection: Connection[Any] | None = None
        self._beside: Connection[Any] | None = None
        self._beside_lock = Lock()

    def close(self) -> None:
        for connection in (self._connection, self._beside):
            if connection is not None:
                connection.close()

    @property
    def index(self) -> str:
        return self.spec.store.index

    @cached_property
    def server(self) -> EmbeddedServer | None:
        """The embedded server, where the spec names no database."""
        if self.spec.store.dsn_env is not None:
            return None
        from ragctl.embedded.server import EmbeddedServer

        return EmbeddedServer(self.loaded.base / WORK_DIRECTORY)

    def connect(self) -> Connection[Any]:
        """The database of store and state, its schema up to date; the embedded one is made if need be.

        Raises:
            Unavailable: it cannot be reached.
            Mismatch: a newer ragctl, or another PostgreSQL, made what is there.
        """
        if self._connection is None:
            self._connection = self._ready(self._open())
        return self._connection

    def connect_to_existing(self) -> Connection[Any]:
        """As `connect`, but makes nothing.

        Raises:
            NothingPublished: no ingest has run here yet.
        """
        if self._connection is None:
            if self.server is not None and not self.server.exists():
                raise self.nothing_published()
            self._connection = self._ready(self._open(), make=False)
        return self._connection

    def _ready(self, connection: Connection[Any], *, make: bool = True) -> Connection[Any]:
        try:
            with database_errors():
                self.refuse_lost_state(connection)
                if not make and schema_version(connection) == 0:
                    raise self.nothing_published()
                migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def look(self) -> Connection[Any] | None:
        """A connection of its own, through which nothing is made or brought up to date.

        None if there is no embedded server yet. Whoever asked for it closes it.

        Raises:
            Unavailable, Mismatch: see `connect`.
        """
        if self.server is not None and not self.server.exists():
            return None
        return self._open()

    def beside(self) -> Connection[Any]:
        """A second connection, in autocommit mode, for what must not wait for the run's own transactions.

        Threads share it; psycopg lets one statement through at a time.

        Raises:
            Unavailable, Mismatch: see `connect`.
        """
        with self._beside_lock:
            if self._beside is None or self._beside.closed:
                self._beside = self._open()
            return self._beside

    def connect_to_lost(self) -> tuple[Connection[Any], list[str]]:
        """As `connect_to_existing`, for whoever rebuilds the state; also what tables of it were made again.

        Raises:
            NothingPublished: there is nothing to rebuild it from.
        """
        connection = self.look()
        if connection is None:
            raise self.nothing_published()
        self._connection = connection
        if not missing_tables(connection) and not self.catalog(connection).found(self.index):
            raise self.nothing_published()
        made = restore_tables(connection)
        migrate(connection)
        return connection, made

    def refuse_lost_state(self, connection: Connection[Any]) -> None:
        """Sees that the state's tables are whole, and that it knows every generation of the index.

        Raises:
            StateLost: it is not, or it does not.
        """
        missing = missing_tables(connection)
        if missing:
            raise self._state_lost(f"the state has lost its tables {', '.join(missing)}")
        found = {one.number for one in self.catalog(connection).found(self.index)}
        known = known_numbers(connection, self.index) if found and schema_version(connection) else set()
        if not found <= known:
            numbers = ", ".join(map(str, sorted(found - known)))
            raise self._state_lost(
                f"the index {self.index!r} has tables of generation {numbers}, unknown to the state"
            )

    def _state_lost(self, message: str) -> StateLost:
        return StateLost(
            f"{message}; nothing was written",
            where="store",
            hint=f"{self.command('doctor', '--rebuild-state')} restores it from what lies beside the vectors",
        )

    def command(self, name: str, *options: str) -> str:
        """The command line that does `name` with this spec."""
        return " ".join(["ragctl", name, self.quoted_path, *options])

    @property
    def quoted_path(self) -> str:
        """The spec's path as a shell takes it."""
        return shlex.quote(str(self.loaded.path))

    def _open(self) -> Connection[Any]:
        with database_errors():
            if self.server is not None:
                connection: Connection[Any] = self.server.connect(autocommit=True)
                return connection
            import psycopg

            try:
                return psycopg.connect(self._dsn(), autocommit=True)
            except psycopg.ProgrammingError:
                # Its message quotes the connection string, password and all.
                raise UsageError(
                    f"the environment variable {self.spec.store.dsn_env} holds no valid connection string",
                    where=self.loaded.where("store.dsn_env"),
                    hint="it is of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
                ) from None

    def _dsn(self) -> str:
        name = self.spec.store.dsn_env
        assert name is not None  # otherwise there is an embedded server
        dsn = self.environment.get(name)
        if not dsn:
            raise UsageError(
                f"the environment variable {name} is not set",
                where=self.loaded.where("store.dsn_env"),
                hint=f"export {name}=postgresql://…  or remove store.dsn_env to use the embedded server",
            )
        return dsn

    def catalog(self, connection: Connection[Any]) -> PgVectorCatalog:
        """Which generations' tables lie in the store."""
        from ragctl.stores.pgvector_catalog import PgVectorCatalog

        return PgVectorCatalog(connection, SCHEMA)

    def nothing_published(self) -> NothingPublished:
        return NothingPublished(
            f"the index {self.index!r} has nothing to query yet",
            where=str(self.loaded.path),
            hint=f"ragctl ingest {shlex.quote(str(self.loaded.path))}",
        )
