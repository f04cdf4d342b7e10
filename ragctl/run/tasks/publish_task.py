"""publish, the last task of an ingest in a DAG: deletions, checks, the flip of the pointer, the report.

It runs also after a batch whose task has died, and decides by the spec what the run is then. Doing it
again changes nothing that has been done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ragctl.errors import IncompleteIngest, Mismatch, RagctlError
from ragctl.run.composition import Composition
from ragctl.run.ingesting.cache_limit import limit_cache
from ragctl.run.ingesting.closing import delete_gone, optimize, publish
from ragctl.run.ingesting.ignored_failures import IgnoredFailures
from ragctl.run.ingesting.report import IngestReport
from ragctl.run.run_record import error_of, model_of, record_of_tasks
from ragctl.run.tasks.batch_task import BatchReport, report_name
from ragctl.run.tasks.bulk_format import item_of, read_lines
from ragctl.run.tasks.plan_task import PLAN_FILE, plan_of, planned_generation
from ragctl.run.tasks.work_directory import LEFT_BEHIND_S, BulkGone, RunFolder, WorkDirectory
from ragctl.run.upkeep.generation_choice import Target
from ragctl.run.usage import usage_of
from ragctl.state.generations import Generation, Generations
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.state.runs import RunRow, Runs
from ragctl.types import Failure, Item, ItemKey

# Plans of so many runs are kept, so that their tasks can be cleared and run again; their bulk is not.
KEPT_PLANS = 5
_KEPT_FILES = (PLAN_FILE, "items-", "gone-", "report-")


def publish_ingest(
    composition: Composition,
    run: str,
    work: WorkDirectory,
    asked: WorkDirectory,
    *,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Ends the run and frees the index.

    Args:
        asked: the work directory of questions, whose leftovers are removed.

    Returns:
        The JSON document of `ragctl ingest`, and under `asset` what the asset event says.

    Raises:
        PlanGone: the run's plan did not come to its end.
        LeaseLost: another run has taken the index since.
        IncompleteIngest: more failed than the spec allows and `airflow.on_partial` is `fail`, or there
            was nothing to publish. What could be done is done.
    """
    ending = _Ending(composition, run, work.of(run), note)
    report = ending.end()
    with suppress(RagctlError):  # what is left behind costs room, and is removed another time
        ending.clear_up()
        _remove_old(work, keep=work.folder_name(run))
        _remove_left_behind(asked)
    verdict = report.verdict(composition.spec.max_failures, composition.command)
    document = {**report.as_json(), "asset": _asset(composition, report)}
    if verdict is None:
        return document
    if composition.spec.airflow.on_partial == "warn" and report.published:
        note(f"warning: {verdict.message}")
        return document
    raise IncompleteIngest(verdict.message, where=verdict.where, hint=verdict.hint, report=document)


class _Ending:
    def __init__(
        self, composition: Composition, run: str, folder: RunFolder, note: Callable[[str], None]
    ) -> None:
        self._composition = composition
        self._folder = folder
        self._note = note
        self._plan = plan_of(folder, run)
        self._connection = composition.connect()
        self._lease = Lease(composition.index, run, self._plan["epoch"])
        self._runs = Runs(self._connection, composition.index)

    def end(self) -> IngestReport:
        self._lease.renew(self._connection)
        row = self._runs.reopen(self._lease.run)
        if row is None:
            raise Mismatch(f"the state knows no run {self._lease.run}", hint="trigger a new run of the DAG")
        target = self._target()
        report = self._report(target, row)
        timings: dict[str, float] = dict(self._plan["timings"])
        measured = self._add_batches(report, target, timings)
        try:
            self._apply(report, target)
        except BaseException as error:
            reason = error_of(error, interrupted=False)
            record = record_of_tasks(self._composition, row.record, report, timings, measured, reason)
            self._runs.finish(self._lease.run, "failed", record)
            raise
        report.seconds = (datetime.now(UTC) - row.started_at).total_seconds()
        record = record_of_tasks(self._composition, row.record, report, timings, measured, None)
        self._runs.finish(self._lease.run, "done", record)
        self._lease.release(self._connection)
        return report

    def _report(self, target: Target, row: RunRow) -> IngestReport:
        composition, plan = self._composition, self._plan
        report = IngestReport(
            run_id=self._lease.run,
            pipeline=composition.spec.name,
            index=composition.index,
            generation=target.generation.number,
            recipe=composition.recipe.digest,
            started_at=row.started_at,
            failures=[Failure(**one) for one in plan["failures"]],
            ignored=IgnoredFailures(composition.spec.ignore),
        )
        report.counts.listed = plan["listed"]
        report.counts.unchanged = plan["unchanged"]
        report.counts.skipped = plan["skipped"]
        return report

    def _target(self) -> Target:
        """The generation that the run was planned for, the one that was active then, and the others."""
        composition = self._composition
        chosen = planned_generation(composition, self._plan)
        every = Generations(self._connection, composition.index).all()
        active = next((one for one in every if one.number == self._plan["active"]), None)
        others = tuple(one for one in every if one != chosen)
        return Target(composition, chosen, active, others, ())

    # What the batches did.

    def _add_batches(
        self, report: IngestReport, target: Target, timings: dict[str, float]
    ) -> dict[str, Any] | None:
        dead, inputs, tokens, seconds = [], 0, 0, 0.0
        for number in range(self._plan["batches"]):
            content = self._folder.read_json(report_name(number))
            if content is None:
                dead.append(number)
                continue
            batch = BatchReport(**content)
            inputs, tokens, seconds = inputs + batch.inputs, tokens + batch.tokens, seconds + batch.seconds
            self._add(report, batch)
            for name, value in batch.timings.items():
                timings[name] = round(timings.get(name, 0.0) + value, 3)
        if dead:
            self._add_dead(report, target, dead)
        report.counts.failed = len(report.failures)
        whole = {"inputs": inputs, "tokens": tokens, "seconds": round(seconds, 3)}
        whole |= model_of(self._composition)
        return whole if inputs and not dead else None

    def _add(self, report: IngestReport, batch: BatchReport) -> None:
        counts = report.counts
        for name in ("added", "changed", "unchanged", "skipped", "chunks", "embedded", "cached"):
            setattr(counts, name, getattr(counts, name) + getattr(batch, name))
        counts.deleted += batch.deleted
        report.tokens += batch.tokens
        report.tally.add(batch.formats)
        report.tally.mislabelled += [(source, path, note) for source, path, note in batch.mislabelled]
        for stage, entry in batch.usage.items():
            report.add_usage(stage, usage_of(entry))
        report.failures += [Failure(**one) for one in batch.failures]
        report.skipped += [(source, path, reason) for source, path, reason in batch.skips]

    def _add_dead(self, report: IngestReport, target: Target, dead: list[int]) -> None:
        """Documents of batches that did not come to their end: stored before that, or failed."""
        stored = Ledger(self._connection, target.generation.id).stored_by(self._lease.run)
        for number in dead:
            lost = 0
            for item, was_stored in self._items_of(number):
                if (item.source, item.path) in stored:
                    documents, chunks = stored[item.source, item.path]
                    report.counts.chunks += chunks
                    if was_stored:
                        report.counts.changed += documents
                    else:
                        report.counts.added += documents
                else:
                    lost += 1
                    report.failures.append(_died(item, number))
            self._note(f"batch {number} did not come to its end: {lost:,} documents are not stored")

    def _items_of(self, number: int) -> Iterator[tuple[Item, bool]]:
        for name in self._folder.names():
            if name.startswith(f"items-{number}-"):
                for line in read_lines(self._folder.read(name)):
                    row = line["row"]
                    yield item_of(line["item"]), row is not None and row["stored"]

    # What is left to do.

    def _apply(self, report: IngestReport, target: Target) -> None:
        by_number = {one.number: one for one in (target.generation, *target.others)}
        delete_gone(self._composition, self._lease, self._gone(by_number))
        report.counts.deleted += self._plan["deleted"]
        counts = report.counts
        changed = bool(counts.added or counts.changed or counts.deleted)
        optimize(self._composition, self._lease, target.generation, changed=changed, tell=self._note)
        allow_partial = self._plan["allow_partial"]
        published = publish(self._composition, self._lease, target, allow_partial=allow_partial)
        report.published = published.done
        if not published.done:
            report.lacking = len(published.lacking)
        limit_cache(self._composition)

    def _gone(self, by_number: dict[int, Generation]) -> list[tuple[Generation, list[ItemKey]]]:
        try:
            lines = list(read_lines(self._folder.read(self._plan["gone"])))
        except BulkGone as gone:
            raise Mismatch(f"the plan of the run is incomplete: {gone}", hint="trigger a new run") from None
        keys: dict[int, list[ItemKey]] = {}
        for line in lines:
            keys.setdefault(line["generation"], []).append((line["source"], line["path"]))
        return [(by_number[number], found) for number, found in keys.items() if number in by_number]

    def clear_up(self) -> None:
        """Removes the bulk; the plan stays, so that a task can be cleared and run again."""
        for name in self._folder.names():
            if not name.startswith(_KEPT_FILES):
                self._folder.remove(name)


def _died(item: Item, batch: int) -> Failure:
    return Failure(
        source=item.source,
        document=item.path,
        stage="batch",
        error="task_died",
        message=f"its batch ({batch}) did not come to its end; the failed task's log says why",
        retryable=True,
    )


def _asset(composition: Composition, report: IngestReport) -> dict[str, Any]:
    """What the event of the index's asset says of a run."""
    connection = composition.connect()
    every = Generations(connection, composition.index).all()
    found = next((one for one in every if one.number == report.generation), None)
    documents, chunks = Ledger(connection, found.id).counts() if found is not None else (0, 0)
    counts = report.counts
    return {
        "index": report.index,
        "pipeline": report.pipeline,
        "run_id": report.run_id,
        "generation": report.generation,
        "published": report.published,
        "changed": bool(counts.added or counts.changed or counts.deleted),
        "recipe": report.recipe,
        "model": composition.embedder.provenance.get("model"),
        "embedder": composition.embedder.identity,
        "documents": documents,
        "chunks": chunks,
        "added": counts.added,
        "updated": counts.changed,
        "deleted": counts.deleted,
        "failures": counts.failed,
        "embedded": counts.embedded,
        "tokens": report.tokens,
        "cost_usd": report.cost_usd,
        "seconds": round(report.seconds, 3),
        "metrics": {},
    }


def _remove_old(work: WorkDirectory, *, keep: str) -> None:
    """Folders of runs before the last few, the present one not among them."""
    folders = [name for name in work.runs() if name != keep]
    started = {name: (work.folder(name).read_json(PLAN_FILE) or {}).get("epoch", -1) for name in folders}
    for name in sorted(folders, key=lambda one: started[one], reverse=True)[KEPT_PLANS - 1 :]:
        work.folder(name).remove_all()


def _remove_left_behind(asked: WorkDirectory) -> None:
    for name in asked.runs():
        folder = asked.folder(name)
        if folder.age_s() > LEFT_BEHIND_S:
            folder.remove_all()
