"""Makes room: drops generations that are not needed any more, and cached vectors beyond the limit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.cache_limit import limit_cache
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.generation_choice import drop_generations, drop_leftovers, surplus_generations
from ragctl.state.cache_limit import CacheSize, cache_size
from ragctl.state.generations import Generation, Generations

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class DroppedGeneration:
    """What went with it. `status`: `kept`, or `building` of one that was never whole.

    `bytes` is None where the store does not say.
    """

    number: int
    status: str
    documents: int
    chunks: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was freed: generations, entries of the cache, and how large the cache is now."""

    index: str
    generations: list[DroppedGeneration]
    cache_removed: CacheSize
    cache: CacheSize
    cache_max_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The document of `ragctl index SPEC prune --format json`; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "generations": [asdict(one) for one in self.generations],
            "bytes": sum(one.bytes or 0 for one in self.generations) + self.cache_removed.bytes,
            "cache_removed": asdict(self.cache_removed),
            "cache": {**asdict(self.cache), "max_bytes": self.cache_max_bytes},
        }


def prune(loaded: LoadedSpec, *, every_kept: bool = False, wait: bool = False) -> Pruned:
    """Drops half-built generations, and kept ones beyond `store.keep_generations`.

    Args:
        every_kept: drop all kept ones.
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        RunInProgress: another run is writing to the index; nothing was dropped.
        NothingPublished: no ingest has run here yet.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        store = composition.spec.store
        with exclusive_run(composition, "prune", wait=wait) as (lease, record):
            generations = Generations(connection, composition.index)
            # Under the lease nobody builds: what is half-built was left behind.
            half_built = [one for one in generations.all() if one.status == "building"]
            surplus = surplus_generations(generations, 0 if every_kept else store.keep_generations)
            dropped = [_described(composition, one) for one in (*surplus, *half_built)]
            drop_generations(composition, generations, [*surplus, *half_built], lease)
            drop_leftovers(composition, lease)
            removed = limit_cache(composition)
            done = Pruned(composition.index, dropped, removed, cache_size(connection), store.cache_max_bytes)
            record.update(done.as_json())
        return done


def _described(composition: Composition, one: Generation) -> DroppedGeneration:
    store = composition.store_of(one)
    return DroppedGeneration(one.number, one.status, *store.counts(), store.size_bytes())
