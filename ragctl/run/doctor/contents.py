"""State against store: does each generation hold what the ledger says, and are its vectors vectors?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.doctor.finding import Finding
from ragctl.run.upkeep.notes import stale_notes
from ragctl.state.generations import Generation
from ragctl.state.lease import is_held
from ragctl.state.ledger_repair import LedgerRepair
from ragctl.types import DocumentRecord, ItemKey

if TYPE_CHECKING:
    from ragctl.run.stores.faces import GenerationSurvey


@dataclass(frozen=True, slots=True)
class Differences:
    """What store and ledger of one generation say differently of documents.

    Attributes:
        unknown: stored, and not in the ledger.
        lacking: in the ledger, and not stored.
        differing: in another version or with another number of chunks than the ledger says.
        awaited: will be stored again by the next ingest, because an earlier repair found them damaged.
        undocumented: items that are noted as stored, without a document in ledger or store.
    """

    unknown: list[DocumentRecord]
    lacking: list[ItemKey]
    differing: list[DocumentRecord]
    awaited: list[ItemKey]
    undocumented: list[ItemKey]


def compare(survey: GenerationSurvey, ledger: LedgerRepair) -> Differences:
    """Both sides of one generation, document by document."""
    stored, known = survey.records(), ledger.records()
    both = stored.keys() & known.keys()
    awaited = sorted(key for key in both if not known[key].digest)
    items = {(one.source, one.item) for one in stored.values()}
    return Differences(
        unknown=[stored[key] for key in sorted(stored.keys() - known.keys())],
        lacking=sorted(known.keys() - stored.keys()),
        differing=[stored[key] for key in sorted(both) if _differs(stored[key], known[key])],
        awaited=awaited,
        undocumented=[key for key in ledger.items_without_documents() if key not in items],
    )


def _differs(stored: DocumentRecord, known: DocumentRecord) -> bool:
    another_version = bool(known.digest) and stored.digest != known.digest
    return another_version or stored.chunks != known.chunks


def look_at_contents(composition: Composition) -> Iterator[Finding]:
    """Every generation that has tables, and every table that should not be there."""
    if composition.stores.apart and is_held(composition.connect(), composition.index):
        yield Finding(
            "contents",
            True,
            "a run is writing, and a store apart from the state cannot be compared with it meanwhile",
            f"{composition.command('doctor')} once the run has ended",
            warning=True,
        )
        return
    found = {one.number: one for one in composition.catalog(composition.connect()).found(composition.index)}
    generations = composition.generations()
    repair = composition.command("doctor", "--repair")
    for generation in generations.all():
        there = found.get(generation.number)
        if there is not None and there.whole:
            yield from _GenerationCheck(composition, generation).findings()
        elif (
            generation.status not in ("building", "trial")
            or not _ledger_of(composition, generation).is_empty()
        ):
            yield _without_tables(composition, generation)
    for generation in generations.dropped():
        if generation.number in found and is_left(composition, generation):
            yield Finding(
                f"leftover {composition.stores.called.split()[0]}",
                False,
                f"generation {generation.number} has been dropped, and its {composition.stores.called} "
                "still there",
                repair,
            )
    active = generations.active()
    elsewhere = composition.stores.astray(composition.index, active) if active is not None else None
    if elsewhere is not None:
        yield Finding(
            "alias",
            False,
            f"readers from outside who go by the index's name are led to {elsewhere}, not to the active "
            "generation",
            f"{composition.command('ingest')} or {repair} leads them there",
        )
    stale = stale_notes(composition)
    if stale:
        numbers = ", ".join(str(one.number) for one in stale)
        yield Finding(
            "note",
            True,
            f"generation {numbers} does not carry what a lost state could be rebuilt from",
            f"{composition.command('ingest')} or {repair} writes it",
            warning=True,
        )


def is_left(composition: Composition, generation: Generation) -> bool:
    """Is something left of what was found, besides a collection in which only others' tenants are?"""
    return not composition.stores.apart or composition.store_of(generation).exists()


def _ledger_of(composition: Composition, generation: Generation) -> LedgerRepair:
    return LedgerRepair(composition.connect(), generation.id)


def _without_tables(composition: Composition, generation: Generation) -> Finding:
    repair = composition.command("doctor", "--repair")
    trial = generation.status == "trial"
    ingest = composition.command("experiment", "run") if trial else composition.command("ingest")
    things, verb = composition.stores.called.split()
    what = f"the {things} of generation {generation.number} ({generation.status}) {verb} gone"
    if generation.status == "kept":
        return Finding(things, False, what, f"{repair} drops what is left of it")
    if _ledger_of(composition, generation).is_empty():
        return Finding(things, False, what, f"{ingest} stores its documents again, from kept vectors")
    return Finding(things, False, what, f"{repair}, then {ingest}: it stores from kept vectors")


class _GenerationCheck:
    """One generation whose tables are there."""

    def __init__(self, composition: Composition, generation: Generation) -> None:
        self._generation = generation
        self._survey = composition.survey_of(generation)
        self._ledger = _ledger_of(composition, generation)
        self._of = "" if generation.status == "active" else f" of generation {generation.number}"
        self._repair = composition.command("doctor", "--repair")
        self._ingest = (
            f"ragctl index {composition.loaded.as_argument} rollback {generation.number} --catch-up"
            if generation.status == "kept"
            else composition.command("experiment", "run")
            if generation.status == "trial"
            else composition.command("ingest")
        )

    def findings(self) -> Iterator[Finding]:
        faults = [*self._contents(), *self._vectors()]
        yield from faults
        if not faults:
            documents, chunks = self._survey.counts()
            yield Finding(
                f"contents{self._of}", True, f"{documents:,} documents, {chunks:,} chunks, as the ledger says"
            )

    def _contents(self) -> Iterator[Finding]:
        differences = compare(self._survey, self._ledger)
        orphans = self._survey.orphan_chunks()
        then = f"{self._repair}, then {self._ingest}"
        if orphans:
            yield self._finding("orphan chunks", f"chunks without a document: {orphans:,}", self._repair)
        if differences.unknown:
            keys = [(one.source, one.path) for one in differences.unknown]
            what = f"{_some(keys)}: stored, and not known to the ledger"
            yield self._finding("unknown documents", what, f"{self._repair} puts them back into it")
        if differences.lacking or differences.undocumented:
            what = (
                f"{_some([*differences.lacking, *differences.undocumented])}: in the ledger, and not stored"
            )
            yield self._finding("missing documents", what, then)
        if differences.differing:
            keys = [(one.source, one.path) for one in differences.differing]
            what = f"{_some(keys)}: in another version, or with more or fewer chunks, than the ledger says"
            yield self._finding("damaged documents", what, then)
        if differences.awaited:
            yield self._finding(
                "damaged documents",
                f"{_some(differences.awaited)}: to be stored again, from kept vectors",
                self._ingest,
            )

    def _vectors(self) -> Iterator[Finding]:
        if not self._survey.holds_vectors():
            column = self._survey.column_dimension()
            what = (
                "the column with the vectors is gone"
                if column is None
                else f"the table's vectors have {column} dimensions, "
                f"the state says {self._generation.dimension}"
            )
            yield self._finding("dimension", what, f"{self._repair}, then {self._ingest}")
            return
        wrong = self._survey.wrong_vectors()
        if wrong:
            what = f"{_some(sorted(wrong))}: a vector is missing, zero or not of unit length"
            awaited = {key for key, one in self._ledger.records().items() if not one.digest}
            fix = self._ingest if wrong.keys() <= awaited else f"{self._repair}, then {self._ingest}"
            yield self._finding("vectors", what, fix)

    def _finding(self, check: str, detail: str, fix: str) -> Finding:
        return Finding(f"{check}{self._of}", False, detail, fix)


def _some(keys: Collection[ItemKey]) -> str:
    """`docs:a.md`, or `3 documents, the first docs:a.md`."""
    source, path = next(iter(keys))
    first = f"{source}:{path}"
    return first if len(keys) == 1 else f"{len(keys):,} documents, the first {first}"
