"""The vector cache within the spec's limit."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack

from ragctl.run.composition import Composition
from ragctl.run.ingesting.kept_inputs import tables_with_inputs
from ragctl.state.cache_limit import CacheSize, cache_size, prune_cache
from ragctl.state.generations import Generation, every_generation


def limit_cache(composition: Composition) -> CacheSize:
    """Brings the cache under `store.cache_max_bytes` and says what was removed."""
    connection = composition.connect()
    max_bytes = composition.spec.store.cache_max_bytes
    if cache_size(connection).bytes <= max_bytes:
        return CacheSize(0, 0)
    made_by: dict[str, list[Generation]] = defaultdict(list)
    for one in every_generation(connection):
        if one.status in ("active", "kept"):
            made_by[one.embedder].append(one)
    with ExitStack() as stack:
        tables = {
            embedder: stack.enter_context(
                tables_with_inputs(composition, generations, name=f"kept_inputs_{number}")
            )
            for number, (embedder, generations) in enumerate(made_by.items())
        }
        return prune_cache(connection, max_bytes, tables)
