"""The suite of all stores on Weaviate: over a FAKE server always, over a real one where one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from contracts.store import VectorStoreContract
from contracts.stored import DIMENSION, Opener
from weaviate import WeaviateClient

from ragctl.state.document_versions import DocumentVersions
from ragctl.stores.weaviate import WeaviateStore


class OnWeaviate(VectorStoreContract):
    """Inherit it, and give a fixture `client`."""

    @pytest.fixture
    def open_store(
        self,
        client: Callable[[], WeaviateClient],
        open_versions: Callable[[], DocumentVersions],
        index: str,
    ) -> Iterator[Opener]:
        def open_store(dimension: int = DIMENSION) -> WeaviateStore:
            return WeaviateStore(client(), open_versions(), prefix=f"{index}_g1", dimension=dimension)

        yield open_store
        open_store().drop()


class TestOverTheFake(OnWeaviate):
    """What ragctl sends and makes of the answers; nothing about Weaviate's own work."""

    @pytest.fixture
    def client(self, fake_client: Callable[[], WeaviateClient]) -> Callable[[], WeaviateClient]:
        return fake_client


class TestOnARealServer(OnWeaviate):
    @pytest.fixture
    def client(self, real_client: Callable[[], WeaviateClient]) -> Callable[[], WeaviateClient]:
        return real_client
