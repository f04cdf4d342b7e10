"""The build of examples/ci: it goes through, and a gate that is not met fails it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = "examples/quickstart/quickstart.yaml"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the example is a script for a POSIX shell")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ragctl"))
    yield folder
    call(["ragctl", "doctor", SPEC, "--stop"], folder)


def call(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def build(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return call(["sh", "examples/ci/build.sh", SPEC, "examples/ci/questions.jsonl"], folder, **variables)


def test_the_build_goes_through_and_a_gate_fails_it(clone: Path) -> None:
    first = build(clone)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "met: ndcg@10>=0.6" in first.stdout
    second = build(clone, NDCG="0.999")
    assert second.returncode == 7, second.stdout + second.stderr
    assert "nothing to ingest" in second.stdout
    assert "NOT MET: ndcg@10>=0.999" in second.stdout
