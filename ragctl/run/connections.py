"""The connections to a spec's database, and what must hold before anything is read or written there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import NothingPublished, StateLost, UsageError
from ragctl.run.database_errors import database_errors
from ragctl.run.sessions import open_session
from ragctl.state.generations import Generations, known_numbers
from ragctl.state.lost_tables import missing_tables, restore_tables
from ragctl.state.migrations import MIGRATIONS, SCHEMA, migrate, schema_version

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.embedded.server import EmbeddedServer
    from ragctl.run.stores.faces import Catalog, Stores
    from ragctl.spec.load import LoadedSpec

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
        if "stores" in self.__dict__:
            self.stores.close()

    @property
    def index(self) -> str:
        return self.spec.store.index

    @property
    def schema(self) -> str:
        """The schema in which index and state lie."""
        store = self.spec.store
        return SCHEMA if store.type == "weaviate" else store.schema

    @property
    def _table_prefix(self) -> str:
        """What the names of the index's tables begin with."""
        store = self.spec.store
        return self.index if store.type == "weaviate" else store.table_prefix or self.index

    def generations_on(self, connection: Connection[Any]) -> Generations:
        """The generations of the spec's index."""
        return Generations(connection, self.index, self._table_prefix)

    def _told(self, text: str) -> None:
        """Gets a sentence for whoever waits; a composition passes it on."""

    @cached_property
    def server(self) -> EmbeddedServer | None:
        """The embedded server, where the spec names no database."""
        if self.spec.database[0] is not None:
            return None
        from ragctl.embedded.server import EmbeddedServer

        return EmbeddedServer(self.loaded.base / WORK_DIRECTORY)

    @cached_property
    def stores(self) -> Stores:
        """The kind of store that the spec names; nothing is connected to yet."""
        settings = self.spec.store
        if settings.type == "weaviate":
            from ragctl.run.stores.on_weaviate import WeaviateStores

            return WeaviateStores(settings, self.loaded, self.environment)
        from ragctl.run.stores.on_pgvector import PgvectorStores

        ef_search = self.spec.document_ask.query.ef_search
        return PgvectorStores(self.schema, self._table_prefix, hnsw=settings.hnsw, ef_search=ef_search)

    def connect(self) -> Connection[Any]:
        """The database of the state and of a store in pgvector, its schema up to date.

        The embedded one is made if need be.

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
                self._refuse_lost_server()
                raise self.nothing_published()
            self._connection = self._ready(self._open(), make=False)
        return self._connection

    def _ready(self, connection: Connection[Any], *, make: bool = True) -> Connection[Any]:
        try:
            with database_errors():
                self.refuse_lost_state(connection)
                if not make and schema_version(connection, self.schema) == 0:
                    raise self.nothing_published()
                migrate(connection, self.schema)
                generations = self.generations_on(connection)
                generations.refuse_other_store(self.spec.store.type)
                generations.refuse_other_tables()
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_lost_server(self) -> None:
        """Without the embedded server there is no state; an index that lies elsewhere may be there."""
        if self.stores.apart and self.stores.catalog(None).found(self.index):
            raise self._state_lost(f"the index {self.index!r} is there, and there is no state of it")

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
            if not self.stores.apart or not self.stores.catalog(None).found(self.index):
                raise self.nothing_published()
            connection = self._open()
        self._connection = connection
        if not missing_tables(connection, self.schema) and not self.catalog(connection).found(self.index):
            raise self.nothing_published()
        made = restore_tables(connection, self.schema)
        migrate(connection, self.schema)
        return connection, made

    def refuse_lost_state(self, connection: Connection[Any]) -> None:
        """Sees that the state's tables are whole, and that it knows every generation of the index.

        Raises:
            StateLost: it is not, or it does not.
        """
        missing = missing_tables(connection, self.schema)
        if missing:
            raise self._state_lost(f"the state has lost its tables {', '.join(missing)}")
        found = {one.number for one in self.catalog(connection).found(self.index)}
        version = schema_version(connection, self.schema) if found else 0
        known = known_numbers(connection, self.index) if version else set()
        if not found <= known:
            if version == len(MIGRATIONS):
                self.generations_on(connection).refuse_other_tables()
            numbers = ", ".join(map(str, sorted(found - known)))
            raise self._state_lost(
                f"the index {self.index!r} has generation {numbers} in {self.spec.store.type}, "
                "unknown to the state"
            )

    def _state_lost(self, message: str) -> StateLost:
        return StateLost(
            f"{message}; nothing was written",
            where="store",
            hint=f"{self.command('doctor', '--rebuild-state')} restores it from what lies beside the vectors",
        )

    def command(self, name: str, *options: str) -> str:
        """The command line that does `name` with this spec."""
        return " ".join(["ragctl", name, self.loaded.as_argument, *options])

    def _open(self) -> Connection[Any]:
        with database_errors():
            import psycopg

            try:
                return open_session(self.server or self._dsn(), self.schema, tell=self._told)
            except psycopg.ProgrammingError:
                # Its message quotes the connection string, password and all.
                raise UsageError(
                    f"the environment variable {self.spec.database[0]} holds no valid connection string",
                    where=self.loaded.where(self.spec.database[1]),
                    hint="it is of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
                ) from None

    def _dsn(self) -> str:
        name, key = self.spec.database
        assert name is not None  # otherwise there is an embedded server
        dsn = self.environment.get(name)
        if not dsn:
            raise UsageError(
                f"the environment variable {name} is not set",
                where=self.loaded.where(key),
                hint=f"export {name}=postgresql://…  or remove {key} to use the embedded server",
            )
        return dsn

    def catalog(self, connection: Connection[Any]) -> Catalog:
        """Which generations lie in the store."""
        return self.stores.catalog(connection)

    def nothing_published(self) -> NothingPublished:
        return NothingPublished(
            f"the index {self.index!r} has nothing to query yet",
            where=str(self.loaded.path),
            hint=f"ragctl ingest {self.loaded.as_argument}",
        )
