"""index import: an exported index, or somebody else's texts and vectors, as a new generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.errors import MalformedDocument, Mismatch, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.models.locking import guard_lock, keep_lock
from ragctl.run.moving.arrival import Arrival, made_by_recipe_of
from ragctl.run.moving.content import ContentSum, refuse_wrong_vectors
from ragctl.run.moving.fitting import (
    refuse_other_model,
    refuse_other_recipe,
    refuse_published,
    unknown_sources,
)
from ragctl.run.moving.moved import Moved
from ragctl.run.moving.origin import ITEMS_AT_ONCE, MOST_CHUNKS
from ragctl.run.moving.parquet_reading import ParquetIndex
from ragctl.run.progress import Progress, Silent
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.notes import generation_of
from ragctl.spec.recipe import recipe_settings
from ragctl.state.generations import Generation
from ragctl.state.ledger_rows import ItemRow
from ragctl.stores.whole_document import WholeDocument
from ragctl.types import ItemKey

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec


class FileOrigin:
    """Files as what is carried; implements `Origin`.

    Somebody else's is read once before, because nobody says how much is in it.

    Args:
        generation: what the documents are to be noted as made by.
        source: of documents for which the file names none.
    """

    def __init__(self, files: ParquetIndex, generation: Generation, *, where: str, source: str) -> None:
        self._files, self._where, self._source = files, where, source
        self.generation = generation
        self.counts = self._counted()
        self._digests: dict[ItemKey, str] = {}  # of the items of somebody else's file

    def _counted(self) -> tuple[int, int]:
        if self._files.about is not None:
            return self._files.about["documents"], self._files.about["chunks"]
        documents = chunks = 0
        for some in self._files.documents(MOST_CHUNKS, source=self._source):
            documents += len(some)
            chunks += sum(one.chunks for one in some)
        return documents, chunks

    def documents(self) -> Iterator[list[WholeDocument]]:
        """All of them, some at a time.

        Raises:
            MalformedDocument: the file is damaged.
            Mismatch: a vector is none, or what the file holds is not what was exported.
        """
        total = ContentSum()
        for some in self._files.documents(MOST_CHUNKS, source=self._source):
            for one in some:
                refuse_wrong_vectors(one, self.generation.dimension, hint="see how the file was made")
                total.add(one)
                if self._files.about is None:
                    self._digests[one.item] = one.stored.document.digest
            yield some
        about = self._files.about
        if about is not None and about["content"] != total.hex:
            raise Mismatch(
                "it does not hold what was exported; nothing was published",
                where=self._where,
                hint="export or copy it again",
            )

    def items(self) -> Iterator[list[ItemRow]]:
        """"""
        yield from self._files.items(ITEMS_AT_ONCE)
        rows = [
            ItemRow(source=source, path=path, fingerprint="", digest=digest, stored=True)
            for (source, path), digest in self._digests.items()
        ]
        for start in range(0, len(rows), ITEMS_AT_ONCE):
            yield rows[start : start + ITEMS_AT_ONCE]


def import_index(
    loaded: LoadedSpec,
    path: Path,
    *,
    replace: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Moved:
    """Makes a new generation of what a file holds, and publishes it when all of it is there.

    Args:
        path: as it was named in the export; or somebody else's `NAME.parquet`, with at least `document`,
            `text` and `vector`, made by the embedder that the spec names.
        replace: also where the index has a published generation, which is kept.
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        UsageError: the file is not there.
        MalformedDocument: it is no Parquet file, is damaged, or lacks columns.
        Mismatch: recipes, models or dimensions differ; or what arrived is not what the file holds.
        GuardRefused: the index has something published, or another run is in progress.
        MissingPackage: pyarrow is not installed.
    """
    started = time.monotonic()
    files = ParquetIndex(path)
    moved = Moved("import", str(path), f"{loaded.spec.store.index} ({loaded.path})", bytes=files.bytes)
    with Composition(loaded) as there, database_errors():
        guard_lock(there, relock=False)
        made_by = _made_by(there, files, path)
        there.connect()
        with exclusive_run(there, "index import", wait=wait, needs_generation=False) as (lease, record):
            refuse_published(there, replace=replace, command="the import")
            origin = FileOrigin(files, made_by, where=str(path), source=_first_source(there))
            if not origin.counts[0]:
                raise MalformedDocument("there is no document in it", where=str(path))
            arrival = Arrival(there, lease, made_by)
            arrival.fill(origin, moved, progress or Silent(), stop)
            note = unknown_sources(there, {source for source, _ in arrival.seen})
            moved.notes += [note] if note else []
            if moved.published:
                keep_lock(there, relock=False, note=moved.notes.append)
            moved.seconds = time.monotonic() - started
            record.update(moved.as_json(), recipe=made_by.recipe)
    return moved


def _made_by(there: Composition, files: ParquetIndex, path: Path) -> Generation:
    """The exported generation; of somebody else's file one of the spec's own recipe."""
    if files.about is not None:
        note = files.about["generation"]
        made_by = generation_of(note, pipeline=note["pipeline"], index=note["index"], number=note["number"])
        refuse_other_recipe(there, made_by, where=str(path), show="the settings in the file's metadata")
        return made_by
    refuse_other_model(there, there.embedder.identity, files.dimension, where=str(path))
    return made_by_recipe_of(there, recipe_settings(there.spec, there.embed_settings))


def _first_source(there: Composition) -> str:
    name = there.spec.sources[0].name
    if name is None:
        raise UsageError("the spec's first source has no name", where=there.loaded.where("sources.0"))
    return name
