"""ingest: list, plan, guard, then extract → chunk → embed → store as one stream, then publish."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import ListingFailed, MalformedDocument, Mismatch
from ragctl.plan import Plan, guard_deletions, guard_existing, make_plan
from ragctl.readers.auto import reader_for
from ragctl.run.composition import Composition, database_errors
from ragctl.run.generation_choice import Target, choose_target, drop_old_generations
from ragctl.run.ingest_report import IngestReport
from ragctl.run.progress import Metered, Progress, Silent
from ragctl.stages.chunk import chunk
from ragctl.stages.embed import embed
from ragctl.stages.extract import extract
from ragctl.stages.failures import StageFailure
from ragctl.stages.store import store
from ragctl.state.generations import Generations
from ragctl.state.lease import acquire_lease
from ragctl.state.ledger import Ledger
from ragctl.state.runs import Runs, new_run_id
from ragctl.state.vector_cache import PostgresVectorCache
from ragctl.types import Document, EmbeddedDocument, Failure, Item, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.spec.load import LoadedSpec
    from ragctl.stores.pgvector import PgVectorStore

# A backend whose client was killed notices at its next read or write, which may be some seconds off.
LEASE_PATIENCE_S = 5.0


def ingest(
    loaded: LoadedSpec,
    *,
    allow_delete: int | None = None,
    allow_partial: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Brings the spec's index up to date with its sources.

    Args:
        allow_delete: this many documents may be deleted whatever their share.
        allow_partial: publish a new generation even if it lacks documents of the active one.
        stop: asked before each document; once true, documents in hand are finished and the run ends.

    Raises:
        GuardRefused: nothing was written.
        Mismatch, Unavailable: see there.
    """
    with Composition(loaded) as composition, database_errors():
        return Ingest(composition, allow_delete, allow_partial, progress or Silent(), stop).run()


class Ingest:
    """One ingest. `run` is called once."""

    def __init__(
        self,
        composition: Composition,
        allow_delete: int | None,
        allow_partial: bool,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._composition = composition
        self._allow_delete = allow_delete
        self._allow_partial = allow_partial
        self._progress = progress
        self._stop = stop
        self._spec = composition.spec

    def run(self) -> IngestReport:
        started = time.monotonic()
        connection = self._composition.connect()
        index = self._composition.index
        runs = Runs(connection, index)
        generations = Generations(connection, index)
        acquire_lease(connection, index, runs, patience_s=LEASE_PATIENCE_S)
        generations.check_owner(self._spec.name)
        listing = self._list()
        target = choose_target(self._composition, generations)
        plan = self._plan(listing, target)

        generations.claim_index(self._spec.name)
        runs.close_dead()
        target = target.made(generations)
        self._report = IngestReport(
            run_id=new_run_id(),
            pipeline=self._spec.name,
            index=index,
            generation=target.generation.number,
            recipe=self._composition.recipe.digest,
            started_at=datetime.now(UTC),
        )
        runs.start(self._report.run_id, pipeline=self._spec.name, command="ingest")
        try:
            self._apply(plan, target, generations)
        except BaseException as error:
            self._finish(runs, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", started)
            raise
        self._finish(runs, "interrupted" if self._report.interrupted else "done", started)
        return self._report

    def _finish(self, runs: Runs, status: str, started: float) -> None:
        import psycopg

        self._report.seconds = time.monotonic() - started
        # The error that brought us here matters more; a run left `running` is closed by the next one.
        with suppress(psycopg.Error):
            runs.finish(self._report.run_id, status, self._report.as_json())

    def _list(self) -> list[Item | Failure]:
        listing: list[Item | Failure] = []
        for source in self._composition.sources:
            before = len(listing)
            listing.extend(source.items())
            if len(listing) == before and self._allow_delete is None:
                raise ListingFailed(
                    f"the source {source.name!r} lists nothing; nothing was written",
                    hint="look at its path, include and exclude; if it is to be empty: --allow-delete N",
                )
        return listing

    def _plan(self, listing: Sequence[Item | Failure], target: Target) -> Plan:
        self._ledger_items = target.ledger_items()
        existing = self._spec.store.existing
        plan = make_plan(listing, self._ledger_items, existing=existing)
        listed = {(one.source, one.document if isinstance(one, Failure) else one.path) for one in listing}
        self._gone: dict[int, list[ItemKey]] = {}
        stored: set[ItemKey] = set()
        if existing == "replace":
            for generation, rows in target.known_items():
                self._gone[generation.id] = sorted(key for key in rows if key not in listed)
                if generation in (target.active, target.existing):
                    stored.update(key for key, row in rows.items() if row.stored)
        guard_existing(plan, existing)
        guard_deletions([key for key in stored if key not in listed], stored, allow_delete=self._allow_delete)
        self._deleted = {key for key in stored if key not in listed} if existing == "replace" else set()
        return plan

    def _apply(self, plan: Plan, target: Target, generations: Generations) -> None:
        counts = self._report.counts
        counts.listed = plan.listed
        counts.unchanged = len(plan.unchanged)
        counts.skipped = len(plan.skipped)
        self._report.failures = [*plan.unlisted, *plan.known_failures]
        self._ledger = Ledger(self._composition.connect(), target.generation.id)
        self._pending = {(item.source, item.path): item for item in plan.to_read}
        vectors = self._composition.store_of(target.generation)
        vectors.create()
        if plan.to_read:
            self._progress.start(len(plan.to_read), "documents")
            self._stream(plan, vectors)
            self._progress.done()
        counts.failed = len(self._report.failures)
        if self._report.interrupted:
            return
        self._delete(target)
        self._publish(target, vectors, generations)

    def _stream(self, plan: Plan, vectors: PgVectorStore) -> None:
        composition = self._composition
        cache = PostgresVectorCache(composition.connect(), composition.embedder.identity)
        writer = LedgeredWriter(
            composition.connect(), vectors, self._ledger, self._pending, self._report.run_id
        )
        documents = extract(self._feed(plan.to_read), self._read, on_failure=self._failed)
        chunked = chunk(documents, composition.splitter, on_failure=self._failed)
        embedder = Metered(composition.embedder, self._progress)
        for stored in store(embed(chunked, embedder, cache=cache), writer):
            row = self._ledger_items.get((stored.document.source, stored.document.item))
            self._report.counts.add_stored(stored, was_there=row is not None and row.stored)
            self._report.tokens += stored.tokens
            self._progress.advance(chunks=stored.chunks)

    def _feed(self, items: Sequence[Item]) -> Iterator[Item]:
        for item in items:
            if self._stop():
                self._report.interrupted = True
                return
            yield item

    def _read(self, item: Item) -> Iterator[Document]:
        row = self._ledger_items.get((item.source, item.path))
        stored = row is not None and row.stored
        by_name = reader_for(item)
        if by_name.reader is None and not stored:
            self._skip(item, by_name.reason)
            return
        data = self._bytes(item)
        digest = hashlib.sha256(data).hexdigest()
        if row is not None and stored and row.digest == digest:
            self._ledger.record_unchanged(item, digest)
            self._report.counts.unchanged += 1
            self._progress.advance()
            return
        reader, reason = reader_for(item, data)
        if reader is None:
            if stored:
                raise MalformedDocument(f"it is in the index and can no longer be read: {reason}")
            self._skip(item, reason)
            return
        made_by = f"{reader.name}@{reader.output_version}"
        for document in reader.read(item, data):
            yield replace(document, item=item.path, digest=digest, reader=made_by)

    def _bytes(self, item: Item) -> bytes:
        limit = self._spec.extract.max_bytes
        source = next(one for one in self._composition.sources if one.name == item.source)
        with source.open(item) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise MalformedDocument(f"it is larger than extract.max_bytes ({limit:,} bytes)")
        return data

    def _skip(self, item: Item, reason: str) -> None:
        self._ledger.record_skipped(item, reason)
        self._report.counts.skipped += 1
        self._report.skipped.append((item.source, item.path, reason))
        self._progress.advance()

    def _failed(self, failed: StageFailure) -> None:
        failure = failed.failure
        self._report.failures.append(failure)
        self._ledger.record_failure(failure, self._pending[failure.source, failure.document])
        self._progress.note(f"failed: {failure.source}: {failure.document}: {failure.message}")
        self._progress.advance()

    def _delete(self, target: Target) -> None:
        connection = self._composition.connect()
        for generation, _ in target.known_items():
            gone = self._gone.get(generation.id)
            if not gone:
                continue
            ledger = Ledger(connection, generation.id)
            with connection.transaction():
                self._composition.store_of(generation).delete(ledger.documents_of(gone))
                ledger.forget(gone)
        self._report.counts.deleted = len(self._deleted)

    def _publish(self, target: Target, vectors: PgVectorStore, generations: Generations) -> None:
        if target.generation.status == "active":
            self._report.published = True
            return
        lacking = target.lacking(self._ledger)
        stored = self._ledger.counts()
        if not stored[0] or (lacking and not self._allow_partial):
            if lacking:
                self._progress.note(
                    f"not published: {len(lacking)} documents of the active generation failed in this one, "
                    f"the first is {lacking[0][0]}:{lacking[0][1]}; --allow-partial publishes without them"
                )
            return
        if vectors.counts() != stored:
            raise Mismatch(
                f"the new generation holds {vectors.counts()} documents and chunks, the ledger says {stored}",
                hint="ragctl doctor",
            )
        generations.publish(target.generation, instead_of=target.active)
        self._report.published = True
        drop_old_generations(self._composition, generations)


class LedgeredWriter:
    """Writes documents and their ledger rows in one transaction."""

    def __init__(
        self,
        connection: Connection[Any],
        vectors: PgVectorStore,
        ledger: Ledger,
        items: Mapping[ItemKey, Item],
        run: str,
    ) -> None:
        self._connection = connection
        self._vectors = vectors
        self._ledger = ledger
        self._items = items
        self._run = run

    def replace(self, documents: list[EmbeddedDocument]) -> None:
        """All of them, or none."""
        with self._connection.transaction():
            self._vectors.replace(documents)
            self._ledger.record_stored(documents, self._items, self._run)
