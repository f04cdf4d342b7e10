"""Generations as tables of the database that holds the state too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.registry import adapter_class
from ragctl.spec.recipe import recorded_language

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.stores.faces import FindVectors
    from ragctl.spec.store_settings import HnswSettings
    from ragctl.state.generations import Generation
    from ragctl.state.vector_cache import ChunkTable
    from ragctl.stores.pgvector import PgVectorStore
    from ragctl.stores.pgvector_catalog import PgVectorCatalog
    from ragctl.stores.pgvector_hnsw import HnswBuild
    from ragctl.stores.pgvector_survey import PgVectorSurvey
    from ragctl.stores.pgvector_upkeep import PgVectorUpkeep


class PgvectorStores:
    """Its tables lie beside the state's: one transaction holds both.

    Args:
        table_prefix: what the names of the index's tables begin with.
        hnsw, ef_search: see `PgVectorStore`.
    """

    apart = False
    called = "tables are"
    server_version = None

    def __init__(
        self,
        schema: str,
        table_prefix: str,
        *,
        hnsw: HnswSettings | None = None,
        ef_search: int | None = None,
    ) -> None:
        self._schema = schema
        self._table_prefix = table_prefix
        self._hnsw = hnsw
        self._ef_search = ef_search

    def catalog(self, connection: Connection[Any] | None) -> PgVectorCatalog:
        """Which generations' tables lie in the database."""
        from ragctl.stores.pgvector_catalog import PgVectorCatalog

        assert connection is not None  # they lie nowhere else
        return PgVectorCatalog(connection, self._schema, self._table_prefix)

    def store_of(self, generation: Generation, connection: Connection[Any]) -> PgVectorStore:
        """A generation's tables."""
        made: PgVectorStore = adapter_class("store", "pgvector")(
            connection,
            schema=self._schema,
            prefix=generation.table_prefix,
            dimension=generation.dimension,
            language=recorded_language(generation.settings),
            hnsw=self._build(),
            ef_search=self._ef_search,
        )
        return made

    def _build(self) -> HnswBuild | None:
        from ragctl.stores.pgvector_hnsw import HnswBuild

        if self._hnsw is None:
            return None
        return HnswBuild(
            m=self._hnsw.m,
            ef_construction=self._hnsw.ef_construction,
            memory_bytes=self._hnsw.maintenance_work_mem,
            workers=self._hnsw.max_parallel_workers,
        )

    def survey_of(self, generation: Generation, connection: Connection[Any]) -> PgVectorSurvey:
        """A generation's tables, looked at as a whole."""
        from ragctl.stores.pgvector_survey import PgVectorSurvey

        return PgVectorSurvey(
            connection, schema=self._schema, prefix=generation.table_prefix, dimension=generation.dimension
        )

    def upkeep_of(self, generation: Generation, connection: Connection[Any]) -> PgVectorUpkeep:
        """What keeps a generation's tables small."""
        from ragctl.stores.pgvector_upkeep import PgVectorUpkeep

        return PgVectorUpkeep(
            connection,
            schema=self._schema,
            prefix=generation.table_prefix,
            dimension=generation.dimension,
            hnsw=self._build(),
        )

    def chunk_tables(
        self, generations: Sequence[Generation], connection: Connection[Any]
    ) -> list[ChunkTable]:
        """Those of the generations that lie in this kind of store."""
        return [self.store_of(one, connection).chunk_table for one in generations if one.store == "pgvector"]

    def find_vectors(
        self, generations: Sequence[Generation], connection: Connection[Any]
    ) -> list[FindVectors]:
        """None: all that can be looked up from here lies in the tables."""
        return []

    def kept_hashes(self, generations: Sequence[Generation], connection: Connection[Any]) -> Iterator[bytes]:
        """None: likewise."""
        return iter(())

    def refuse_taken(self, index: str) -> None:
        """Nothing needs the name."""

    def astray(self, index: str, active: Generation) -> str | None:
        """None: nobody is led anywhere."""
        return None

    def point(self, index: str, active: Generation) -> None:
        """Nothing: tables have no name that leads to the active generation."""

    def close(self) -> None:
        """Nothing is open but the connection, which is not of these stores."""
