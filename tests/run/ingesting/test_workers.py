"""Heavy formats: read in worker processes, several at a time where the spec says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from readers.archives import zipped
from readers.faulty_readers import PROGRAM

from ragctl.readers import auto, kinds, table, worker_process
from ragctl.readers.worker_pool import WorkerPool
from ragctl.run.ingesting import parsing, reading
from workspace import Workspace


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[WorkerPool]]:
    """Files called `x.pdf` are read by the faulty reader, which does what the file's text names."""
    monkeypatch.setattr(worker_process, "_PROGRAM", PROGRAM)
    entry = table.Entry("faulty", "FaultyReader", (kinds.PDF,), where="worker")
    readers = {**table.READERS, "faulty": entry}
    for module in (table, auto, parsing, reading):
        monkeypatch.setattr(module, "READERS", readers)
    monkeypatch.setattr(auto, "BY_KIND", {**table.BY_KIND, kinds.PDF: "faulty"})
    pools: list[WorkerPool] = []
    made = WorkerPool.__init__

    def remembered(pool: WorkerPool, *given: Any, **named: Any) -> None:
        made(pool, *given, **named)
        pools.append(pool)

    monkeypatch.setattr(WorkerPool, "__init__", remembered)
    yield pools
    assert all(not pool._idle for pool in pools)


def put(workspace: Workspace, **files: str) -> None:
    for name, what in files.items():
        (workspace.documents / f"{name}.pdf").write_bytes(b"%PDF-1.7\n" + what.encode("ascii"))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_fault_is_one_documents(workspace: Workspace, faulty: list[WorkerPool], workers: int) -> None:
    put(workspace, a="good", b="segfault", c="hang", d="good", e="exit", f="raises", g="good")
    workspace.write("light.md", "Words.\n")
    workspace.spec(extract={"workers": workers, "limits": {"seconds": 6}})
    called = workspace.call("ingest", "--format", "json")
    assert called.code == 3, called.err
    report = called.json
    assert [one["document"] for one in report["failures"]] == ["b.pdf", "c.pdf", "e.pdf", "f.pdf"]
    assert {one["error"] for one in report["failures"]} == {"crashed", "limit"}
    assert report["counts"]["added"] == 7  # the good ones have an attachment each
    formats = {one["format"]: one for one in report["formats"]}
    assert (formats[kinds.PDF]["read"], formats[kinds.PDF]["failed"]) == (3, 4)


def test_light_texts_start_no_worker(workspace: Workspace, faulty: list[WorkerPool]) -> None:
    workspace.write("light.md", "Words.\n")
    (workspace.documents / "a.zip").write_bytes(zipped({"b.md": b"More words.\n"}))
    workspace.ingest()
    assert [pool.started for pool in faulty] == [0]
