"""plan, the first task of an ingest in a DAG: what is to be done, in batches that tasks can be mapped over.

It does what a local ingest does before it reads its first document, with the same guards. The plan lies
in the run's folder of the work directory: `plan.json`, `gone.jsonl.gz` with what is to be deleted, and
`items-N` with the items of batch N. Only references to batches go on to the next tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ragctl.errors import LeaseLost, Mismatch, RagctlError
from ragctl.run.composition import Composition
from ragctl.run.ingesting.consent import guard_cost
from ragctl.run.ingesting.draft import Draft, make_draft
from ragctl.run.ingesting.ingest import LEASE_PATIENCE_S
from ragctl.run.ingesting.opening import Opened, open_run, ready_generation
from ragctl.run.models.locking import check_lock
from ragctl.run.models.privacy import PrivacyGate
from ragctl.run.progress import Silent
from ragctl.run.run_record import error_of
from ragctl.run.stopwatch import Stopwatch
from ragctl.run.tasks.batches import estimated_tokens, in_batches
from ragctl.run.tasks.bulk_format import write_lines
from ragctl.run.tasks.parameters import IngestParameters
from ragctl.run.tasks.work_directory import RunFolder, WorkDirectory
from ragctl.state.generations import Generation, Generations
from ragctl.state.lease import Lease, acquire_for_run
from ragctl.state.runs import Runs
from ragctl.types import Item, LedgerItem

PLAN_FILE = "plan.json"
PLAN_VERSION = 1


def plan_ingest(
    composition: Composition,
    run: str,
    parameters: IngestParameters,
    work: WorkDirectory,
    *,
    is_over: Callable[[str], bool],
    note: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Takes the index for `run` and writes its plan.

    Returns:
        A reference to each batch; none if nothing is to be read.

    Raises:
        GuardRefused: nothing was written, and the index is free again.
        LockBroken, LockDrift, Mismatch, Unavailable: see there.
    """
    PrivacyGate(composition).sources(composition.embedder)
    check_lock(composition)
    connection = composition.connect()
    runs = Runs(connection, composition.index)
    before = runs.find(run)
    if before is not None and before.status == "abandoned":
        raise LeaseLost(f"the run {run} was abandoned", hint="trigger a new run of the DAG")
    folder = work.of(run)
    folder.remove(PLAN_FILE)  # of an earlier try: what it says does not hold any more
    lease = acquire_for_run(
        connection, composition.index, run, runs, patience_s=LEASE_PATIENCE_S, is_over=is_over
    )
    try:
        return _planned(composition, lease, parameters, folder, note)
    except BaseException as error:
        started = runs.find(run)
        if started is not None and started.status == "running":
            record = {**started.record, "error": error_of(error, interrupted=False)}
            runs.finish(run, "failed", record)
        lease.release(connection)
        raise


def _planned(
    composition: Composition,
    lease: Lease,
    parameters: IngestParameters,
    folder: RunFolder,
    note: Callable[[str], None],
) -> list[dict[str, Any]]:
    watch = Stopwatch()
    draft = make_draft(
        composition,
        Generations(composition.connect(), composition.index),
        allow_delete=parameters.allow_delete,
        retry_failed=parameters.retry_failed,
        undo_rollback=parameters.undo_rollback,
        watch=watch,
    )
    guard_cost(
        composition,
        draft,
        max_cost_usd=parameters.max_cost,
        agreed=parameters.max_cost is None,  # by whoever exported the DAG: nobody is there to be asked
        agree=None,
        progress=Silent(),
    )
    opened = open_run(composition, lease, draft, command="ingest", again=True)
    ready_generation(composition, lease, opened.target, draft.plan)
    references = _write_batches(composition, lease, draft, folder)
    gone = _write_gone(draft, opened, folder)
    active = opened.target.active
    folder.write_json(
        PLAN_FILE,
        {
            "version": PLAN_VERSION,
            "run": lease.run,
            "epoch": lease.epoch,
            "generation": opened.target.generation.number,
            "active": active.number if active is not None else None,
            "batches": len(references),
            "listed": draft.plan.listed,
            "unchanged": len(draft.plan.unchanged),
            "skipped": len(draft.plan.skipped),
            "deleted": len(draft.deleted),
            "failures": [asdict(one) for one in (*draft.plan.unlisted, *draft.plan.known_failures)],
            "gone": gone,
            "allow_partial": parameters.allow_partial,
            "max_cost": parameters.max_cost,
            "timings": watch.seconds(),
        },
    )
    to_read = len(draft.plan.to_read)
    note(f"{to_read:,} of {draft.plan.listed:,} documents to read, in {len(references):,} batches")
    return references


def _write_batches(
    composition: Composition, lease: Lease, draft: Draft, folder: RunFolder
) -> list[dict[str, Any]]:
    settings = composition.spec.airflow
    items = draft.plan.to_read
    batches = in_batches(
        items,
        [estimated_tokens(item) for item in items],
        target=settings.batch_tokens,
        most=settings.max_batches,
    )
    references = []
    for number, batch in enumerate(batches):
        with folder.writing(f"items-{number}", "jsonl.gz") as (file, name):
            write_lines(file, (_line(item, draft) for item in batch))
        references.append(
            {
                "run": lease.run,
                "epoch": lease.epoch,
                "batch": number,
                "documents": len(batch),
                "items": name[0],
            }
        )
    return references


def _line(item: Item, draft: Draft) -> dict[str, Any]:
    """An item, and what was known of it when the run was planned: tries of one task all go by this."""
    key = (item.source, item.path)
    row = draft.ledger.get(key)
    return {
        "item": asdict(item),
        "row": _row(row) if row is not None else None,
        "in_index": key in draft.stored,
    }


def _row(row: LedgerItem) -> dict[str, Any]:
    return {"fingerprint": row.fingerprint, "digest": row.digest, "stored": row.stored}


def _write_gone(draft: Draft, opened: Opened, folder: RunFolder) -> str:
    numbers = {generation.id: generation.number for generation, _ in opened.target.known_items()}
    lines = (
        {"generation": numbers[generation], "source": source, "path": path}
        for generation, keys in draft.gone.items()
        if generation in numbers
        for source, path in keys
    )
    with folder.writing("gone", "jsonl.gz") as (file, name):
        write_lines(file, lines)
    return name[0]


def plan_of(folder: RunFolder, run: str) -> dict[str, Any]:
    """The plan that the run's first task wrote.

    Raises:
        PlanGone: it did not come to its end, or the run is so old that its folder was removed.
    """
    plan = folder.read_json(PLAN_FILE)
    if not isinstance(plan, dict) or plan.get("version") != PLAN_VERSION:
        raise PlanGone(
            f"there is no plan of the run {run} in the work directory",
            where="airflow.work_dir",
            hint="look at the task `plan`: did it fail, or does this worker see another work directory? "
            "If the run is an old one, clear `plan` and what follows it",
        )
    return plan


def planned_generation(composition: Composition, plan: Mapping[str, Any]) -> Generation:
    """The generation that the run writes to.

    Raises:
        Mismatch: it is not there any more.
    """
    number = plan["generation"]
    every = Generations(composition.connect(), composition.index).all()
    found = next((one for one in every if one.number == number), None)
    if found is None:
        raise Mismatch(
            f"generation {number} of {composition.index!r} was dropped since the run was planned",
            hint="trigger a new run of the DAG",
        )
    return found


class PlanGone(RagctlError):
    """Without its plan nothing of a run can be done."""

    kind = "plan_gone"
    exit_code = LeaseLost.exit_code
