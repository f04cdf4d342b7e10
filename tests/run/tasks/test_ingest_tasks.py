"""The tasks of an ingest DAG, called one after the other: the same content as a local ingest leaves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chaos.contents import contents, differences, inconsistencies
from run.tasks.staged_run import FUSED, STAGED, StagedRun

from ragctl.errors import (
    DeletionRefused,
    IncompleteIngest,
    LeaseLost,
    LockDrift,
    Mismatch,
    RunInProgress,
    Unavailable,
    UsageError,
)
from ragctl.run.ingesting.ledgered_writer import LedgeredWriter
from ragctl.run.tasks.plan_task import PlanGone
from workspace import Workspace, call

PAGES = {
    "guide/install.md": "# Installing\n\nDownload the archive.\n\n## Linux\n\nRun the installer as root.\n",
    "guide/upgrade.md": "# Upgrading\n\nMake a backup before you upgrade the server.\n",
    "guide/remove.md": "# Removing\n\nStop the server, then delete its folder.\n" + "More of it.\n" * 400,
    "notes.txt": "The coffee machine on the third floor takes tokens.\n",
    "copy.txt": "The coffee machine on the third floor takes tokens.\n",
    "reference.rst": "Reference\n=========\n\nEvery setting has a default.\n",
    "picture.bin": "\x00\x01\x02",
}
AIRFLOW = {"batch_tokens": 1000, "single_host": True}


class Pair:
    """The same documents twice: one copy for the command line, one for the tasks of a DAG."""

    def __init__(self, local: Workspace, staged: Workspace, connection: psycopg.Connection[Any]) -> None:
        self.local, self.staged = local, staged
        self._connection = connection
        self._runs = 0
        for path, text in PAGES.items():
            self.write(path, text)
        self.spec()

    def spec(self, **sections: Any) -> None:
        airflow = {**AIRFLOW, **sections.pop("airflow", {})}
        for one in (self.local, self.staged):
            one.spec(airflow=airflow, **sections)

    def write(self, path: str, text: str) -> None:
        for one in (self.local, self.staged):
            one.write(path, text)

    def remove(self, path: str) -> None:
        for one in (self.local, self.staged):
            (one.documents / path).unlink()

    def run(self, conf: Any = None) -> StagedRun:
        self._runs += 1
        name = f"{self.staged.name}_ingest/manual__{self._runs}"
        return StagedRun(self.staged.spec_path, name, conf)

    def assert_equal(self) -> None:
        one, other = contents(self._connection, self.local.name), contents(self._connection, self.staged.name)
        assert one.chunks
        assert differences(one, other) == []
        assert list(inconsistencies(self._connection, self.staged.name)) == []


@pytest.fixture
def pair(server_base: Path, connection: psycopg.Connection[Any]) -> Pair:
    taken = sum(1 for _ in server_base.glob("*.yaml"))
    local, staged = (Workspace(server_base, f"w{taken + number}") for number in (0, 1))
    return Pair(local, staged, connection)


def same_counts(one: Any, other: Any) -> None:
    """All of an ingest's counts, but those of vectors that the other copy has made before."""
    for report in (one, other):
        report["counts"].pop("embedded"), report["counts"].pop("cached")
    assert one["counts"] == other["counts"]
    named = [
        [(one["document"], one["stage"], one["error"], one["known"]) for one in report["failures"]]
        for report in (one, other)
    ]
    assert sorted(named[0]) == sorted(named[1])


@pytest.mark.parametrize("layout", [STAGED, FUSED, (("extract", "chunk"), ("embed",), ("store",))], ids=len)
def test_a_first_ingest_leaves_what_a_local_one_leaves(pair: Pair, layout: Sequence[Sequence[str]]) -> None:
    report = pair.run().ingest(layout)
    assert report["published"]
    assert report["counts"]["added"] == 6
    assert report["counts"]["skipped"] == 1
    same_counts(report, pair.local.ingest())
    pair.assert_equal()


def test_an_incremental_ingest_and_a_failing_document(pair: Pair) -> None:
    pair.spec(max_failures=1)
    pair.run().ingest()
    pair.local.ingest()
    pair.write("guide/upgrade.md", "# Upgrading\n\nNothing to prepare any more.\n")
    pair.write("new.md", "# New\n\nThis page came later.\n")
    pair.write("hollow.html", "<html><body></body></html>\n")
    pair.remove("notes.txt")
    pair.staged.settle()
    report = pair.run().ingest()
    assert [report["counts"][name] for name in ("added", "changed", "deleted", "failed")] == [1, 1, 1, 1]
    assert report["failures"][0]["document"] == "hollow.html"
    same_counts(report, pair.local.ingest())
    pair.assert_equal()
    # What failed for good is known in the next run.
    again = pair.run().ingest()
    assert again["counts"]["failed"] == 1
    assert again["failures"][0]["known"]


def test_nothing_to_do_is_published_too(pair: Pair) -> None:
    pair.run().ingest()
    pair.staged.settle()
    pair.run().ingest()
    run = pair.run()
    assert run.task("plan") == []
    report = run.task("publish")
    assert report["published"]
    assert report["asset"]["changed"] is False


def test_the_asset_event_says_what_was_published(pair: Pair) -> None:
    asset = pair.run().ingest()["asset"]
    assert (asset["generation"], asset["documents"], asset["failures"], asset["cost_usd"]) == (1, 6, 0, 0.0)
    assert asset["chunks"] == pair.staged.ingest()["counts"]["chunks"] + asset["chunks"]
    assert asset["model"] == "all-MiniLM-L6-v2"
    assert asset["changed"] is True


def test_references_are_small_and_the_bulk_goes_with_the_publish(pair: Pair) -> None:
    run = pair.run()
    references = run.task("plan")
    assert len(references) > 1
    work = pair.staged.base / ".ragctl" / "work" / pair.staged.name / "ingest"
    for reference in references:
        made = reference
        for (stage,) in STAGED:
            made = run.task(stage, given=made)
            assert len(str(made)) < 500
    [folder] = work.iterdir()
    assert any(one.name.startswith("vectors-") for one in folder.iterdir())
    run.task("publish")
    kept = {one.name.split("-")[0] for one in folder.iterdir()}
    assert kept == {"plan.json", "items", "report", "gone"}


def test_batches_hold_about_so_many_tokens_and_are_never_too_many(pair: Pair) -> None:
    assert len(pair.run().task("plan")) == 2
    pair.spec(airflow={"batch_tokens": 1000, "max_batches": 1})
    assert len(pair.run().task("plan", is_over=lambda run: True)) == 1


# Tasks that are tried again.


def test_every_task_can_be_done_twice(pair: Pair) -> None:
    run = pair.run()
    run.task("plan")
    for reference in run.task("plan"):
        for (stage,) in STAGED:
            run.task(stage, given=reference)
            reference = run.task(stage, given=reference)
    report = run.task("publish")
    again = run.task("publish")
    assert again["counts"] == report["counts"]
    same_counts(again, pair.local.ingest())
    pair.assert_equal()


def test_a_retried_task_counts_a_failure_once(pair: Pair) -> None:
    pair.spec(max_failures=1)
    pair.write("hollow.html", "<html><body></body></html>\n")
    run = pair.run()
    for reference in run.task("plan"):
        run.batch(reference, FUSED)
        run.batch(reference, FUSED)
    run.task("publish")
    [shown] = pair.staged.call("show", "--failed", "--format", "json").json["failed"]
    assert (shown["document"], shown["attempts"]) == ("hollow.html", 1)


def test_a_task_can_be_cleared_after_the_run_was_published(pair: Pair) -> None:
    run = pair.run()
    references = [run.batch(one, (("extract",), ("chunk",))) for one in run.task("plan")]
    embedded = [run.batch(one, (("embed",),)) for one in references]
    for one in embedded:
        run.batch(one, (("store",),))
    run.task("publish")
    stored = run.batch(embedded[0], (("store",),))  # its input went with the publish
    assert "extract and chunk and embed are done again" in " ".join(run.notes)
    assert stored["embedded"] == 0  # and nothing was paid again
    run.batch(references[1], (("embed",), ("store",)))
    run.task("publish")
    pair.local.ingest()
    pair.assert_equal()


def test_a_cleared_task_of_an_older_run_is_refused_once_another_has_written(pair: Pair) -> None:
    run = pair.run()
    references = run.task("plan")
    for one in references:
        run.batch(one, FUSED)
    run.task("publish")
    pair.write("notes.txt", "The coffee machine is free now.\n")
    pair.staged.ingest()
    pair.local.ingest()
    with pytest.raises(LeaseLost):
        run.batch(references[0], FUSED)
    with pytest.raises(LeaseLost):
        run.task("publish")
    pair.assert_equal()


def test_tasks_of_an_earlier_plan_write_nothing(pair: Pair) -> None:
    run = pair.run()
    before = run.task("plan")
    run.task("plan")
    with pytest.raises(LeaseLost, match="planned again"):
        run.batch(before[0], FUSED)


# Batches that die.


def test_a_dead_batch_fails_the_run_and_the_next_one_completes_it(pair: Pair) -> None:
    run = pair.run()
    references = run.task("plan")
    for one in references[1:]:
        run.batch(one, FUSED)
    with pytest.raises(IncompleteIngest) as incomplete:
        run.task("publish")
    report = incomplete.value.report
    assert report["published"]  # a first ingest: better a part than nothing to ask
    lost = references[0]["documents"]
    assert report["counts"]["failed"] == lost
    assert {one["error"] for one in report["failures"]} == {"task_died"}
    assert pair.run().ingest()["counts"]["added"] == lost
    pair.local.ingest()
    pair.assert_equal()


def test_a_dead_batch_can_be_a_warning(pair: Pair) -> None:
    pair.spec(airflow={"on_partial": "warn"})
    run = pair.run()
    for one in run.task("plan")[1:]:
        run.batch(one, FUSED)
    report = run.task("publish")
    assert report["counts"]["failed"] > 0
    assert any(note.startswith("warning:") for note in run.notes)


def test_a_new_generation_with_a_dead_batch_is_not_published_even_as_a_warning(pair: Pair) -> None:
    pair.spec(airflow={"on_partial": "warn"})
    pair.run().ingest()
    pair.spec(airflow={"on_partial": "warn"}, chunk={"max_tokens": 64})
    run = pair.run()
    for one in run.task("plan")[1:]:
        run.batch(one, FUSED)
    with pytest.raises(IncompleteIngest) as incomplete:
        run.task("publish")
    assert not incomplete.value.report["published"]
    assert pair.staged.call("ask", "Where is the coffee machine?").code == 0
    assert pair.run().ingest()["published"]
    pair.spec(chunk={"max_tokens": 64})
    pair.local.ingest()
    pair.assert_equal()


def test_what_a_dead_batch_had_stored_is_counted(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragctl.stages.store.BATCH_DOCUMENTS", 1)
    pair.spec(airflow={"batch_tokens": 1_000_000})
    run = pair.run()
    [reference] = run.task("plan")
    written = 0
    real = LedgeredWriter.replace

    def replace(writer: LedgeredWriter, documents: Any) -> None:
        nonlocal written
        written += 1
        if written > 1:
            raise Unavailable("the database has gone away")
        real(writer, documents)

    monkeypatch.setattr(LedgeredWriter, "replace", replace)
    with pytest.raises(Unavailable):
        run.batch(reference, FUSED)
    with pytest.raises(IncompleteIngest) as incomplete:
        run.task("publish")
    counted = incomplete.value.report["counts"]
    assert counted["added"] == 1
    assert counted["added"] + counted["failed"] == reference["documents"]


# Who may write.


def test_the_index_is_held_from_plan_to_publish(pair: Pair) -> None:
    run = pair.run()
    references = run.task("plan")
    refused = pair.staged.call("ingest")
    assert refused.code == 4
    assert run.run in refused.err
    with pytest.raises(RunInProgress):
        pair.run().task("plan")
    for one in references:
        run.batch(one, FUSED)
    run.task("publish")
    pair.staged.ingest()


def test_a_run_that_is_over_is_taken_over_from(pair: Pair) -> None:
    dead = pair.run()
    references = dead.task("plan")
    run = pair.run()
    for one in run.task("plan", is_over=lambda name: name == dead.run):
        run.batch(one, FUSED)
    with pytest.raises(LeaseLost):
        dead.batch(references[0], FUSED)
    run.task("publish")
    pair.local.ingest()
    pair.assert_equal()


def test_a_run_can_be_abandoned(pair: Pair) -> None:
    dead = pair.run()
    references = dead.task("plan")
    abandoned = call("runs", str(pair.staged.spec_path), "abandon", dead.run)
    assert abandoned.code == 0, abandoned.err
    with pytest.raises(LeaseLost):
        dead.batch(references[0], FUSED)
    with pytest.raises(LeaseLost, match="abandoned"):
        dead.task("plan")
    pair.staged.ingest()


def test_a_refused_plan_frees_the_index(pair: Pair) -> None:
    pair.run().ingest()
    pair.staged.settle()
    pair.run().ingest()
    for path in PAGES:
        if path != "picture.bin":
            pair.remove(path)
    with pytest.raises(DeletionRefused):
        pair.run().task("plan")
    run = pair.run({"allow_delete": 6})
    assert run.task("plan") == []
    with pytest.raises(PlanGone):
        pair.run().task("publish")
    assert run.task("publish")["counts"]["deleted"] == 6


# What must fit together.


def test_another_spec_than_the_exported_one_is_refused(pair: Pair) -> None:
    run = pair.run()
    pair.spec(chunk={"max_tokens": 64})
    with pytest.raises(Mismatch, match="not the one that this DAG was exported from"):
        run.task("plan")


def test_a_lock_that_has_drifted_is_refused(pair: Pair) -> None:
    pair.staged.ingest()
    lock = pair.staged.spec_path.with_name(f"{pair.staged.spec_path.name}.lock")
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace('"revision": "', '"revision": "other-'), encoding="utf-8")
    with pytest.raises(LockDrift):
        pair.run().task("plan")


def test_a_task_with_another_recipe_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pair.run()
    [reference, *_] = run.task("plan")
    monkeypatch.setattr("ragctl.splitters.auto.AutoSplitter.output_version", 99)
    with pytest.raises(Mismatch, match="the run was planned for recipe") as refused:
        run.batch(reference, (("chunk",),))
    assert refused.value.exit_code == 5


@pytest.mark.parametrize("stage", ["plan", "extract", "publish"])
def test_an_unknown_parameter_is_refused_by_every_task(pair: Pair, stage: str) -> None:
    with pytest.raises(UsageError, match="no parameter 'chunk_size'"):
        pair.run({"chunk_size": 40}).task(stage, given={})


def test_stages_that_are_no_neighbours_are_refused(pair: Pair) -> None:
    with pytest.raises(UsageError, match="no neighbouring stages"):
        pair.run().task("extract", "store", given={})


def test_a_bulk_file_that_was_changed_is_not_used(pair: Pair) -> None:
    run = pair.run()
    [reference, *_] = run.task("plan")
    made = run.task("extract", given=reference)
    [file] = (pair.staged.base / ".ragctl" / "work" / pair.staged.name).rglob(made["file"])
    file.write_bytes(file.read_bytes()[:-10] + os.urandom(10))
    run.batch(made, (("chunk",), ("embed",), ("store",)))
    assert "not what was written" in " ".join(run.notes)


def test_a_reference_cannot_name_a_file_outside(pair: Pair) -> None:
    run = pair.run()
    [reference, *_] = run.task("plan")
    with pytest.raises(UsageError):
        run.task("extract", given={**reference, "items": "../../../etc/passwd"})


def test_a_work_directory_in_object_storage(pair: Pair) -> None:
    place = f"memory://work-{pair.staged.name}"  # fsspec's own, within this process
    pair.spec(airflow={"work_dir": place})
    report = pair.run().ingest()
    assert report["published"]
    import fsspec

    left = fsspec.filesystem("memory").find(f"/work-{pair.staged.name}")
    assert {Path(name).name.split("-")[0] for name in left} == {"plan.json", "items", "report", "gone"}
    pair.local.ingest()
    pair.assert_equal()


def test_only_the_plans_of_the_last_runs_are_kept(pair: Pair) -> None:
    for _ in range(7):
        pair.run().ingest(FUSED)
    folders = list((pair.staged.base / ".ragctl" / "work" / pair.staged.name / "ingest").iterdir())
    assert len(folders) == 5
