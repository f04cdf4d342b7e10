"""extract, chunk, embed and store on one batch of documents: each a task of its own, or neighbours in one.

A task streams its batch through the same stage functions as a local ingest. What it hands on lies in the
run's folder; where that is gone, because the task is run again after the run has been published, the
stages before it are done again: texts and vectors are kept, so that nothing is paid twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ragctl.errors import LeaseLost, Mismatch
from ragctl.run.composition import Composition
from ragctl.run.ingesting.item_parts import item_with
from ragctl.run.ingesting.ledgered_writer import LedgeredWriter
from ragctl.run.ingesting.reading import InParts, ItemReader, Listeners
from ragctl.run.ingesting.settling import Settling
from ragctl.run.models.privacy import PrivacyGate
from ragctl.run.progress import Metered, Silent
from ragctl.run.tasks.bulk_format import (
    chunked_entry,
    chunked_of,
    document_of,
    embedded_of,
    item_of,
    parts_entry,
    parts_of,
    read_lines,
    write_lines,
    write_vectors,
)
from ragctl.run.tasks.plan_task import PlanGone, plan_of, planned_generation
from ragctl.run.tasks.work_directory import BulkGone, WorkDirectory
from ragctl.run.usage import stage_json
from ragctl.stages.chunk import chunk
from ragctl.stages.embed import embed
from ragctl.stages.extract import extract
from ragctl.stages.failures import StageFailure
from ragctl.stages.store import store
from ragctl.state.generations import Generation
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger, fingerprint_to_keep
from ragctl.state.runs import Runs
from ragctl.state.texts import TextCache
from ragctl.types import (
    ChunkedDocument,
    Document,
    EmbeddedDocument,
    Failure,
    Item,
    ItemKey,
    LedgerItem,
)

if TYPE_CHECKING:
    from ragctl.run.stores.faces import GenerationStore

STAGES = ("extract", "chunk", "embed", "store")


@dataclass(slots=True)
class BatchReport:
    """What became of a batch so far; it travels with the batch, and ends in the run's report.

    Attributes:
        inputs, seconds: embed inputs that the model was asked for, and how long that took.
        deleted: documents that their items no longer give.
        timings: seconds by stage, or by neighbours that were one task.
        formats, mislabelled: see `FormatTally`.
        in_parts: items that are more than one document, for the task that stores them.
        usage: what models were asked for, by stage, see `stage_json`.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    chunks: int = 0
    embedded: int = 0
    cached: int = 0
    tokens: int = 0
    inputs: int = 0
    seconds: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)
    skips: list[tuple[str, str, str]] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    usage: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: int = 0
    formats: list[dict[str, Any]] = field(default_factory=list)
    mislabelled: list[tuple[str, str, str]] = field(default_factory=list)
    in_parts: list[dict[str, Any]] = field(default_factory=list)


def run_batch(
    composition: Composition,
    stages: Sequence[str],
    reference: dict[str, Any],
    work: WorkDirectory,
    *,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Carries out neighbouring stages on the batch that `reference` names.

    Returns:
        The reference to what came of it: after `store`, the numbers of what was written.

    Raises:
        LeaseLost: the run does not hold the index any more.
        Mismatch: this task's ragctl would make other chunks or vectors than the plan's.
        PlanGone: the run's plan is not in the work directory.
    """
    return _BatchTask(composition, reference, work, note).run(stages)


class _BatchTask:
    def __init__(
        self,
        composition: Composition,
        reference: dict[str, Any],
        work: WorkDirectory,
        note: Callable[[str], None],
    ) -> None:
        self._composition = composition
        self._reference = reference
        self._note = note
        self._folder = work.of(reference["run"])
        self._plan = plan_of(self._folder, reference["run"])
        self._connection = composition.connect()
        self._lease = Lease(composition.index, reference["run"], reference["epoch"])
        if self._plan["epoch"] != reference["epoch"]:
            raise LeaseLost(
                f"the run {reference['run']} was planned again; this task belongs to an earlier plan of it",
                hint="clear this task together with the tasks before it",
            )
        self._lease.renew(self._connection)
        self._generation = self._planned_generation()
        self._ledger = Ledger(self._connection, self._generation.id)
        self._report = BatchReport()
        self._items: list[Item] = []
        self._rows: dict[ItemKey, LedgerItem] = {}
        self._in_index: set[ItemKey] = set()
        self._several: dict[ItemKey, InParts] = {}
        self._meter: Metered | None = None

    def run(self, stages: Sequence[str]) -> dict[str, Any]:
        started = time.perf_counter()
        self._read_items()
        first = STAGES.index(stages[0])
        try:
            stream = self._input(stages[0])
        except BulkGone as gone:
            self._note(f"{gone}; {' and '.join(STAGES[:first])} are done again")
            self._report = BatchReport()
            stream, first = iter(self._items), 0
        for stage in STAGES[first : STAGES.index(stages[-1]) + 1]:
            stream = self._STAGES[stage](self, stream)
        # A stage is a generator: what it finds out is in the report when it has ended.
        done = list(stream)
        if self._meter is not None:
            self._report.inputs += self._meter.inputs
            self._report.seconds += round(self._meter.seconds, 3)
            self._report.usage["embed"] = stage_json(self._meter.usage)
        self._report.timings["+".join(stages)] = round(time.perf_counter() - started, 3)
        return {**self._kept_reference(), **self._hand_on(stages[-1], done)}

    def _kept_reference(self) -> dict[str, Any]:
        return {name: self._reference[name] for name in ("run", "epoch", "batch", "documents", "items")}

    def _planned_generation(self) -> Generation:
        composition = self._composition
        found = planned_generation(composition, self._plan)
        if found.recipe != composition.recipe.digest:
            raise Mismatch(
                f"the run was planned for recipe {found.recipe[:12]}…, and this task's ragctl would work by "
                f"{composition.recipe.digest[:12]}…",
                hint="tasks with a Python, a virtual environment or an image of their own need the same "
                "versions of ragctl and its model as the others",
            )
        return found

    def _read_items(self) -> None:
        try:
            content = self._folder.read(self._reference["items"])
        except BulkGone as gone:
            raise PlanGone(
                f"the plan of the run {self._reference['run']} is incomplete: {gone}",
                where="airflow.work_dir",
                hint="clear `plan` and what follows it, or trigger a new run",
            ) from None
        for line in read_lines(content):
            item = item_of(line["item"])
            key = (item.source, item.path)
            self._items.append(item)
            if line["row"] is not None:
                self._rows[key] = LedgerItem(**line["row"])
            if line["in_index"]:
                self._in_index.add(key)

    # What each stage starts from, if the one before it was another task.

    def _input(self, stage: str) -> Iterator[Any]:
        if stage == "extract":
            return iter(self._items)
        if stage == "store":  # looked at first: without the vectors, all is done again
            vectors = self._folder.read(self._reference["vectors"])
            return embedded_of(vectors, map(chunked_of, self._handed_on()))
        return map(document_of if stage == "chunk" else chunked_of, self._handed_on())

    def _handed_on(self) -> Iterator[Any]:
        """The lines that the task before left; the report that leads them is gone on with."""
        lines = read_lines(self._folder.read(self._reference["file"]))
        self._report = BatchReport(**next(lines))
        return lines

    # The stages.

    def _extract(self, items: Iterator[Item]) -> Iterator[Document]:
        composition = self._composition
        keys = [(item.source, item.path) for item in self._items]
        texts = TextCache(self._connection, composition.index, composition.recipe.extract, among=keys)
        read = ItemReader(
            composition,
            self._rows,
            texts,
            in_index=self._in_index,
            tell=Listeners(
                self._unchanged,
                self._skipped,
                self._kept,
                part_failed=self._part_failed,
                part_skipped=self._part_skipped,
                in_parts=self._in_parts,
            ),
        )
        yield from extract(read.ahead(items), read, on_failure=self._failed)
        texts.flush()
        self._report.formats = read.tally.as_json()
        self._report.mislabelled = read.tally.mislabelled
        self._report.in_parts = [parts_entry(one) for one in self._several.values()]

    def _chunk(self, documents: Iterator[Document]) -> Iterator[ChunkedDocument]:
        return chunk(documents, self._composition.splitter, on_failure=self._failed)

    def _embed(self, chunked: Iterator[ChunkedDocument]) -> Iterator[EmbeddedDocument]:
        embedder = self._composition.embedder
        if embedder.usd_per_million_tokens != 0:
            self._composition.budget.open(self._reference["run"], self._plan.get("max_cost"))
        self._meter = Metered(embedder, Silent(), before_batch=lambda: self._lease.look(self._connection))
        privacy = PrivacyGate(self._composition)
        return embed(
            chunked,
            self._meter,
            cache=self._composition.vector_cache(),
            allow=lambda document: privacy.document(document, embedder),
            on_failure=self._failed,
        )

    def _store(self, embedded: Iterator[EmbeddedDocument]) -> Iterator[None]:
        settling = Settling(self._composition, self._generation, self._lease, self._vectors)
        report = self._report
        for entry in report.in_parts:  # of another task
            self._in_parts(parts_of(entry))
        writer = LedgeredWriter(self._connection, self._vectors, self._ledger, self._pending, self._lease)
        for stored in store(embedded, writer):
            row = self._rows.get((stored.document.source, stored.document.item))
            if row is not None and row.stored:
                report.changed += 1
            else:
                report.added += 1
            report.chunks += stored.chunks
            report.embedded += stored.embedded
            report.cached += stored.cached
            report.tokens += stored.tokens
            yield
        failed = {(one["source"], one["document"]) for one in report.failures}
        report.deleted += settling.settle(self._several.values(), self._pending, failed)

    _STAGES: ClassVar[dict[str, Callable[[_BatchTask, Iterator[Any]], Iterator[Any]]]] = {
        "extract": _extract,
        "chunk": _chunk,
        "embed": _embed,
        "store": _store,
    }

    # What the next task starts from.

    def _hand_on(self, stage: str, done: list[Any]) -> dict[str, Any]:
        if stage == "store":
            return self._finish()
        if stage == "extract":
            return self._write_entries(stage, [asdict(one) for one in done])
        if stage == "chunk":
            return self._write_entries(stage, [chunked_entry(one) for one in done])
        chunked = [ChunkedDocument(one.document, one.chunks) for one in done]
        made = self._write_entries(stage, [chunked_entry(one) for one in chunked])
        with self._folder.writing(f"vectors-{self._reference['batch']}", "npz") as (file, name):
            write_vectors(file, done)
        return {**made, "vectors": name[0]}

    def _write_entries(self, stage: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        with self._folder.writing(f"{stage}-{self._reference['batch']}", "jsonl.gz") as (file, name):
            write_lines(file, [asdict(self._report), *entries])
        return {"file": name[0]}

    def _finish(self) -> dict[str, Any]:
        report = asdict(self._report)
        self._folder.write_json(report_name(self._reference["batch"]), report)
        counts = ("added", "changed", "unchanged", "skipped", "chunks", "embedded", "cached", "tokens")
        return {**{name: report[name] for name in counts}, "failed": len(self._report.failures)}

    @cached_property
    def _vectors(self) -> GenerationStore:
        return self._composition.store_of(self._generation)

    # What becomes of single documents; noted at once, as a local ingest does.

    def _unchanged(self, item: Item, digest: str) -> None:
        with self._lease.held(self._connection):
            self._ledger.record_unchanged(item, digest)
            self._vectors.note_fingerprint((item.source, item.path), fingerprint_to_keep(item))
        self._report.unchanged += 1

    def _skipped(self, item: Item, reason: str) -> None:
        with self._lease.held(self._connection):
            self._ledger.record_skipped(item, reason)
        self._report.skipped += 1
        self._report.skips.append((item.source, item.path, reason))

    def _part_skipped(self, item: Item, path: str, reason: str) -> None:
        self._report.skips.append((item.source, path, reason))

    def _in_parts(self, parts: InParts) -> None:
        key = (parts.item.source, parts.item.path)
        self._several[key] = parts
        self._pending[key] = replace(parts.item, settled=False)  # not whole before `Settling`

    def _kept(self, item: Item) -> None:
        self._report.skipped += 1

    def _failed(self, failed: StageFailure) -> None:
        failure = failed.failure
        self._part_failed(failure, item_with(self._pending, failure.source, failure.document))

    def _part_failed(self, failure: Failure, item: Item) -> None:
        self._report.failures.append(asdict(failure))
        with self._lease.held(self._connection):
            row = replace(item, path=failure.document)
            self._ledger.record_failure(failure, row, since=self._begun())
        self._note(f"failed: {failure.source}: {failure.document}: {failure.message}")

    @cached_property
    def _pending(self) -> dict[ItemKey, Item]:
        return {(item.source, item.path): item for item in self._items}

    def _begun(self) -> datetime | None:
        run = Runs(self._connection, self._composition.index).find(self._reference["run"])
        return run.started_at if run is not None else None


def report_name(batch: int) -> str:
    """The file that holds the report of a batch that came to its end."""
    return f"report-{batch}.json"
