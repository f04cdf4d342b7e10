"""The files that tasks leave for one another, on disk and in object storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import MissingPackage, Unavailable, UsageError
from ragctl.run.tasks.work_directory import BulkGone, LocalStorage, ObjectStorage, Storage, WorkDirectory


@pytest.fixture(params=["a directory", "object storage", "object storage on disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "a directory":
        return LocalStorage(tmp_path / "work")
    if request.param == "object storage":
        return ObjectStorage(f"memory://{tmp_path.name}")  # fsspec's own, within this process
    return ObjectStorage((tmp_path / "work").as_uri())


def put(work: WorkDirectory, content: bytes, run: str = "run1") -> str:
    with work.of(run).writing("extract-1", "jsonl.gz") as (file, name):
        file.write(content)
    return name[0]


def test_a_file_is_read_by_the_name_that_its_content_gave_it(storage: Storage) -> None:
    work = WorkDirectory(storage, "docs", "ingest")
    one, same, other = put(work, b"one"), put(work, b"one"), put(work, b"other")
    assert one == same != other
    folder = work.of("run1")
    assert folder.read(one) == b"one"
    assert folder.read(other) == b"other"
    assert folder.names() == sorted([one, other])


def test_what_is_gone_or_changed_is_said(storage: Storage) -> None:
    work = WorkDirectory(storage, "docs", "ingest")
    folder = work.of("run1")
    name = put(work, b"one")
    import io

    storage.put(f"docs/ingest/{work.folder_name('run1')}/{name}", io.BytesIO(b"tampered"))
    with pytest.raises(BulkGone, match="not what was written"):
        folder.read(name)
    folder.remove(name)
    with pytest.raises(BulkGone, match="not there any more"):
        folder.read(name)
    folder.remove(name)  # and that it is gone already is no error


def test_small_files_are_replaced(storage: Storage) -> None:
    folder = WorkDirectory(storage, "docs", "ingest").of("manual__2026-11-22T00:00:00+00:00/x")
    assert folder.read_json("plan.json") is None
    folder.write_json("plan.json", {"epoch": 1, "ü": "🙂"})
    folder.write_json("plan.json", {"epoch": 2, "ü": "🙂"})
    assert folder.read_json("plan.json") == {"epoch": 2, "ü": "🙂"}


def test_folders_of_runs_are_listed_and_removed(storage: Storage) -> None:
    work = WorkDirectory(storage, "docs", "ingest")
    assert work.runs() == []
    put(work, b"1", "run1")
    put(work, b"2", "run2")
    assert work.runs() == sorted([work.folder_name("run1"), work.folder_name("run2")])
    work.of("run1").remove_all()
    assert work.runs() == [work.folder_name("run2")]
    assert WorkDirectory(storage, "docs", "ask").runs() == []


@pytest.mark.parametrize("name", ["../plan.json", "a/b", "", ".hidden", "/etc/passwd", "C:\\x"])
def test_no_name_leads_out_of_the_folder(storage: Storage, name: str) -> None:
    folder = WorkDirectory(storage, "docs", "ingest").of("run1")
    with pytest.raises(UsageError):
        folder.read(name)
    with pytest.raises(UsageError):
        folder.remove(name)


def test_nothing_half_written_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = WorkDirectory(LocalStorage(tmp_path), "docs", "ingest")

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        put(work, b"one")
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingPackage) as missing:
        ObjectStorage("gs://bucket/work")
    assert "gs://" in missing.value.message
    assert "object-storage" in (missing.value.hint or "")
