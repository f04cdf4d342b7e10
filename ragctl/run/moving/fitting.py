"""Does what is carried fit the spec of the index that it is carried to?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragctl.errors import GuardRefused, Mismatch
from ragctl.run.upkeep.generation_view import differing_parts

if TYPE_CHECKING:
    from ragctl.run.composition import Composition
    from ragctl.state.generations import Generation


def refuse_other_model(target: Composition, embedder: str, dimension: int, *, where: str) -> None:
    """Sees that questions to the target are embedded as the documents were.

    Raises:
        Mismatch: by another model, or to another dimension.
    """
    wanted = target.embedder
    if embedder != wanted.identity:
        raise Mismatch(
            f"the vectors were made by the embedder {embedder!r}, and {target.loaded.path} names "
            f"{wanted.identity!r}; nothing was written",
            where=where,
            hint="name that embedder in the spec (embed), or ingest there: it makes vectors of its own",
        )
    if dimension != wanted.dimension:
        raise Mismatch(
            f"the vectors have {dimension} dimensions, those of {target.loaded.path} have "
            f"{wanted.dimension}; nothing was written",
            where=where,
            hint="give the spec the same number of dimensions (embed)",
        )


def refuse_other_recipe(target: Composition, generation: Generation, *, where: str, show: str) -> None:
    """Sees that an ingest of the target would make the same chunks and vectors.

    Args:
        show: the command, or the place, that says what the settings were.

    Raises:
        Mismatch: it would not, and would build everything anew.
    """
    refuse_other_model(target, generation.embedder, generation.dimension, where=where)
    if generation.recipe == target.recipe.digest:
        return
    parts = " and ".join(differing_parts(target, generation))
    raise Mismatch(
        f"it was made by other {parts} settings than those of {target.loaded.path}, whose next ingest would "
        "build everything anew; nothing was written",
        where=where,
        hint=f"give that spec the same {parts} settings ({show} prints them). If they are the same, another "
        "release of ragctl made the index: ingest it with this one first",
    )


def refuse_published(target: Composition, *, replace: bool, command: str) -> None:
    """Sees that the target has nothing to be asked, or that it may be replaced.

    Raises:
        GuardRefused: it has, and it may not.
    """
    active = target.generations().active()
    if active is None or replace:
        return
    documents, chunks = target.store_of(active).counts()
    raise GuardRefused(
        f"the index {target.index!r} has {documents:,} documents and {chunks:,} chunks already, in its "
        f"generation {active.number}; nothing was written",
        where=str(target.loaded.path),
        hint=f"with --replace, {command} makes a new generation the active one and keeps this one, as "
        "store.keep_generations says; or give the spec another store.index",
    )


def unknown_sources(target: Composition, sources: set[str]) -> str | None:
    """What is to be known of sources that the target's spec does not have; None if it has all."""
    unknown = sorted(sources - {one.name for one in target.spec.sources if one.name is not None})
    if not unknown:
        return None
    names = ", ".join(unknown)
    return (
        f"{target.loaded.path} has no source named {names}: its next ingest would delete those documents, "
        f"and the deletion guard would refuse that (ragctl plan {target.loaded.as_argument})"
    )
