"""doctor --repair: mends what can be mended without asking a model and without losing anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.doctor.bloat import clear_bloat
from ragctl.run.doctor.contents import compare, is_left
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.notes import describe_documents, write_notes
from ragctl.state.generations import Generation
from ragctl.state.lease import Lease
from ragctl.state.ledger_repair import LedgerRepair
from ragctl.state.runs import Runs
from ragctl.state.vector_repair import forget_wrong_vectors

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

COMMAND = "doctor --repair"


def repair(loaded: LoadedSpec, *, wait: bool = False) -> list[str]:
    """Mends the spec's index, under its lease. Returns what was done, a sentence each.

    What has to be embedded or stored again is left to the next ingest, which finds the vectors that
    are still known. No document that can be found by a question is removed.

    Args:
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        StateLost: the state is to be rebuilt first.
        NothingPublished: there is nothing yet.
        Mismatch: the index is another pipeline's.
        RunInProgress: another run is writing; nothing was changed.
        LeaseLost: another run took over; what is said to be done was done.
    """
    with Composition(loaded) as composition, database_errors():
        connection = composition.connect_to_existing()
        composition.generations().check_owner(composition.spec.name)
        runs = Runs(connection, composition.index)
        running = {one.id for one in runs.latest() if one.status == "running"}
        with exclusive_run(composition, COMMAND, wait=wait) as (lease, record):
            done = _closed(runs, running)  # by exclusive_run, as nobody else could hold the lease
            done += _Repair(composition, lease).all()
            record["actions"] = done
        return done


def _closed(runs: Runs, running: set[str]) -> list[str]:
    closed = [one.id for one in runs.latest() if one.id in running and one.status == "interrupted"]
    return [f"run {name}: its process is gone; its record was closed" for name in closed]


class _Repair:
    """Each step is a transaction of its own that needs the lease."""

    def __init__(self, composition: Composition, lease: Lease) -> None:
        self._composition = composition
        self._connection = composition.connect()
        self._lease = lease
        self._done: list[str] = []

    def all(self) -> list[str]:
        generations = self._composition.generations()
        catalog = self._composition.catalog(self._connection)
        found = {one.number: one for one in catalog.found(self._composition.index)}
        for generation in generations.dropped():
            if generation.number in found and is_left(self._composition, generation):
                self._drop(generation)
                things, verb = self._composition.stores.called.split()
                verb = "were" if verb == "are" else "was"
                self._say(generation, f"it has been dropped; its leftover {things} {verb} dropped too")
        for generation in generations.all():
            there = found.get(generation.number)
            if there is None or not there.whole:
                self._without_tables(generation, f"its {self._composition.stores.called} gone")
            elif mended := self._with_vectors(generation, there.note.get("dimension")):
                self._mend(mended)
            else:
                self._without_tables(generation, "what it lies in can hold none of its vectors")
        self._describe()
        self._point()
        for generation, what in clear_bloat(self._composition):
            self._say(generation, what)
        return self._done

    @contextmanager
    def _leased(self) -> Iterator[None]:
        with self._connection.transaction():
            self._lease.check(self._connection)
            yield

    def _drop(self, generation: Generation) -> None:
        store = self._composition.store_of(generation)
        with self._leased():
            store.drop()
        if self._composition.stores.apart:  # which could not be taken back
            store.drop()

    def _say(self, generation: Generation, what: str) -> None:
        self._done.append(f"generation {generation.number}: {what}")

    def _with_vectors(self, generation: Generation, noted: object) -> Generation | None:
        """The generation, its dimension put right if only the state has it wrong; None if it is past that."""
        survey = self._composition.survey_of(generation)
        column = survey.column_dimension()
        if survey.holds_vectors() or column is None or column != noted:
            return generation if survey.holds_vectors() else None
        with self._leased():
            self._composition.generations().correct_dimension(generation, column)
        self._say(generation, f"its dimension in the state was put right: {column}")
        return replace(generation, dimension=column)

    def _without_tables(self, generation: Generation, why: str) -> None:
        self._drop(generation)  # one of the two tables may be left
        with self._leased():
            if generation.status == "kept":
                self._composition.generations().mark_dropped(generation)
                self._say(generation, f"{why}; it was dropped")
                return
            documents = LedgerRepair(self._connection, generation.id).forget_all()
        if documents:
            self._say(
                generation,
                f"{why}; documents forgotten, for the next ingest to store again: {documents:,}",
            )

    def _point(self) -> None:
        stores, active = self._composition.stores, self._composition.generations().active()
        if active is not None and stores.astray(self._composition.index, active) is not None:
            stores.point(self._composition.index, active)
            self._say(active, "readers from outside were led elsewhere; they are led to it again")

    def _mend(self, generation: Generation) -> None:
        survey = self._composition.survey_of(generation)
        ledger = LedgerRepair(self._connection, generation.id)
        with self._leased():
            orphans = survey.delete_orphan_chunks()
        if orphans:
            self._report(generation, orphans, "chunks without a document, deleted")
        differences = compare(survey, ledger)
        with self._leased():
            ledger.adopt(differences.unknown, self._lease.run)
            ledger.forget_documents(differences.lacking)
            ledger.read_again(differences.undocumented)
            ledger.store_again(differences.differing)
        self._report(generation, len(differences.unknown), "documents put back into the ledger")
        missing = len(differences.lacking) + len(differences.undocumented)
        self._report(generation, missing, "documents that are gone, forgotten (the next ingest adds them)")
        self._report(
            generation,
            len(differences.differing),
            "damaged documents, to be stored again by the next ingest",
        )
        self._mend_vectors(generation)

    def _mend_vectors(self, generation: Generation) -> None:
        survey = self._composition.survey_of(generation)
        ledger = LedgerRepair(self._connection, generation.id)
        with self._leased():
            wrong = survey.wrong_vectors()
            known = ledger.records()
            documents = [known[key] for key in sorted(wrong) if key in known and known[key].digest]
            forget_wrong_vectors(self._connection, survey.disown_wrong_vectors())
            ledger.store_again(documents)
        self._report(
            generation,
            len(documents),
            "documents with wrong vectors, to be stored again by the next ingest, which asks the model for "
            "those that are not cached",
        )

    def _report(self, generation: Generation, count: int, what: str) -> None:
        if count:
            self._say(generation, f"{what}: {count:,}")

    def _describe(self) -> None:
        with self._leased():
            written = write_notes(self._composition)
            for generation in self._composition.generations().all():
                if self._composition.store_of(generation).exists():
                    self._report(
                        generation,
                        describe_documents(self._composition, generation),
                        "documents whose rows lacked item, reader or fingerprint, completed",
                    )
        if written:
            self._done.append(f"notes of what made a generation, written: {written:,}")
