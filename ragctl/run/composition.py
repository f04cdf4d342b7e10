"""The adapters that a spec names, each made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import NothingPublished, StateLost, UsageError
from ragctl.ports import Embedder, Reranker, Source, Splitter
from ragctl.registry import adapter_class
from ragctl.run.database_errors import database_errors as database_errors
from ragctl.run.models.budget import RunBudget
from ragctl.run.models.maker import ModelMaker
from ragctl.run.models.pinning import pinned_commit, refuse_long_chunks
from ragctl.state.generations import Generation, Generations, every_generation, known_numbers
from ragctl.state.lost_tables import missing_tables, restore_tables
from ragctl.state.migrations import SCHEMA, migrate, schema_version
from ragctl.state.vector_cache import PostgresVectorCache

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.embedded.server import EmbeddedServer
    from ragctl.run.models.choice import Choice
    from ragctl.spec.embed_settings import GivenEmbedder
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.recipe import Recipe
    from ragctl.spec.source_settings import Source as SourceSettings
    from ragctl.stores.pgvector import PgVectorStore
    from ragctl.stores.pgvector_catalog import PgVectorCatalog
    from ragctl.stores.pgvector_survey import PgVectorSurvey

WORK_DIRECTORY = ".ragctl"


class Composition:
    """Sources, splitter, embedder, recipe and database of one spec. Close it, or use it in a `with`.

    Args:
        environment: where the spec's names of environment variables are looked up; the process's own
            environment if None.
        reselect: with `provider: auto`, choose anew, whatever the lock pins.

    Attributes:
        tell: told of what goes on while models are asked, such as requests that are repeated.
        budget: what paid requests are reserved from.
    """

    def __init__(
        self, loaded: LoadedSpec, environment: Mapping[str, str] | None = None, *, reselect: bool = False
    ) -> None:
        self.loaded = loaded
        self._environment = os.environ if environment is None else environment
        self.spec = loaded.spec
        self.reselect = reselect
        self.tell: Callable[[str], None] = lambda text: None
        self.budget = RunBudget(self.beside)
        self._connection: Connection[Any] | None = None
        self._beside: Connection[Any] | None = None
        self._beside_lock = Lock()

    def __enter__(self) -> Composition:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_waiting()
        for connection in (self._connection, self._beside):
            if connection is not None:
                connection.close()

    def stop_waiting(self) -> None:
        """Ends the waiting of requests for their provider's limits; they are not sent."""
        if "models" in self.__dict__:
            self.models.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """Where the names of environment variables are looked up."""
        return self._environment

    @property
    def index(self) -> str:
        return self.spec.store.index

    @cached_property
    def sources(self) -> list[Source]:
        return [self._source(settings) for settings in self.spec.sources]

    def _source(self, settings: SourceSettings) -> Source:
        given: dict[str, Any] = {"name": settings.name, "metadata": settings.metadata}
        path = self.loaded.resolve(settings.path)
        if settings.type == "directory":
            given |= {"root": path, "include": settings.include, "exclude": settings.exclude}
        else:
            given |= {
                "file": path,
                "id": settings.id,
                "text": settings.text,
                "title": settings.title,
                "metadata_fields": settings.metadata_fields,
                "max_bytes": self.spec.extract.max_bytes,
            }
        made: Source = adapter_class("source", settings.type)(**given)
        return made

    @cached_property
    def choice(self) -> Choice:
        """Which embedder the spec comes to; made once, and then the same for all that is done with it.

        Raises:
            GuardRefused: no option of `provider: auto` meets the criteria.
            LockDrift: the option that the lock pins is not in the spec any more.
        """
        from ragctl.run.models.choice import choose_embedder

        return choose_embedder(self, reselect=self.reselect)

    @property
    def embed_settings(self) -> GivenEmbedder:
        """The spec's section `embed`; with `provider: auto`, that of the option that is pinned or chosen."""
        return self.choice.settings

    def _told(self, text: str) -> None:
        self.tell(text)  # whoever that is by then

    @cached_property
    def models(self) -> ModelMaker:
        return ModelMaker(
            self.loaded,
            self._environment,
            connect=self.beside,
            spending=self.budget,
            on_retry=self._told,
        )

    @cached_property
    def embedder(self) -> Embedder:
        """To be had without its key, as long as nothing is asked of it.

        Raises:
            SpecError: it reads fewer tokens than a chunk may have.
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        choice = self.choice
        revision = pinned_commit(self.loaded, choice.settings.model)
        made = self.models.embedder(choice.settings, choice.key, revision=revision)
        refuse_long_chunks(self.loaded, choice.settings.model, made.max_tokens)
        return made

    @cached_property
    def reranker(self) -> Reranker | None:
        """None where `ask.rank` names none, or has a chat model grade.

        Raises:
            UsageError, MissingPackage, Unavailable: the model, or its key, cannot be had.
        """
        settings = self.spec.ask.rank
        named = settings.provider not in ("none", "openai")
        return self.models.reranker(settings, "ask.rank") if named else None

    @cached_property
    def splitter(self) -> Splitter:
        settings = self.spec.chunk
        made: Splitter = adapter_class("splitter", settings.splitter)(
            self.embedder.tokenizer,
            max_tokens=settings.max_tokens,
            overlap=settings.overlap,
            min_tokens=settings.min_tokens,
            context=settings.context,
            embedder_limit=self.embedder.max_tokens,
        )
        return made

    @cached_property
    def readers(self) -> dict[str, int]:
        """Name → `output_version` of the readers that are part of the recipe."""
        from ragctl.readers.auto import recipe_readers

        return recipe_readers(records=any(source.type == "jsonl" for source in self.spec.sources))

    @cached_property
    def recipe(self) -> Recipe:
        from ragctl.spec.recipe import make_recipe

        splitter = self.spec.chunk.splitter
        return make_recipe(
            self.spec,
            readers=self.readers,
            splitters={splitter: adapter_class("splitter", splitter).output_version},
            embedder=self.embedder.identity,
            embed=self.embed_settings,
        )

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
        return _quoted(self.loaded.path)

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
        dsn = self._environment.get(name)
        if not dsn:
            raise UsageError(
                f"the environment variable {name} is not set",
                where=self.loaded.where("store.dsn_env"),
                hint=f"export {name}=postgresql://…  or remove store.dsn_env to use the embedded server",
            )
        return dsn

    def generations(self) -> Generations:
        return Generations(self.connect(), self.index)

    def store_of(self, generation: Generation, connection: Connection[Any] | None = None) -> PgVectorStore:
        """A generation's store, on a connection of its own if one is given."""
        from ragctl.spec.recipe import recorded_language

        made: PgVectorStore = adapter_class("store", self.spec.store.type)(
            self.connect() if connection is None else connection,
            schema=SCHEMA,
            prefix=generation.table_prefix,
            dimension=generation.dimension,
            language=recorded_language(generation.settings),
        )
        return made

    def catalog(self, connection: Connection[Any]) -> PgVectorCatalog:
        """Which generations' tables lie in the store."""
        from ragctl.stores.pgvector_catalog import PgVectorCatalog

        return PgVectorCatalog(connection, SCHEMA)

    def survey_of(self, generation: Generation) -> PgVectorSurvey:
        """A generation's tables, looked at as a whole."""
        from ragctl.stores.pgvector_survey import PgVectorSurvey

        return PgVectorSurvey(
            self.connect(), schema=SCHEMA, prefix=generation.table_prefix, dimension=generation.dimension
        )

    def vector_cache(self) -> PostgresVectorCache:
        """What is known of the embedder's vectors: those of every generation that it made, then the cache.

        This index's own generations are looked at first.
        """
        identity = self.embedder.identity
        made_by_it = [one for one in every_generation(self.connect()) if one.embedder == identity]
        made_by_it.sort(key=lambda one: one.index != self.index)
        tables = [self.store_of(one).chunk_table for one in made_by_it]
        return PostgresVectorCache(self.connect(), identity, tables)

    def active_generation(self) -> Generation:
        """The generation that is queried.

        Raises:
            NothingPublished: there is none.
        """
        self.connect_to_existing()
        active = self.generations().active()
        if active is None:
            raise self.nothing_published()
        return active

    def nothing_published(self) -> NothingPublished:
        return NothingPublished(
            f"the index {self.index!r} has nothing to query yet",
            where=str(self.loaded.path),
            hint=f"ragctl ingest {_quoted(self.loaded.path)}",
        )


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
