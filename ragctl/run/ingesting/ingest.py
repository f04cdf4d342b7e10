"""ingest: draft, then extract → chunk → embed → store as one stream, then delete and publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ragctl.errors import LeaseLost
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.ingesting.cache_limit import limit_cache
from ragctl.run.ingesting.closing import delete_gone, optimize, publish
from ragctl.run.ingesting.consent import Agree, guard_cost
from ragctl.run.ingesting.draft import Draft, make_draft
from ragctl.run.ingesting.ignored_failures import IgnoredFailures
from ragctl.run.ingesting.item_parts import item_with
from ragctl.run.ingesting.ledgered_writer import LedgeredWriter
from ragctl.run.ingesting.opening import open_run, ready_generation
from ragctl.run.ingesting.planning import AgreedPlan
from ragctl.run.ingesting.reading import InParts, ItemReader, Listeners
from ragctl.run.ingesting.report import IngestReport
from ragctl.run.ingesting.settling import Settling
from ragctl.run.models.locking import guard_lock, keep_lock
from ragctl.run.models.privacy import PrivacyGate
from ragctl.run.models.retry_notes import RetryNotes
from ragctl.run.models.selection_report import report_selection
from ragctl.run.progress import Metered, Progress, Silent
from ragctl.run.redone import redone
from ragctl.run.run_record import error_of, record_at_end
from ragctl.run.stopwatch import Stopwatch
from ragctl.run.upkeep.generation_choice import Target
from ragctl.stages.chunk import chunk
from ragctl.stages.embed import embed
from ragctl.stages.extract import extract
from ragctl.stages.failures import StageFailure
from ragctl.stages.store import store
from ragctl.state.generations import Generations
from ragctl.state.lease import acquire_lease
from ragctl.state.ledger import Ledger, fingerprint_to_keep
from ragctl.state.runs import Runs, new_run_id
from ragctl.state.texts import TextCache
from ragctl.types import Failure, Item, ItemKey

if TYPE_CHECKING:
    from ragctl.spec.load import LoadedSpec

# A backend whose client was killed notices at its next read or write, which may be some seconds off.
LEASE_PATIENCE_S = 5.0
CATCH_UP = "rollback"


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What the caller allows and asks for.

    Attributes:
        allow_delete: this many documents may be deleted whatever their share.
        allow_partial: publish a new generation even if it lacks documents of the active one.
        retry_failed: try again what failed for good, too.
        wait: wait for another run on the index to end, however long it takes.
        max_cost: US dollars that the run may cost: it ends before the request that might pass it.
        yes: whatever it costs, nobody need be asked.
        agree: asked whether the run may cost what it would, where neither of them nor a plan says so.
        agreed: do exactly what this plan says, or nothing; what it allows takes the place of
            `allow_delete` and `retry_failed`.
        undo_rollback: build a new generation by a recipe that was rolled back.
        into: number of the kept or trial generation to bring up to date and publish, whose recipe must be
            the spec's. The spec's lock has no part in that.
        into_command: what such a run is called in the list of runs.
        trial: write to a generation of an experiment; the active one, and the lock, stay as they are.
        relock: write the spec's lock anew, whatever it says.
        reselect: with `provider: auto`, choose the embedder anew, whatever the lock pins.
    """

    allow_delete: int | None = None
    allow_partial: bool = False
    retry_failed: bool = False
    wait: bool = False
    max_cost: float | None = None
    yes: bool = False
    agree: Agree | None = None
    agreed: AgreedPlan | None = None
    undo_rollback: bool = False
    into: int | None = None
    into_command: str = CATCH_UP
    trial: bool = False
    relock: bool = False
    reselect: bool = False


def ingest(
    loaded: LoadedSpec,
    options: IngestOptions | None = None,
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    environment: Mapping[str, str] | None = None,
    when_giving_up: Callable[[Callable[[], None]], None] = lambda act: None,
) -> IngestReport:
    """Brings the spec's index up to date with its sources.

    Args:
        stop: asked before each document; once true, documents in hand are finished and the run ends.
        environment: values in place of environment variables; the process's own if None.
        when_giving_up: given what is to be called before a KeyboardInterrupt ends the run at once: threads
            that wait for a provider's limits are woken by it.

    Raises:
        GuardRefused: nothing was written.
        LeaseLost: another run took over; nothing was written since.
        LockBroken, LockDrift: the spec's lock cannot be read, or has drifted; nothing was written.
        Mismatch, Unavailable: see there.
    """
    chosen = options or IngestOptions()
    if chosen.agreed is not None:
        agreed = chosen.agreed
        chosen = replace(chosen, allow_delete=agreed.allow_delete, retry_failed=agreed.retry_failed)
    with Composition(loaded, environment, reselect=chosen.reselect) as composition, database_errors():
        when_giving_up(composition.stop_waiting)
        PrivacyGate(composition).sources(composition.embedder)
        if chosen.into is None:  # and before a server is started or another run waited for
            guard_lock(composition, relock=chosen.relock)
        return Ingest(composition, chosen, progress or Silent(), stop).run()


class Ingest:
    """One ingest. `run` is called once."""

    def __init__(
        self,
        composition: Composition,
        options: IngestOptions,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._composition = composition
        self._options = options
        self._progress = progress
        self._stop = stop
        self._spec = composition.spec
        self._watch = Stopwatch()
        self._meter: Metered | None = None
        self._privacy = PrivacyGate(composition)
        composition.tell = RetryNotes(progress.note)

    def run(self) -> IngestReport:
        started = time.monotonic()
        self._privacy.sources(self._composition.embedder)
        self._connection = connection = self._composition.connect()
        index = self._composition.index
        runs = Runs(connection, index)
        generations = Generations(connection, index)
        run = new_run_id()
        patience = float("inf") if self._options.wait else LEASE_PATIENCE_S
        with self._watch.phase("wait"):
            self._lease = acquire_lease(connection, index, run, runs, patience_s=patience)
        draft = self._draft(generations)
        selection = report_selection(self._composition)
        if selection is not None and selection.note is not None:
            self._progress.note(f"note: {selection.note}")
        if self._options.into is None and not self._options.trial:
            keep_lock(self._composition, relock=self._options.relock, note=self._progress.note)
        command = "ingest" if self._options.into is None else self._options.into_command
        opened = open_run(self._composition, self._lease, draft, command=command)
        self._at_start, target = opened.record, opened.target
        if self._composition.embedder.usd_per_million_tokens != 0:
            self._composition.budget.open(run, self._options.max_cost)
        self._report = IngestReport(
            run_id=run,
            pipeline=self._spec.name,
            index=index,
            generation=target.generation.number,
            recipe=self._composition.recipe.digest,
            started_at=datetime.now(UTC),
            ignored=IgnoredFailures(self._spec.ignore),
            selection=selection.as_json() if selection is not None else None,
            trial=self._options.trial,
        )
        try:
            self._apply(draft, target)
        except BaseException as error:
            self._finish(runs, _status(error), started, error)
            raise
        self._finish(runs, "interrupted" if self._report.interrupted else "done", started)
        return self._report

    def _draft(self, generations: Generations) -> Draft:
        options = self._options
        draft = make_draft(
            self._composition,
            generations,
            allow_delete=options.allow_delete,
            retry_failed=options.retry_failed,
            watch=self._watch,
            into=options.into,
            undo_rollback=options.undo_rollback,
            trial=options.trial,
        )
        if options.agreed is not None:
            options.agreed.check(self._composition, draft)
        guard_cost(
            self._composition,
            draft,
            max_cost_usd=options.max_cost,
            agreed=options.yes or options.agreed is not None,
            agree=options.agree,
            progress=self._progress,
        )
        return draft

    def _finish(self, runs: Runs, status: str, started: float, error: BaseException | None = None) -> None:
        import psycopg

        self._report.seconds = time.monotonic() - started
        self._count_usage()
        # The error that brought us here matters more; a run left `running` is closed by the next one.
        with suppress(psycopg.Error):
            reason = error_of(error, interrupted=self._report.interrupted)
            record = record_at_end(
                self._composition, self._at_start, self._report, self._watch, self._meter, reason
            )
            runs.finish(self._report.run_id, status, record)

    def _count_usage(self) -> None:
        if self._meter is not None:
            self._report.add_usage("embed", self._meter.usage)

    def _apply(self, draft: Draft, target: Target) -> None:
        plan = draft.plan
        counts = self._report.counts
        counts.listed = plan.listed
        counts.unchanged = len(plan.unchanged)
        counts.skipped = len(plan.skipped)
        self._report.failures = [*plan.unlisted, *plan.known_failures]
        self._ledger = Ledger(self._connection, target.generation.id)
        self._vectors = ready_generation(self._composition, self._lease, target, plan)
        if plan.to_read:
            self._progress.start(len(plan.to_read), "documents")
            try:
                settling = Settling(
                    self._composition, target.generation, self._lease, self._vectors
                )  # before anything is written
                with self._watch.phase("stream"):
                    self._stream(draft)
                    self._settle(settling)
            finally:
                self._progress.done()  # also after an interrupt: it gives the terminal back
        counts.failed = len(self._report.failures)
        if self._report.interrupted:
            return
        with self._watch.phase("delete"):
            gone = [(one, draft.gone.get(one.id, [])) for one, _ in target.known_items()]
            delete_gone(self._composition, self._lease, gone)
            counts.deleted += len(draft.deleted)
        with self._watch.phase("optimize"):
            changed = bool(counts.added or counts.changed or counts.deleted)
            optimize(
                self._composition, self._lease, target.generation, changed=changed, tell=self._progress.note
            )
        if self._options.trial:
            return  # nor are vectors dropped that the next variant may need
        with self._watch.phase("publish"):
            self._publish(target)
        with self._watch.phase("prune"):
            limit_cache(self._composition)

    def _stream(self, draft: Draft) -> None:
        composition = self._composition
        self._pending = {(item.source, item.path): item for item in draft.plan.to_read}
        self._several: dict[ItemKey, InParts] = {}
        self._fed: list[ItemKey] = []
        cache = composition.vector_cache()
        texts = TextCache(self._connection, composition.index, composition.recipe.extract)
        agreed = self._options.agreed
        read = ItemReader(
            composition,
            draft.ledger,
            texts,
            in_index=draft.stored,
            tell=Listeners(
                self._unchanged,
                self._skipped,
                self._kept,
                part_failed=self._part_failed,
                part_skipped=self._part_skipped,
                in_parts=self._in_parts,
            ),
            as_planned=agreed.holds if agreed is not None else lambda item, digest: True,
        )
        self._report.tally = read.tally
        writer = LedgeredWriter(self._connection, self._vectors, self._ledger, self._pending, self._lease)
        documents = extract(read.ahead(self._feed(draft.plan.to_read)), read, on_failure=self._failed)
        chunked = chunk(documents, composition.splitter, on_failure=self._failed)
        # An abandoned run is not to go on paying for vectors until its next commit.
        self._meter = Metered(
            composition.embedder, self._progress, before_batch=lambda: self._lease.look(self._connection)
        )
        embedded = embed(
            chunked,
            self._meter,
            cache=cache,
            allow=lambda document: self._privacy.document(document, composition.embedder),
            on_failure=self._failed,
        )
        for stored in store(embedded, writer):
            row = draft.ledger.get((stored.document.source, stored.document.item))
            self._report.counts.add_stored(stored, was_there=row is not None and row.stored)
            self._report.tokens += stored.tokens
            self._advance((stored.document.source, stored.document.item), chunks=stored.chunks)
        texts.flush()
        self._report.texts_found = read.texts_found

    def _feed(self, items: Sequence[Item]) -> Iterator[Item]:
        for item in items:
            if self._stop():
                self._report.interrupted = True
                return
            self._fed.append((item.source, item.path))
            yield item

    def _unchanged(self, item: Item, digest: str) -> None:
        def note() -> None:
            self._ledger.record_unchanged(item, digest)
            self._vectors.note_fingerprint((item.source, item.path), fingerprint_to_keep(item))

        self._note(note)
        self._report.counts.unchanged += 1
        self._progress.advance()

    def _skipped(self, item: Item, reason: str) -> None:
        self._note(lambda: self._ledger.record_skipped(item, reason))
        self._report.counts.skipped += 1
        self._report.skipped.append((item.source, item.path, reason))
        self._progress.advance()

    def _part_skipped(self, item: Item, path: str, reason: str) -> None:
        self._report.skipped.append((item.source, path, reason))

    def _in_parts(self, parts: InParts) -> None:
        key = (parts.item.source, parts.item.path)
        self._several[key] = parts
        self._pending[key] = replace(parts.item, settled=False)  # not whole before `_settle`
        self._progress.advance()

    def _advance(self, item: ItemKey, *, chunks: int = 0) -> None:
        """One more is done: items were counted beforehand, so one in parts counts once, when it begins."""
        self._progress.advance(0 if item in self._several else 1, chunks=chunks)

    def _settle(self, settling: Settling) -> None:
        failed = {(one.source, one.document) for one in self._report.failures}
        read = {key: self._pending[key] for key in self._fed}
        self._report.counts.deleted += settling.settle(self._several.values(), read, failed)

    def _kept(self, item: Item) -> None:
        self._report.counts.skipped += 1  # not noted in the ledger: another `existing` may want it read
        self._progress.advance()

    def _failed(self, failed: StageFailure) -> None:
        failure = failed.failure
        item = item_with(self._pending, failure.source, failure.document)
        self._part_failed(failure, item)
        self._advance((item.source, item.path))

    def _part_failed(self, failure: Failure, item: Item) -> None:
        self._report.failures.append(failure)
        self._note(lambda: self._ledger.record_failure(failure, replace(item, path=failure.document)))
        self._progress.note(f"failed: {failure.source}: {failure.document}: {failure.message}")

    def _note(self, write: Callable[[], None]) -> None:
        def noted() -> None:
            with self._lease.held(self._connection):
                write()

        redone(noted)

    def _publish(self, target: Target) -> None:
        published = publish(
            self._composition,
            self._lease,
            target,
            allow_partial=self._options.allow_partial,
            # A rollback keeps what it goes back from, whatever the spec says.
            drop_old=self._options.into is None,
        )
        self._report.published = published.done
        if published.lacking and not published.done:
            lacking = published.lacking
            self._report.lacking = len(lacking)
            self._progress.note(
                f"not published: it lacks {len(lacking):,} documents of the active generation, "
                f"the first is {lacking[0][0]}:{lacking[0][1]}; --allow-partial publishes without them"
            )


def _status(error: BaseException) -> str:
    if isinstance(error, LeaseLost):
        return "abandoned"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
