"""doctor --rebuild-state: makes a lost state again from what lies beside the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.doctor.contents import compare
from ragctl.run.upkeep.exclusive import exclusive_run
from ragctl.run.upkeep.notes import generation_of
from ragctl.state.generations import Generation
from ragctl.state.ledger_repair import LedgerRepair

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec
    from ragctl.state.lease import Lease

COMMAND = "doctor --rebuild-state"


def rebuild_state(loaded: LoadedSpec, *, wait: bool = False) -> list[str]:
    """Restores index, generations, items and documents. Returns what was done, a sentence each.

    No model is asked, and the store stays as it is. Lost for good are known failures, skipped
    files, kept texts and the records of runs, where their tables were lost: the next ingest looks
    at those files once more. Tables of the state that are gone are made again; what is left of the
    others stays, also of other indexes in the same database.

    Args:
        wait: wait for another run on the index to end, however long it takes.

    Raises:
        NothingPublished: there is nothing to rebuild it from.
        Mismatch: tables carry no note of what made them, or are another pipeline's.
        RunInProgress: another run is writing to the index.
    """
    with Composition(loaded) as composition, database_errors():
        _, made = composition.connect_to_lost()
        with exclusive_run(composition, COMMAND, wait=wait, needs_generation=False) as (lease, record):
            done = [f"the state's tables {', '.join(made)} were made again"] if made else []
            done += _Rebuild(composition, lease).all()
            record["actions"] = done
        return done


@dataclass(frozen=True, slots=True)
class _Rebuild:
    composition: Composition
    lease: Lease

    def all(self) -> list[str]:
        """Everything in one transaction: the next command meets the whole state, or the lost one."""
        connection = self.composition.connect()
        with connection.transaction():
            self.lease.check(connection)
            generations = self.composition.generations()
            generations.claim_index(self.composition.spec.name)
            restored = self._restore_generations()
            done = [self._sentence(one, restored) for one in generations.all()]
        return [sentence for sentence in done if sentence]

    def _restore_generations(self) -> set[int]:
        """Numbers of those whose rows were made again."""
        composition = self.composition
        generations = composition.generations()
        known = {one.number: one for one in (*generations.all(), *generations.dropped())}
        # The one that was active last goes first, so that the pointer goes to it.
        lost = sorted(
            (
                generation_of(
                    one.note,
                    pipeline=composition.spec.name,
                    index=composition.index,
                    number=one.number,
                    store=composition.spec.store.type,
                )
                for one in composition.catalog(composition.connect()).found(composition.index)
                if one.number not in known
            ),
            key=lambda one: one.published_at.timestamp() if one.published_at else 0.0,
            reverse=True,
        )
        return {generations.restore(one).number for one in lost}

    def _sentence(self, generation: Generation, restored: set[int]) -> str:
        """Restores the generation's ledger; says what was done, or nothing."""
        documents = self._restore_ledger(generation)
        parts = []
        if generation.number in restored:
            parts.append(f"its row was made again from its note: {generation.status}")
        if documents:
            parts.append(f"documents put back into the ledger: {documents:,}")
        return f"generation {generation.number}: {'; '.join(parts)}" if parts else ""

    def _restore_ledger(self, generation: Generation) -> int:
        survey = self.composition.survey_of(generation)
        if not survey.exists():
            return 0
        survey.recall()
        ledger = LedgerRepair(self.composition.connect(), generation.id)
        unknown = compare(survey, ledger).unknown
        ledger.adopt(unknown, self.lease.run)
        return len(unknown)
