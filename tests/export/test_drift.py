"""Checking an exported file against its spec: what has moved is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ragctl.errors import ExportDrift, UsageError
from ragctl.export.dag_file import export_dag
from ragctl.export.drift import check_export, read_export
from ragctl.export.options import AirflowVersion, ExportOptions, Kind, Layout
from ragctl.spec.load import LoadedSpec

SpecOf = Callable[..., LoadedSpec]

LOCK = {
    "lock_version": 1,
    "pipeline": "docs",
    "ragctl": "0.1.0",
    "embedder": {},
    "readers": {},
    "splitters": {},
    "settings": {},
    "given": {},
    "recipe": {},
}


@pytest.fixture
def exported(spec_of: SpecOf, tmp_path: Path) -> Path:
    """A file beside its spec."""
    return write(export_dag(spec_of(), ExportOptions("docs.yaml")).text, tmp_path)


def write(text: str, folder: Path) -> Path:
    file = folder / "docs_ingest.py"
    file.write_bytes(text.encode("utf-8"))
    return file


def moved(file: Path, spec: Path) -> set[str]:
    with pytest.raises(ExportDrift) as drift:
        check_export(read_export(file), spec)
    assert drift.value.exit_code == 5
    return {what for what, _, _ in drift.value.moved}


@pytest.mark.parametrize(
    "chosen",
    [
        ExportOptions("docs.yaml"),
        ExportOptions("docs.yaml", kind=Kind.ASK, layout=Layout.FUSED),
        ExportOptions("/anywhere/docs.yaml", "worker", airflow_version=AirflowVersion.V3_1),
        ExportOptions("docs.yaml", embed_spec=True),
    ],
)
def test_an_untouched_file_is_current(spec_of: SpecOf, tmp_path: Path, chosen: ExportOptions) -> None:
    file = write(export_dag(spec_of(), chosen).text, tmp_path)
    assert check_export(read_export(file), tmp_path / "docs.yaml") == f"docs_{chosen.kind}"


def test_a_changed_spec(exported: Path, spec_of: SpecOf) -> None:
    spec = spec_of({"stages": {"embed": {"queue": "gpu"}}}).path
    assert moved(exported, spec) == {"the spec"}


def test_a_comment_in_the_spec_moves_it_too(exported: Path, tmp_path: Path) -> None:
    """A task compares the file's digest, so the export must be made anew."""
    spec = tmp_path / "docs.yaml"
    spec.write_bytes(spec.read_bytes() + b"\n# a comment\n")
    assert moved(exported, spec) == {"the spec"}


def test_a_new_and_a_changed_lock(exported: Path, spec_of: SpecOf, tmp_path: Path) -> None:
    spec, lock = tmp_path / "docs.yaml", tmp_path / "docs.yaml.lock"
    lock.write_text(json.dumps(LOCK), encoding="utf-8")
    assert moved(exported, spec) == {"the lock"}
    write(export_dag(spec_of(), ExportOptions("docs.yaml")).text, tmp_path)
    check_export(read_export(exported), spec)
    lock.write_text(json.dumps({**LOCK, "readers": {"markdown": 2}}), encoding="utf-8")
    assert moved(exported, spec) == {"the lock"}
    lock.unlink()
    assert moved(exported, spec) == {"the lock"}


def test_a_changed_prompt_of_an_embedded_spec(spec_of: SpecOf, tmp_path: Path) -> None:
    prompt, spec = tmp_path / "answer.md", tmp_path / "docs.yaml"
    prompt.write_text("You answer.\n---\n$passages $question\n", encoding="utf-8")
    answer = {"provider": "openai", "prompt": "answer.md"}
    chosen = ExportOptions("docs.yaml", kind=Kind.ASK, embed_spec=True)
    file = write(export_dag(spec_of(ask={"answer": answer}), chosen).text, tmp_path)
    check_export(read_export(file), spec)
    prompt.write_text("You answer at length.\n---\n$passages $question\n", encoding="utf-8")
    assert moved(file, spec) == {"a prompt"}


def test_another_release_of_ragctl(spec_of: SpecOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("ragctl.export.head.__version__", "0.0.9")
        text = export_dag(spec_of(), ExportOptions("docs.yaml")).text
    assert moved(write(text, tmp_path), tmp_path / "docs.yaml") == {"ragctl's version"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("max_active_runs=1", "max_active_runs=2"),
        ('"layout": "stages"', '"layout": "fused"'),
        ('"layout": "stages"', '"layout": "none"'),
        ('"embed_spec": False', '"embed_spec": 0'),
        ("ingest()\n", "ingest()\n\n"),
    ],
)
def test_a_file_edited_by_hand(exported: Path, tmp_path: Path, before: str, after: str) -> None:
    text = exported.read_text(encoding="utf-8")
    assert before in text
    write(text.replace(before, after), tmp_path)
    assert moved(exported, tmp_path / "docs.yaml") == {"the file"}


def test_a_file_that_does_not_find_its_spec(exported: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "dags"
    elsewhere.mkdir()
    there = exported.rename(elsewhere / exported.name)
    assert moved(there, tmp_path / "docs.yaml") == {"the place of the spec"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"import airflow\n",
        b"EXPORTED = {'spec': 'x'}\n",
        b"EXPORTED = open('x')\n",
        b"\xff\xfe not Python",
        b"(" * 100_000,
    ],
)
def test_what_ragctl_has_not_exported(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.py"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="no DAG file that ragctl has exported"):
        read_export(file)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_export(tmp_path / "missing.py")
