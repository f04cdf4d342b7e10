"""Removes a document everywhere: generations, ledger, kept texts, cached vectors, old run records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ragctl.errors import OverlongInput, Unavailable, UsageError
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.kept_inputs import tables_with_inputs
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.stages.embed import input_hash
from ragctl.state.answers import forget_answers
from ragctl.state.generations import Generation, Generations, every_generation
from ragctl.state.ledger import Ledger
from ragctl.state.runs import Runs
from ragctl.state.texts import TextCache
from ragctl.state.traces import (
    count_unused_vectors,
    forget_unused_vectors,
    forget_vectors,
    known_names,
)
from ragctl.types import ItemKey

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RemovedFrom:
    """What went from one generation."""

    generation: int
    status: str
    documents: int
    chunks: int


@dataclass(slots=True)
class Forgotten:
    """What was removed.

    Attributes:
        item: the path of the item; all documents that were read from it went.
        texts: 1 if its extracted text was kept.
        answers: kept results of questions, all of the index's: any of them may quote it.
        vectors: cached vectors of its chunks.
        run_records: records of runs that named it.
        unused_vectors: cached vectors of no chunk in any generation: removed if that was asked
            for, and otherwise still there.
    """

    run_id: str
    index: str
    source: str
    item: str
    generations: list[RemovedFrom] = field(default_factory=list)
    texts: int = 0
    answers: int = 0
    vectors: int = 0
    run_records: int = 0
    unused_vectors: int = 0
    unused_vectors_removed: bool = False

    def as_json(self) -> dict[str, Any]:
        """The document that `ragctl forget --format json` prints; fields may be added, none changed."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def counts(self) -> dict[str, int]:
        """Numbers alone, for the record of the run: it must not name what was forgotten."""
        return {
            "deleted": max((one.documents for one in self.generations), default=0),
            "chunks_deleted": sum(one.chunks for one in self.generations),
            "texts_deleted": self.texts,
            "answers_deleted": self.answers,
            "vectors_deleted": self.vectors + (self.unused_vectors if self.unused_vectors_removed else 0),
        }


def forget(loaded: LoadedSpec, name: str, *, unused_vectors: bool = False) -> Forgotten:
    """Removes an item with all its documents, in one transaction, under the index's lease.

    A store that lies apart deletes it when the transaction has ended.

    Args:
        name: path of an item or of a document in it, or `source:path`.
        unused_vectors: also remove every cached vector that no chunk in any generation has: an
            older version of the document may have left some, and nothing says which.

    Raises:
        UsageError: nothing is known by that name, or more than one source has it.
        NothingPublished: no ingest or plan has ever run here.
        Mismatch: the index is another pipeline's.
        RunInProgress: another run is writing; nothing was removed.
    """
    with Composition(loaded) as composition, database_errors():
        known = known_names(composition.connect_to_existing(), composition.index)
        item = _find(known, name)
        with exclusive_run(composition, "forget", wait=False, needs_generation=False) as (lease, record):
            done = Forgotten(lease.run, composition.index, *item, unused_vectors_removed=unused_vectors)
            with composition.connect().transaction():
                lease.check(composition.connect())
                _Forgetting(composition).remove(item, done)
            _delete_at_last(composition)
            record["counts"] = done.counts()
        return done


def _delete_at_last(composition: Composition) -> None:
    """Where a store lies apart, nobody sees the document any more; now it is deleted there.

    Raises:
        Unavailable: it is not, or not all of it.
    """
    try:
        for generation in composition.generations().all():
            store = composition.store_of(generation)
            if store.exists():
                store.tidy()
    except Unavailable as error:
        error.message = f"the document is forgotten, and in the store not all of it deleted: {error.message}"
        error.hint = (
            f"{composition.command('doctor', '--repair')} deletes the rest, and so does the next ingest"
        )
        raise


class _Forgetting:
    def __init__(self, composition: Composition) -> None:
        self._composition = composition
        self._connection = composition.connect()

    def remove(self, item: ItemKey, done: Forgotten) -> None:
        """Removes everything and writes down in `done` what it was."""
        names = _names_of(known_names(self._connection, self._composition.index), item)
        texts = TextCache(self._connection, self._composition.index, self._composition.recipe.extract)
        hashes = set(self._hashes_of_text(texts, item))
        for generation in Generations(self._connection, self._composition.index).all():
            removed, found = self._remove_from(generation, item)
            done.generations.append(removed)
            hashes |= found
        done.texts = texts.forget([item])
        done.answers = forget_answers(self._connection, self._composition.index)
        # Of every index of the database: they share the cache.
        with tables_with_inputs(self._composition, every_generation(self._connection)) as tables:
            done.vectors = forget_vectors(self._connection, hashes, tables)
            if done.unused_vectors_removed:
                done.unused_vectors = forget_unused_vectors(self._connection, tables)
            else:
                done.unused_vectors = count_unused_vectors(self._connection, tables)
        done.run_records = Runs(self._connection, self._composition.index).forget(item[0], names)

    def _remove_from(self, generation: Generation, item: ItemKey) -> tuple[RemovedFrom, set[bytes]]:
        ledger = Ledger(self._connection, generation.id)
        documents = sorted({item, *ledger.documents_of([item])})
        ledger.forget([item])
        store = self._composition.store_of(generation)
        if not store.exists():  # a generation that has only just been begun
            return RemovedFrom(generation.number, generation.status, 0, 0), set()
        hashes = store.input_hashes(documents)
        before = store.counts()
        store.delete(documents)
        after = store.counts()
        gone = (before[0] - after[0], before[1] - after[1])
        return RemovedFrom(generation.number, generation.status, *gone), hashes

    def _hashes_of_text(self, texts: TextCache, item: ItemKey) -> Iterator[bytes]:
        """Of what a run that did not get as far as storing it may have embedded."""
        for document in texts.last(item):
            with suppress(OverlongInput):  # then nothing of it was embedded
                for chunk in self._composition.splitter.split(document).chunks:
                    yield input_hash(chunk.embed_input)


def _find(names: dict[ItemKey, set[ItemKey]], name: str) -> ItemKey:
    found = {item for (_, known), items in names.items() if known == name for item in items}
    source, _, path = name.partition(":")
    found = found or names.get((source, path), set())
    if len(found) > 1:
        options = ", ".join(sorted(f"{item[0]}:{item[1]}" for item in found))
        raise UsageError(f"several documents go by {name!r}", hint=f"name one of {options}")
    if not found:
        paths = sorted({known for _, known in names})
        close = get_close_matches(name, paths, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "ragctl show SPEC lists them"
        raise UsageError(f"nothing is known of a document {name!r}", hint=hint)
    return found.pop()


def _names_of(names: dict[ItemKey, set[ItemKey]], item: ItemKey) -> set[str]:
    """The item's own and those of its documents."""
    return {item[1], *(name for (_, name), items in names.items() if item in items)}
