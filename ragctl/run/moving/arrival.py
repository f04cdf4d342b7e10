"""Where documents are carried to: a new generation of an index, published when all of it has been checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from ragctl.errors import Mismatch
from ragctl.run.composition import Composition
from ragctl.run.ingesting.closing import optimize, publish
from ragctl.run.moving.content import ContentSum, same
from ragctl.run.moving.moved import Moved
from ragctl.run.moving.origin import Origin
from ragctl.run.progress import Progress
from ragctl.run.redone import redone
from ragctl.run.upkeep.generation_choice import Target, drop_leftovers
from ragctl.run.upkeep.notes import write_notes
from ragctl.state.generations import Generation
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.state.ledger_rows import LedgerRows
from ragctl.stores.whole_document import WholeDocument
from ragctl.types import DocumentRecord, ItemKey

_REMOVED_AT_ONCE = 1_000


class Arrival:
    """A generation that is being filled from elsewhere, under the lease of its index.

    It is a half-built one until the end: nobody asks it, an ingest would complete it, `index prune` drops
    it. The same command goes on with it: what lies there already and is the same is not written again.

    Args:
        made_by: what made the documents; the new generation is noted as made by it too.

    Attributes:
        seen: the documents that have been carried.
    """

    def __init__(self, composition: Composition, lease: Lease, made_by: Generation) -> None:
        self._composition = composition
        self._connection = composition.connect()
        self._lease = lease
        composition.stores.refuse_taken(composition.index)
        self._target = self._opened(made_by)
        self.generation = self._target.generation
        self._survey = composition.survey_of(self.generation)
        self._rows = LedgerRows(self._connection, self.generation.id)
        self._survey.create()
        drop_leftovers(composition, lease)
        with lease.held(self._connection):
            write_notes(composition)
        self._left = self._rows.documents()  # of a run that was stopped
        self.seen: set[ItemKey] = set()
        self._content = ContentSum()

    def _opened(self, made_by: Generation) -> Target:
        """The half-built generation of the same recipe, or a new one; other half-built ones are dropped."""
        generations = self._composition.generations()
        with self._lease.held(self._connection):
            generations.claim_index(self._composition.spec.name)
            every = generations.all()
            building = [one for one in every if one.status == "building" and one.recipe == made_by.recipe]
            chosen = building[-1] if building else None
            others = tuple(one for one in every if one != chosen)
            chosen = chosen or generations.create(
                recipe=made_by.recipe,
                recipe_parts=made_by.recipe_parts,
                embedder=made_by.embedder,
                dimension=made_by.dimension,
                settings=made_by.settings,
                store=self._composition.spec.store.type,
            )
            active = next((one for one in others if one.status == "active"), None)
            target = Target(self._composition, existing=chosen, active=active, others=others, known=())
            return target.made(generations)

    def fill(self, origin: Origin, moved: Moved, progress: Progress, stop: Callable[[], bool]) -> None:
        """Writes all documents, and reads back what was written; publishes the generation at the end.

        Asked to stop, it ends after the documents in hand, and nothing is published.

        Raises:
            LeaseLost: another run took over; it writes nothing since.
            Mismatch: what lies there is not what was carried; nothing was published.
        """
        moved.generation = self.generation.number
        progress.start(origin.counts[0], "documents")
        try:
            for some in origin.documents():
                if stop():
                    moved.interrupted = True
                    return
                moved.written += self._take(some)
                moved.documents += len(some)
                moved.chunks += sum(one.chunks for one in some)
                progress.advance(len(some), chunks=sum(one.chunks for one in some))
        finally:
            progress.done()
        moved.content = self._content.hex
        self._remove_others()
        self._settle_items(origin)
        self._check_counts(origin.counts)
        optimize(self._composition, self._lease, self.generation, changed=True, tell=progress.note)
        done = publish(self._composition, self._lease, self._target, allow_partial=True)
        moved.published = done.done

    def _take(self, documents: Sequence[WholeDocument]) -> int:
        """Writes those that are not there yet as they are to be; returns how many."""
        known = [one.key for one in documents if one.key in self._left]
        there = {one.key: one for one in self._survey.whole_of(known)} if known else {}
        lacking = [one for one in documents if one.key not in there or not same(one, there[one.key])]
        if lacking:
            self._write(lacking)
            self._read_back(lacking)
        for one in documents:
            self.seen.add(one.key)
            self._content.add(one)
        return len(lacking)

    def _write(self, documents: Sequence[WholeDocument]) -> None:
        self._lease.look(self._connection)
        staged = self._survey.stage_whole(documents)

        def commit() -> None:
            with self._lease.held(self._connection):
                self._survey.commit_whole(staged)
                self._rows.put_documents([_record(one) for one in documents], self._lease.run)

        redone(commit)
        self._survey.tidy()

    def _read_back(self, documents: Sequence[WholeDocument]) -> None:
        found = {one.key: one for one in self._survey.whole_of([one.key for one in documents])}
        for one in documents:
            if one.key not in found or not same(one, found[one.key]):
                what = "is not there" if one.key not in found else "is there with another content"
                raise Mismatch(
                    f"it was written, and {what} when it is read again; nothing was published",
                    where=":".join(one.key),
                    hint="run the same command again; `ragctl doctor SPEC` of the target says more",
                )

    def _remove_others(self) -> None:
        """What an earlier run left there and is not carried any more."""
        gone = sorted(self._left - self.seen)
        for start in range(0, len(gone), _REMOVED_AT_ONCE):
            some = gone[start : start + _REMOVED_AT_ONCE]

            def remove(some: Sequence[ItemKey] = some) -> None:
                with self._lease.held(self._connection):
                    self._survey.delete(some)
                    self._rows.forget_documents(some)

            redone(remove)
            self._survey.tidy()

    def _settle_items(self, origin: Origin) -> None:
        """From now on an ingest knows of the items what was known of them where they came from."""
        left = self._rows.item_keys()
        for rows in origin.items():

            def put(rows: Sequence[object] = rows) -> None:
                with self._lease.held(self._connection):
                    self._rows.put_items(rows)  # type: ignore[arg-type]  # what `items` gives

            redone(put)
            left -= {one.key for one in rows}
        with self._lease.held(self._connection):
            self._rows.forget_items(sorted(left))

    def _check_counts(self, expected: tuple[int, int]) -> None:
        known = Ledger(self._connection, self.generation.id).counts()
        stored = self._survey.counts()
        if not expected == known == stored:
            raise Mismatch(
                f"{stored[0]:,} documents and {stored[1]:,} chunks arrived, the ledger has {known[0]:,} and "
                f"{known[1]:,}, and {expected[0]:,} and {expected[1]:,} were carried; nothing was published",
                where=f"generation {self.generation.number} of {self._composition.index!r}",
                hint="run the same command again; `ragctl doctor SPEC` of the target says more",
            )


def made_by_recipe_of(composition: Composition, settings: dict[str, dict[str, object]]) -> Generation:
    """A generation, not made yet, of the spec's own recipe."""
    recipe = composition.recipe
    return Generation(
        id=0,
        index=composition.index,
        number=0,
        recipe=recipe.digest,
        recipe_parts=asdict(recipe),
        embedder=composition.embedder.identity,
        dimension=composition.embedder.dimension,
        status="building",
        settings=settings,
    )


def _record(document: WholeDocument) -> DocumentRecord:
    one = document.stored.document
    return DocumentRecord(
        source=one.source,
        path=one.path,
        item=one.item,
        digest=one.digest,
        reader=one.reader,
        fingerprint=document.fingerprint,
        chunks=document.chunks,
    )
