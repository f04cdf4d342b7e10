"""Generations as collections of a Weaviate server; the state lies in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.registry import adapter_class, missing_package
from ragctl.spec.recipe import recorded_language
from ragctl.state.document_versions import DocumentVersions
from ragctl.state.schema import SCHEMA

if TYPE_CHECKING:
    from psycopg import Connection
    from weaviate import WeaviateClient

    from ragctl.run.stores.faces import FindVectors
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.weaviate_settings import WeaviateStore as Settings
    from ragctl.state.generations import Generation
    from ragctl.state.vector_cache import ChunkTable
    from ragctl.stores.weaviate import WeaviateStore
    from ragctl.stores.weaviate_catalog import WeaviateCatalog
    from ragctl.stores.weaviate_survey import WeaviateSurvey


class WeaviateStores:
    """Its client is made when it is first needed, and shared by all threads.

    Args:
        settings: the spec's section `store`.
        environment: where its names of environment variables are looked up.
    """

    apart = True
    called = "collection is"

    def __init__(self, settings: Settings, loaded: LoadedSpec, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._loaded = loaded
        self._environment = environment
        self._client: WeaviateClient | None = None
        self._lock = Lock()

    def client(self) -> WeaviateClient:
        """Connected.

        Raises:
            UsageError: a variable that the spec names is not set.
            MissingPackage: the client is not installed.
            Unavailable, KeyRejected, Mismatch: see `ragctl.stores.weaviate_connection.connect`.
        """
        with self._lock:
            if self._client is None:
                try:
                    self._client = self._connected()
                except ModuleNotFoundError as error:
                    raise missing_package("store", "weaviate", error) from error
            return self._client

    def _connected(self) -> WeaviateClient:
        from ragctl.stores.weaviate_connection import Address, Credentials, connect

        settings = self._settings
        address = Address.of(
            settings.url,
            grpc_host=settings.grpc_host,
            grpc_port=settings.grpc_port,
            grpc_secure=settings.grpc_secure,
        )
        credentials = Credentials(
            api_key=self._secret(settings.api_key_env, "store.api_key_env"),
            client_secret=self._secret(settings.client_secret_env, "store.client_secret_env"),
            scope=settings.scope,
        )
        return connect(address, credentials)

    def _secret(self, name: str | None, key: str) -> str | None:
        if name is None:
            return None
        value = self._environment.get(name, "").strip()
        if not value:
            raise UsageError(
                f"the environment variable {name} is not set",
                where=self._loaded.where(key),
                hint=f"export {name}=… with what Weaviate is to be given",
            )
        return value

    @property
    def server_version(self) -> str:
        """Weaviate's, such as `1.32.4`."""
        from ragctl.stores.weaviate_faults import weaviate_errors

        client = self.client()
        with weaviate_errors():
            return str(client.get_meta().get("version", "unknown"))

    def catalog(self, connection: Connection[Any] | None = None) -> WeaviateCatalog:
        """Which generations' collections lie on the server."""
        from ragctl.stores.weaviate_catalog import WeaviateCatalog

        return WeaviateCatalog(self.client())

    def store_of(self, generation: Generation, connection: Connection[Any]) -> WeaviateStore:
        """A generation's collection; what of it is current is asked over this connection."""
        made: WeaviateStore = adapter_class("store", "weaviate")(
            self.client(), DocumentVersions(connection, generation.id), **self._given(generation)
        )
        return made

    def survey_of(self, generation: Generation, connection: Connection[Any]) -> WeaviateSurvey:
        """A generation's collection, looked at as a whole."""
        from ragctl.stores.weaviate_survey import WeaviateSurvey

        versions = DocumentVersions(connection, generation.id)
        return WeaviateSurvey(self.client(), versions, **self._given(generation))

    def _given(self, generation: Generation) -> dict[str, Any]:
        settings = self._settings
        return {
            "prefix": generation.table_prefix,
            "dimension": generation.dimension,
            "language": recorded_language(generation.settings),
            "tenant": settings.tenant,
            "consistency": settings.consistency,
            "batch_objects": settings.batch_size,
            "concurrency": settings.concurrency,
        }

    def chunk_tables(
        self, generations: Sequence[Generation], connection: Connection[Any]
    ) -> list[ChunkTable]:
        """Those of other pipelines' indexes that lie in the state's database."""
        return [(SCHEMA, f"{one.table_prefix}_chunks") for one in generations if one.store == "pgvector"]

    def find_vectors(
        self, generations: Sequence[Generation], connection: Connection[Any]
    ) -> list[FindVectors]:
        """Collections on this server."""
        return [one.vectors_of for one in self._readable(generations, connection)]

    def kept_hashes(self, generations: Sequence[Generation], connection: Connection[Any]) -> Iterator[bytes]:
        """Of collections on this server, each looked through as a whole."""
        for one in self._readable(generations, connection):
            yield from one.current_hashes()

    def _readable(
        self, generations: Sequence[Generation], connection: Connection[Any]
    ) -> list[WeaviateStore]:
        """Those that are on this server. Another pipeline's index may be on another one, or have tenants."""
        found = [self.store_of(one, connection) for one in generations if one.store == "weaviate"]
        return [one for one in found if one.fits()]

    def refuse_taken(self, index: str) -> None:
        """Sees that the alias of the index's name can be made.

        Raises:
            Mismatch: a collection has that name.
        """
        self.catalog().refuse_taken(index)

    def astray(self, index: str, active: Generation) -> str | None:
        """The collection that the alias leads to, if not the active one; `nowhere` if there is no alias."""
        found = self.catalog().alias(index)
        return None if found == self.catalog().name_of(active.table_prefix) else found or "nowhere"

    def point(self, index: str, active: Generation) -> None:
        """Makes the alias of the index's name lead to the active generation.

        Raises:
            Mismatch: a collection of another program has that name.
        """
        self.catalog().set_alias(index, active.table_prefix)

    def close(self) -> None:
        """Ends the client's connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None
