"""The adapters that a spec names, each made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import NothingPublished, Unavailable, UsageError
from ragctl.ports import Embedder, Source, Splitter
from ragctl.registry import adapter_class
from ragctl.state.generations import Generation, Generations
from ragctl.state.migrations import SCHEMA, migrate, schema_version

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.embedded.server import EmbeddedServer
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.recipe import Recipe
    from ragctl.stores.pgvector import PgVectorStore

WORK_DIRECTORY = ".ragctl"


class Composition:
    """Sources, splitter, embedder, recipe and database of one spec. Close it, or use it in a `with`."""

    def __init__(self, loaded: LoadedSpec) -> None:
        self.loaded = loaded
        self.spec = loaded.spec
        self._connection: Connection[Any] | None = None

    def __enter__(self) -> Composition:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def index(self) -> str:
        return self.spec.store.index

    @cached_property
    def sources(self) -> list[Source]:
        return [
            adapter_class("source", source.type)(
                name=source.name,
                root=self.loaded.resolve(source.path),
                include=source.include,
                exclude=source.exclude,
                metadata=source.metadata,
            )
            for source in self.spec.sources
        ]

    @cached_property
    def embedder(self) -> Embedder:
        made: Embedder = adapter_class("embedder", self.spec.embed.provider)(model=self.spec.embed.model)
        return made

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
    def recipe(self) -> Recipe:
        from ragctl.readers.auto import reader_versions
        from ragctl.spec.recipe import make_recipe

        splitter = self.spec.chunk.splitter
        return make_recipe(
            self.spec,
            readers=reader_versions(),
            splitters={splitter: adapter_class("splitter", splitter).output_version},
            embedder=self.embedder.identity,
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
            self._connection = self._open()
            with database_errors():
                migrate(self._connection)
        return self._connection

    def connect_to_existing(self) -> Connection[Any]:
        """As `connect`, but makes nothing.

        Raises:
            NothingPublished: no ingest has run here yet.
        """
        if self._connection is None:
            if self.server is not None and not self.server.exists():
                raise self.nothing_published()
            self._connection = self._open()
            with database_errors():
                if schema_version(self._connection) == 0:
                    raise self.nothing_published()
                migrate(self._connection)
        return self._connection

    def _open(self) -> Connection[Any]:
        with database_errors():
            if self.server is not None:
                connection: Connection[Any] = self.server.connect(autocommit=True)
                return connection
            import psycopg

            return psycopg.connect(self._dsn(), autocommit=True)

    def _dsn(self) -> str:
        name = self.spec.store.dsn_env
        assert name is not None  # otherwise there is an embedded server
        dsn = os.environ.get(name)
        if not dsn:
            raise UsageError(
                f"the environment variable {name} is not set",
                where=self.loaded.where("store.dsn_env"),
                hint=f"export {name}=postgresql://…  or remove store.dsn_env to use the embedded server",
            )
        return dsn

    def generations(self) -> Generations:
        return Generations(self.connect(), self.index)

    def store_of(self, generation: Generation) -> PgVectorStore:
        made: PgVectorStore = adapter_class("store", self.spec.store.type)(
            self.connect(), schema=SCHEMA, prefix=generation.table_prefix, dimension=generation.dimension
        )
        return made

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


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns "the database is gone" into an error for people.

    Raises:
        Unavailable: it cannot be reached, was shut down, or has no room left.
    """
    import psycopg

    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        text = str(error).strip().splitlines()
        raise Unavailable(
            f"the database does not answer: {text[0] if text else type(error).__name__}",
            where="store",
            hint="run the same command again: what was committed is kept",
        ) from error
