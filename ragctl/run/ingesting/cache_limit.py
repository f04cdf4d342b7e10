"""The vector cache within the spec's limit."""

from __future__ import annotations

from ragctl.run.composition import Composition
from ragctl.state.cache_limit import CacheSize, prune_cache
from ragctl.state.generations import every_generation
from ragctl.state.vector_cache import ChunkTable


def limit_cache(composition: Composition) -> CacheSize:
    """Brings the cache under `store.cache_max_bytes` and says what was removed."""
    connection = composition.connect()
    tables: dict[str, list[ChunkTable]] = {}
    for one in every_generation(connection):
        if one.status in ("active", "kept"):
            tables.setdefault(one.embedder, []).append(composition.store_of(one).chunk_table)
    return prune_cache(connection, composition.spec.store.cache_max_bytes, tables)
