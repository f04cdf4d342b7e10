"""The collection of one generation: made, looked at, dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ragctl.errors import Mismatch
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import VECTOR
from ragctl.stores.weaviate_schema import PROPERTIES, collection_name, configuration, properties
from ragctl.stores.weaviate_versions import CurrentVersions

if TYPE_CHECKING:
    from weaviate import WeaviateClient
    from weaviate.collections import Collection
    from weaviate.collections.classes.config import CollectionConfig

Consistency = Literal["ONE", "QUORUM", "ALL"]

# As of pgvector's index here: they were measured there, and the two build the same kind of graph.
EF_CONSTRUCTION = 200
MAX_CONNECTIONS = 16


class WeaviateCollection:
    """A generation's collection, or one tenant of it.

    Args:
        client: connected.
        versions: of the generation's documents.
        prefix: of the generation's name, such as `docs_g3`; see `collection_name`.
        dimension: of the vectors.
        language: of the text, as `chunk.language` names it.
        tenant: the collection has tenants, and this is the one.
        consistency: replicas that have to answer a write or a read; the server's default if None.
    """

    def __init__(
        self,
        client: WeaviateClient,
        versions: CurrentVersions,
        *,
        prefix: str,
        dimension: int,
        language: str = "english",
        tenant: str | None = None,
        consistency: Consistency | None = None,
    ) -> None:
        from weaviate.classes.config import ConsistencyLevel

        self._client = client
        self._versions = versions
        self._name = collection_name(prefix)
        self._dimension = dimension
        self._language = language
        self._tenant = tenant
        whole = client.collections.use(self._name, skip_argument_validation=True)
        if consistency is not None:
            whole = whole.with_consistency_level(ConsistencyLevel(consistency))
        self._whole = whole
        self._collection: Collection[Any, Any] = whole if tenant is None else whole.with_tenant(tenant)

    @property
    def name(self) -> str:
        """The collection's."""
        return self._name

    def create(self) -> None:
        """Makes the collection, and the tenant in it, unless they are there.

        Properties that an earlier release did not know are added.

        Raises:
            Mismatch: there is a collection of that name that ragctl did not make.
            Unavailable, KeyRejected: see `weaviate_errors`.
        """
        with weaviate_errors():
            if self._client.collections.exists(self._name):
                self._adopt(self._whole.config.get())
            else:
                made = configuration(
                    language=self._language,
                    tenants=self._tenant is not None,
                    ef_construction=EF_CONSTRUCTION,
                    max_connections=MAX_CONNECTIONS,
                )
                self._client.collections.create(self._name, properties=properties(), **made)
            if self._tenant is not None and not self._whole.tenants.exists(self._tenant):
                self._whole.tenants.create(self._tenant)

    def _adopt(self, found: CollectionConfig) -> None:
        there = {one.name for one in found.properties}
        vectors = found.vector_config or {}
        if not {"document", "version", "ordinal"} <= there or VECTOR not in vectors:
            raise self._not_ours("it lacks the properties or the vector that every index of ragctl has")
        index = vectors[VECTOR].vector_index_config
        distance = getattr(getattr(index, "distance_metric", None), "value", None)
        if distance != "cosine":
            raise self._not_ours(f"it compares vectors by {distance}, not by cosine")
        if found.multi_tenancy_config.enabled != (self._tenant is not None):
            has = "has tenants" if found.multi_tenancy_config.enabled else "has no tenants"
            raise self._not_ours(f"it {has}, unlike the spec")
        for one in properties([name for name in PROPERTIES if name not in there]):
            self._whole.config.add_property(one)

    def _not_ours(self, why: str) -> Mismatch:
        return Mismatch(
            f"the collection {self._name!r} is not one that this spec can write to: {why}",
            where="store",
            hint="give the spec another store.index",
        )

    def exists(self) -> bool:
        """Is the collection there, and the tenant in it?"""
        with weaviate_errors():
            return bool(
                self._client.collections.exists(self._name)
                and (self._tenant is None or self._whole.tenants.exists(self._tenant))
            )

    def fits(self) -> bool:
        """Is it there, with tenants and this one among them, or without if there is none?"""
        with weaviate_errors():
            if not self._client.collections.exists(self._name):
                return False
            if self._whole.config.get().multi_tenancy_config.enabled != (self._tenant is not None):
                return False
        return self.exists()

    def expect(self) -> None:
        """Sees that it is there: what is written to a collection that is not might make another one.

        Raises:
            Mismatch: it is gone.
        """
        if not self.exists():
            raise Mismatch(
                f"the collection {self._name!r} of the index is gone",
                where="store",
                hint="run the command again; if it is still gone, `ragctl doctor SPEC` says more",
            )

    def drop(self) -> None:
        """Removes the collection and all that is in it, with aliases that lead to it.

        Where it has tenants, this one goes, and the collection with the last of them. In a transaction of the
        state, the versions go alone: call it again once that has ended, as the server takes nothing back.
        """
        self._versions.clear()
        if self._versions.in_transaction():
            return
        with weaviate_errors():
            if self._client.collections.exists(self._name) and self._is_last_tenant():
                for alias in self._client.alias.list_all(collection=self._name):
                    self._client.alias.delete(alias_name=alias)
                self._client.collections.delete(self._name)

    def _is_last_tenant(self) -> bool:
        if self._tenant is None:
            return True
        self._whole.tenants.remove(self._tenant)
        return not self._whole.tenants.get()
