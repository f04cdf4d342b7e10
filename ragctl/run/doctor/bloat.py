"""Room that tables and indexes in PostgreSQL take without need, and how it is cleared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.doctor.finding import Finding

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
            upkeep.clean(one)
            yield generation, f"{one.what}; it was {'built anew' if one.index else 'vacuumed'}"


def _upkeeps(composition: Composition) -> Iterator[tuple[Generation, PgVectorUpkeep]]:
    from ragctl.stores.pgvector_upkeep import PgVectorUpkeep

    if composition.stores.apart:
        return
    connection = composition.connect()
    for generation in composition.generations().all():
        yield (
            generation,
            PgVectorUpkeep(
                connection,
                schema=composition.schema,
                prefix=generation.table_prefix,
                dimension=generation.dimension,
            ),
        )
