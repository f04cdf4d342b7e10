"""The spec's lock in a run: what would be pinned now, whether the lock agrees, and keeping it up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ragctl import __version__
from ragctl.errors import LockDrift, UsageError
from ragctl.registry import adapter_class
from ragctl.run.answering.chat_choice import chat_facts
from ragctl.run.composition import Composition
from ragctl.run.models.choice import selection_fact
from ragctl.spec.load import LoadedSpec
from ragctl.spec.lock import Lock, lock_path, read_lock, refuse_foreign, relock_command, write_lock
from ragctl.spec.lock_comparison import Moved, compare
from ragctl.spec.recipe import given_settings, recipe_settings


@dataclass(frozen=True, slots=True)
class LockState:
    """How a lock stands that has not drifted.

    Attributes:
        path: the file; of an embedded lock, the one that it was exported from.
        state: `missing`, `current`, or `outdated`: the spec has changed since, an ingest will update it.
        chosen: the settings that the spec has changed.
    """

    path: Path
    state: Literal["missing", "current", "outdated"]
    chosen: tuple[Moved, ...] = ()

    def as_json(self) -> dict[str, Any]:
        changed = [{"what": one.what, "was": one.was, "is": one.now} for one in self.chosen]
        return {"path": str(self.path), "state": self.state, "changed": changed}


def pinned_now(composition: Composition) -> Lock:
    """What a lock written now would say. Loads no model and asks no server."""
    spec, embedder, recipe = composition.spec, composition.embedder, composition.recipe
    splitter = spec.chunk.splitter
    return Lock(
        pipeline=spec.name,
        ragctl=__version__,
        embedder={
            **embedder.provenance,
            "dimension": embedder.dimension,
            "max_tokens": embedder.max_tokens,
            "identity": embedder.identity,
        },
        readers=composition.readers,
        splitters={splitter: adapter_class("splitter", splitter).output_version},
        settings=recipe_settings(spec, composition.embed_settings),
        given=given_settings(spec, composition.embed_settings),
        recipe={**asdict(recipe), "digest": recipe.digest},
        selection=selection_fact(composition),
        chat=chat_facts(composition),
    )


def check_lock(composition: Composition, *, embedder_only: bool = False) -> LockState:
    """Compares the lock with what would be used now. A spec without a lock is in order.

    An embedded spec is compared with the lock that is embedded with it. It gives every setting itself,
    so that no default of another release can drift in it.

    Args:
        embedder_only: for a question, in which readers and splitters have no part.

    Raises:
        LockBroken: the lock cannot be read, or belongs to another spec.
        LockDrift: something that it pins has moved, and not because the spec was changed.
    """
    loaded = composition.loaded
    path = lock_path(loaded.path)
    locked = loaded.lock.lock if loaded.lock else read_lock(loaded.path)
    if locked is None:
        return LockState(path, "missing")
    if not loaded.lock:
        refuse_foreign(locked, loaded.spec.name, loaded.path, overrides=loaded.overrides)
    found = compare(locked, pinned_now(composition), embedder_only=embedder_only)
    if found.drift:
        raise _drift_error(loaded, locked, found.drift)
    same = not found.chosen if loaded.lock else found.same
    return LockState(path, "current" if same else "outdated", found.chosen)


def guard_lock(composition: Composition, *, relock: bool) -> None:
    """Refuses an ingest that its lock does not fit.

    Raises:
        LockBroken, LockDrift: see `check_lock`; not with `relock`.
        UsageError: `relock`, and there are overrides: they are for one run, a lock is for all; or the
            spec is embedded.
    """
    if not relock:
        check_lock(composition)
    elif composition.loaded.lock:
        raise UsageError(
            "the lock of a spec that stands in a DAG cannot be written anew",
            where=composition.loaded.lock.origin,
            hint="write it anew where the spec is, and export the DAG again",
        )
    elif composition.loaded.overrides:
        raise UsageError("--relock writes what the spec says; put the values of --set into the spec")


def keep_lock(composition: Composition, *, relock: bool, note: Callable[[str], None]) -> None:
    """Writes the lock if there is none, if the spec has changed since, or if `relock` says so.

    With overrides nothing is written, nor for an embedded spec. A lock that cannot be written is a note,
    unless `relock` asked for it.

    Raises:
        LockBroken, LockDrift: see `check_lock`; not with `relock`.
        UsageError: `relock`, and it cannot be written, or the spec is embedded.
    """
    loaded = composition.loaded
    if loaded.lock:
        guard_lock(composition, relock=relock)
        return
    name = lock_path(loaded.path).name
    if relock:
        done = f"wrote {name} anew; commit it"
    else:
        state = check_lock(composition)
        if state.state == "current":
            return
        if loaded.overrides:
            note(f"{name} was not written: --set is for this run alone")
            return
        changed = f" ({', '.join(map(str, state.chosen))})" if state.chosen else ""
        done = f"wrote {name}; commit it" if state.state == "missing" else f"{name} follows the spec{changed}"
    try:
        write_lock(loaded.path, pinned_now(composition))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if relock:
            raise UsageError(
                f"the lock cannot be written: {reason}", where=str(lock_path(loaded.path))
            ) from error
        note(f"{name} could not be written ({reason}); nothing pins what this index is made with")
        return
    note(done)


def _drift_error(loaded: LoadedSpec, locked: Lock, drift: tuple[Moved, ...]) -> LockDrift:
    back = (
        ""
        if locked.ragctl == __version__
        else f"; or go back to ragctl {locked.ragctl}, which wrote the lock"
    )
    relock = relock_command(loaded.as_argument)
    if loaded.lock:
        where, forward = loaded.lock.origin, f"{relock} takes it over where the spec is; export the DAG again"
    else:
        where, forward = str(lock_path(loaded.path)), f"{relock} takes it over"
    return LockDrift(
        f"what would be used is not what the lock pins: {'; '.join(map(str, drift))}",
        where=where,
        hint=f"{forward}; another recipe then builds a new generation{back}",
        moved=[(one.what, one.was, one.now) for one in drift],
    )
