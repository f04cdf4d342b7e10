"""The generations of an index as a user sees them: how large, how old, how far behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.state.cache_limit import CacheSize, cache_size
from ragctl.state.generations import Generation, Generations
from ragctl.state.ledger import Ledger

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class GenerationView:
    """One generation.

    Attributes:
        differs: the parts of its recipe that are not the spec's now: extract, chunk, embed.
        documents, chunks: in its tables.
        bytes: its tables with their indexes, on disk; None where the store does not say.
        published_at: when it last became the active one.
        behind: documents of the active generation that it lacks or has in another version; None if
            there is no active one, 0 for that one itself.
        tables: they are there.
    """

    number: int
    status: str
    recipe: str
    recipe_parts: Mapping[str, str]
    differs: tuple[str, ...]
    embedder: str
    dimension: int
    documents: int
    chunks: int
    bytes: int | None
    created_at: datetime | None
    published_at: datetime | None
    behind: int | None
    tables: bool

    def as_json(self) -> dict[str, Any]:
        """Its part of the documents of `ragctl index --format json`."""
        return {
            **asdict(self),
            "differs": list(self.differs),
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "published_at": self.published_at.isoformat() if self.published_at else None,
        }


@dataclass(frozen=True, slots=True)
class GenerationList:
    """All of an index's generations, oldest first, and the cache that they share with other indexes."""

    index: str
    pipeline: str
    recipe: str
    generations: list[GenerationView]
    cache: CacheSize
    cache_max_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The document of `ragctl index SPEC list --format json`; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            "pipeline": self.pipeline,
            "recipe": self.recipe,
            "generations": [one.as_json() for one in self.generations],
            "cache": {**asdict(self.cache), "max_bytes": self.cache_max_bytes},
        }


@dataclass(frozen=True, slots=True)
class GenerationDetails:
    """One generation with the settings that made it.

    Attributes:
        settings: the spec's sections extract, chunk and embed; empty if they were not recorded.
        failed, skipped: items of its ledger.
        behind: (source, document) of what `GenerationView.behind` counts.
    """

    index: str
    view: GenerationView
    settings: Mapping[str, Any]
    failed: int
    skipped: int
    behind: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """The document of `ragctl index SPEC show --format json`; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "index": self.index,
            **self.view.as_json(),
            "settings": self.settings,
            "failed": self.failed,
            "skipped": self.skipped,
            "behind_documents": [
                {"source": source, "document": document} for source, document in self.behind
            ],
        }


def list_generations(loaded: LoadedSpec) -> GenerationList:
    """Every generation that has not been dropped.

    Raises:
        NothingPublished: no ingest has run here yet.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        generations = composition.generations()
        active = generations.active()
        if not generations.all():
            raise composition.nothing_published()
        views = [_view(composition, generations, one, active)[0] for one in generations.all()]
        return GenerationList(
            index=composition.index,
            pipeline=composition.spec.name,
            recipe=composition.recipe.digest,
            generations=views,
            cache=cache_size(connection),
            cache_max_bytes=composition.spec.store.cache_max_bytes,
        )


def show_generation(loaded: LoadedSpec, number: int | None = None) -> GenerationDetails:
    """One generation; the active one if no number is given.

    Raises:
        NothingPublished: there is nothing yet.
        UsageError: there is none of that number.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        generations = composition.generations()
        active = generations.active()
        if number is None and active is None:
            raise composition.nothing_published()
        one = active if number is None else find_generation(generations.all(), number)
        assert one is not None  # no number means the active one, which there is
        view, behind = _view(composition, generations, one, active)
        items = Ledger(connection, one.id).items().values()
        return GenerationDetails(
            index=composition.index,
            view=view,
            settings=one.settings,
            failed=sum(row.failure is not None for row in items),
            skipped=sum(row.skipped is not None for row in items),
            behind=behind,
        )


def find_generation(every: list[Generation], number: int) -> Generation:
    """The one of that number.

    Raises:
        UsageError: there is none, or it has been dropped.
    """
    for one in every:
        if one.number == number:
            return one
    there = ", ".join(str(one.number) for one in every) or "none"
    raise UsageError(f"there is no generation {number}", hint=f"there is: {there}")


def differing_parts(composition: Composition, generation: Generation) -> tuple[str, ...]:
    """Which of extract, chunk and embed are not those of the spec now."""
    now = asdict(composition.recipe)
    return tuple(name for name, digest in now.items() if generation.recipe_parts.get(name) != digest)


def _view(
    composition: Composition, generations: Generations, one: Generation, active: Generation | None
) -> tuple[GenerationView, list[tuple[str, str]]]:
    store = composition.store_of(one)
    documents, chunks = store.counts()
    behind = generations.behind(one, active) if active is not None and active.id != one.id else []
    view = GenerationView(
        number=one.number,
        status=one.status,
        recipe=one.recipe,
        recipe_parts=one.recipe_parts,
        differs=differing_parts(composition, one),
        embedder=one.embedder,
        dimension=one.dimension,
        documents=documents,
        chunks=chunks,
        bytes=store.size_bytes(),
        created_at=one.created_at,
        published_at=one.published_at,
        behind=len(behind),
        tables=store.exists(),
    )
    return (view if active is not None else replace(view, behind=None)), behind
