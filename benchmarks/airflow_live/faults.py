"""Ingest DAGs that are disturbed, and whether they leave what an undisturbed command line does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from chaos.contents import Contents

from airflow_live.deployment import Deployment
from airflow_live.pages import sample
from airflow_live.pipeline import Pipeline
from airflow_live.results import Results
from ragctl.embedded.server import EmbeddedServer

PAGES = 60
BATCHES = 4
RETRY_DELAY_S = 1
KILLS = 3
WINDOW_S = 240.0
POLLS_S = 0.05
LOOKS_S = 0.002
LEFT = ("chunks", "embedded", "deleted")
# A session that has written chunks, or is about to, and has not committed them: it holds this lock.
WRITING = (
    "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.granted "
    "AND l.mode = 'RowExclusiveLock' AND c.relkind = 'r' AND c.relname LIKE '%\\_chunks'"
)


@dataclass(frozen=True)
class Disturbed:
    """An ingest that is under way.

    Attributes:
        dag, run: its names in Airflow.
    """

    deployment: Deployment
    pipeline: Pipeline
    dag: str
    run: str

    def instances(self, task: str) -> list[dict[str, Any]]:
        """The instances of the stage `task`, in whatever group."""
        every = self.deployment.api.task_instances(self.dag, self.run)
        return [one for one in every if one["task_id"].rsplit(".", 1)[-1] == task]

    def ended(self) -> bool:
        return bool(self.deployment.api.run(self.dag, self.run)["state"] in ("success", "failed"))


class Missed(Exception):
    """The moment for a fault did not come: the run was over before."""


def _running_store(ingest: Disturbed, known: set[tuple[int, int]]) -> tuple[int, psutil.Process]:
    """The map index and the process of a `store` that runs, none of the (map index, try) in `known`."""
    deadline = time.monotonic() + WINDOW_S
    while time.monotonic() < deadline and not ingest.ended():
        for one in ingest.instances("store"):
            key = (one["map_index"], one["try_number"])
            if one["state"] != "running" or not one["pid"] or key in known:
                continue
            known.add(key)
            with contextlib.suppress(psutil.NoSuchProcess):
                return one["map_index"], psutil.Process(one["pid"])
        time.sleep(POLLS_S)
    raise Missed("no store was running any more")


def _is_writing(connection: psycopg.Connection[Any], process: psutil.Process) -> bool:
    """True as soon as the store's session has rows written and not committed; False if the process ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        row = connection.execute(WRITING).fetchone()
        if row is not None and row[0]:
            return True
        time.sleep(LOOKS_S)
    return False


def _caught_in_store(
    ingest: Disturbed, connection: psycopg.Connection[Any], known: set[tuple[int, int]]
) -> tuple[int, psutil.Process]:
    """A store's process in the middle of a transaction; only one store runs at once."""
    while True:
        index, process = _running_store(ingest, known)
        with contextlib.suppress(psutil.NoSuchProcess):
            if _is_writing(connection, process):
                return index, process


def kill_tasks(ingest: Disturbed) -> str:
    """SIGKILL to the process of a store in the middle of its writing, several times over."""
    known: set[tuple[int, int]] = set()
    killed: list[int] = []
    server = EmbeddedServer(ingest.pipeline.base / ".ragctl")
    with server.connect(autocommit=True) as connection, contextlib.suppress(Missed):
        while len(killed) < KILLS:
            index, process = _caught_in_store(ingest, connection, known)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(index)
    if not killed:
        raise Missed("no store was caught in the middle of its writing")
    return f"killed while writing: the stores of batches {killed}"


def kill_worker(ingest: Disturbed) -> str:
    """SIGKILL to a store's process and to the executor's worker above it: nobody reports the failure."""
    with EmbeddedServer(ingest.pipeline.base / ".ragctl").connect(autocommit=True) as connection:
        index, process = _caught_in_store(ingest, connection, set())
        worker = process.parent()
        assert worker is not None and "LocalExecutor" in " ".join(worker.cmdline()), worker
        for pid in (worker.pid, process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return f"killed while writing: the store of batch {index} and its worker"


def _until_first_store(ingest: Disturbed) -> None:
    deadline = time.monotonic() + WINDOW_S
    while time.monotonic() < deadline and not ingest.ended():
        if any(one["state"] == "success" for one in ingest.instances("store")):
            return
        time.sleep(POLLS_S)
    raise Missed("the run was over before a first store had ended")


def _restart_scheduler(ingest: Disturbed, *, group: bool) -> str:
    _until_first_store(ingest)
    before = ingest.deployment.api.task_states(ingest.dag, ingest.run)
    scheduler = ingest.deployment.component("scheduler")
    scheduler.kill(group=group)
    scheduler.start()
    return f"at {before}"


def restart_scheduler(ingest: Disturbed) -> str:
    """SIGKILL to the scheduler alone, so that its executor's workers are orphans; started again at once."""
    return _restart_scheduler(ingest, group=False)


def restart_scheduler_and_workers(ingest: Disturbed) -> str:
    """SIGKILL to the scheduler with the workers of its executor and their tasks; started again at once."""
    return _restart_scheduler(ingest, group=True)


def _clear(ingest: Disturbed, stage: str, map_index: int | None) -> str:
    ended = ingest.deployment.api.until_ended(ingest.dag, ingest.run)
    if ended["state"] != "success":
        raise Missed(f"the run failed before anything was cleared: {ended}")
    task = ingest.instances(stage)[0]["task_id"]
    cleared = ingest.deployment.api.clear(ingest.dag, ingest.run, task, map_index)
    return f"{cleared} task instances cleared after success"


def clear_chunk(ingest: Disturbed) -> str:
    """`chunk` of one batch cleared with all that follows, when the run had succeeded."""
    return _clear(ingest, "chunk", 1)


def clear_store(ingest: Disturbed) -> str:
    """`store` of one batch cleared with all that follows, when the run had succeeded."""
    return _clear(ingest, "store", 0)


def clear_plan(ingest: Disturbed) -> str:
    """`plan`, and so everything, cleared when the run had succeeded."""
    return _clear(ingest, "plan", None)


FAULTS: tuple[Callable[[Disturbed], str], ...] = (
    kill_tasks,
    kill_worker,
    restart_scheduler,
    restart_scheduler_and_workers,
    clear_chunk,
    clear_store,
    clear_plan,
)


def run(deployment: Deployment, results: Results, pages: Path) -> None:
    """Every fault on an ingest of its own, each compared with one undisturbed ingest by command line."""
    some = sample(pages, PAGES, deployment.base / "faults-pages")
    undisturbed = Pipeline(deployment.base / "undisturbed", "undisturbed", some)
    try:
        undisturbed.ready()
        undisturbed.ingest()
        expected = undisturbed.contents()
    finally:
        undisturbed.stop()
    results.say(f"\n## Faults: {PAGES} pages in {BATCHES} batches, layout stages\n")
    rows = []
    for fault in FAULTS:
        row = _one(deployment, results, some, fault, expected)
        rows.append(row)
        results.table("faults", [row])
    results.markdown([{key: row[key] for key in row if key != "moment"} for row in rows])


def _one(
    deployment: Deployment,
    results: Results,
    pages: Path,
    fault: Callable[[Disturbed], str],
    expected: Contents,
) -> dict[str, Any]:
    name = fault.__name__
    airflow = {
        "batch_tokens": 1_000,
        "max_batches": BATCHES,
        "retry_delay": RETRY_DELAY_S,
        "stages": {"store": {"parallel": 1}},
    }
    pipeline = Pipeline(deployment.base / name, name, pages, airflow)
    try:
        dag = pipeline.export(deployment, "ingest")
        pipeline.ready()
        started = time.monotonic()
        ingest = Disturbed(deployment, pipeline, dag, deployment.api.trigger(dag))
        try:
            moment = fault(ingest)
        except Missed as error:
            results.expect(False, f"{name}: {error}")
            moment = str(error)
        ended = deployment.api.until_ended(dag, ingest.run)
        seconds = time.monotonic() - started
        found = pipeline.differences(expected)
        _, again = pipeline.ingest()
        left = {key: again["counts"][key] for key in LEFT if again["counts"][key]}
        shown = f" {found[:3]}" if found else ""
        results.expect(
            ended["state"] == "success" and not found and not left,
            f"{name} ({moment}): run {ended['state']}, {len(found)} differences{shown}, "
            f"left to do for a further ingest: {left or 'nothing'}",
        )
        stored = ingest.instances("store")
        return {
            "fault": name,
            "moment": moment,
            "run": ended["state"],
            "tries of store": " ".join(str(one["try_number"]) for one in stored),
            "seconds": round(seconds, 1),
            "differences": len(found),
            "left to do": sum(left.values()),
        }
    finally:
        pipeline.stop()
        (deployment.dags / f"{name}_ingest.py").unlink(missing_ok=True)
