"""Room that tables and indexes in PostgreSQL take without need, and how it is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.doctor.finding import Finding
from ragctl.run.stores.on_pgvector import PgvectorStores

if TYPE_CHECKING:
    from ragctl.state.generations import Generation
    from ragctl.stores.pgvector_upkeep import PgVectorUpkeep


def look_at_bloat(composition: Composition) -> Iterator[Finding]:
    """Dead rows and indexes that have grown too large, as findings that need not be mended at once."""
    for generation, upkeep in _upkeeps(composition):
        found = upkeep.bloat()
        if found:
            yield Finding(
                "bloat" if generation.status == "active" else f"bloat of generation {generation.number}",
                True,
                "; ".join(one.what for one in found),
                f"{composition.command('doctor', '--repair')} clears it, while questions are answered",
                warning=True,
            )


def clear_bloat(composition: Composition) -> Iterator[tuple[Generation, str]]:
    """Does what `look_at_bloat` proposes; says for each what was done. Not in a transaction."""
    for generation, upkeep in _upkeeps(composition):
        for one in upkeep.bloat():
            yield generation, f"{one.what}; {upkeep.clean(one)}"


def _upkeeps(composition: Composition) -> Iterator[tuple[Generation, PgVectorUpkeep]]:
    if not isinstance(composition.stores, PgvectorStores):
        return
    connection = composition.connect()
    for generation in composition.generations().all():
        yield generation, composition.stores.upkeep_of(generation, connection)
