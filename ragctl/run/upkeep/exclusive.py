"""A short run on an index under its lease, with its record: what a rollback or a pruning is done in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ragctl.errors import LeaseLost
from ragctl.run.composition import Composition
from ragctl.run.ingesting.ingest import LEASE_PATIENCE_S
from ragctl.run.run_record import error_of, record_at_start
from ragctl.state.generations import Generations
from ragctl.state.lease import Lease, acquire_lease
from ragctl.state.runs import Runs, new_run_id
from ragctl.state.spending import close_left_budgets


@contextmanager
def exclusive_run(
    composition: Composition, command: str, *, wait: bool, needs_generation: bool = True
) -> Iterator[tuple[Lease, dict[str, Any]]]:
    """Holds the lease, and keeps what is put into the yielded record once the run has ended.

    Args:
        needs_generation: False for what can be done before the first ingest, after a plan.

    Raises:
        NothingPublished: no ingest has run here yet.
        Mismatch: the index is another pipeline's.
        RunInProgress: another run is writing; with `wait`, it is waited for.
    """
    started = time.monotonic()
    connection = composition.connect_to_existing()
    generations = Generations(connection, composition.index)
    if needs_generation and not generations.all():
        raise composition.nothing_published()
    generations.check_owner(composition.spec.name)
    runs = Runs(connection, composition.index)
    run = new_run_id()
    patience = float("inf") if wait else LEASE_PATIENCE_S
    lease = acquire_lease(connection, composition.index, run, runs, patience_s=patience)
    record = record_at_start(composition, connection)
    runs.close_dead()
    close_left_budgets(connection, composition.index)
    runs.start(run, pipeline=composition.spec.name, command=command, record=record)

    def finish(status: str) -> None:
        import psycopg

        record["seconds"] = round(time.monotonic() - started, 3)
        with suppress(psycopg.Error):  # what was done is done; the next run closes the record
            runs.finish(run, status, record)

    try:
        yield lease, record
    except BaseException as error:
        record["error"] = error_of(error, interrupted=False)
        finish("abandoned" if isinstance(error, LeaseLost) else "failed")
        raise
    finish("done")
