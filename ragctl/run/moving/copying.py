"""index copy: an index into another one, in this store or another kind, without a model being asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ragctl.errors import LeaseLost, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.models.locking import guard_lock, keep_lock
from ragctl.run.moving.arrival import Arrival
from ragctl.run.moving.fitting import refuse_other_recipe, refuse_published, unknown_sources
from ragctl.run.moving.moved import Moved
from ragctl.run.moving.origin import IndexOrigin, opened_origin
from ragctl.run.progress import Progress, Silent
from ragctl.run.upkeep.exclusive import exclusive_run

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec


def copy_index(
    loaded: LoadedSpec,
    other: LoadedSpec,
    *,
    replace: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Moved:
    """Carries the active generation of one spec's index into a new generation of the other's.

    Both indexes are held meanwhile: no ingest of either goes on beside it.

    Args:
        replace: also where the other index has a published generation, which is kept.
        wait: wait for other runs on the two indexes to end, however long it takes.

    Raises:
        UsageError: both specs name one index.
        Mismatch: recipes, models or dimensions differ; or what arrived is not what was sent.
        GuardRefused: the other index has something published, or another run is in progress.
        NothingPublished: there is nothing to carry.
    """
    started = time.monotonic()
    moved = Moved("copy", _place(loaded), _place(other))
    with (
        Composition(loaded) as here,
        Composition(other) as there,
        database_errors(),
        opened_origin(here, f"index copy to {other.spec.store.index}", wait=wait) as (origin, record),
    ):
        guard_lock(there, relock=False)
        _refuse_itself(origin, there)
        show = f"ragctl index {here.loaded.as_argument} show"
        refuse_other_recipe(there, origin.generation, where=str(loaded.path), show=show)
        command = f"index copy from {here.index}"
        there.connect()
        with exclusive_run(there, command, wait=wait, needs_generation=False) as (lease, arrived):
            refuse_published(there, replace=replace, command="the copy")
            arrival = Arrival(there, lease, origin.generation)
            arrival.fill(origin, moved, progress or Silent(), stop)
            note = unknown_sources(there, {source for source, _ in arrival.seen})
            moved.notes += [note] if note else []
            if moved.published:
                keep_lock(there, relock=False, note=moved.notes.append)
            moved.seconds = time.monotonic() - started
            arrived.update(moved.as_json(), recipe=origin.generation.recipe)
        record.update(moved.as_json(), generation=origin.generation.number)
    return moved


def _refuse_itself(origin: IndexOrigin, there: Composition) -> None:
    """Raises UsageError where the other spec names the index that is held already."""
    connection = there.connect()
    if there.index != origin.generation.index:
        return
    try:
        origin.lease.look(connection)
    except LeaseLost:
        return
    raise UsageError(
        f"both specs name the index {there.index!r} of one database",
        where=str(there.loaded.path),
        hint="give one of them another store.index, store.schema or database",
    )


def _place(loaded: LoadedSpec) -> str:
    return f"{loaded.spec.store.index} ({loaded.path})"
