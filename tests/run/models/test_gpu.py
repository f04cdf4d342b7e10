"""A GPU is found, or the reason why there is none, without importing torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ragctl.run.models import gpu
from ragctl.run.models.gpu import Gpu, find_gpu, on_gpu

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has GPUs of another kind")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of NVIDIA's tool, which lists one GPU, and of a torch."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'Stand-in GPU'\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(gpu, "find_spec", lambda name: object())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def with_torch(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(gpu.metadata, "version", lambda name: version)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("version", "environment", "found", "reason"),
    [
        ("2.13.0+cu130", {}, True, "Stand-in GPU"),
        ("2.13.0", {}, True, "Stand-in GPU"),
        ("2.13.0+cpu", {}, False, "built without CUDA"),
        ("2.13.0", {"CUDA_VISIBLE_DEVICES": ""}, False, "hides all"),
        ("2.13.0", {"CUDA_VISIBLE_DEVICES": "0"}, True, "Stand-in GPU"),
    ],
)
def test_what_is_there(
    driver: None,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    environment: dict[str, str],
    found: bool,
    reason: str,
) -> None:
    with_torch(monkeypatch, version)
    result = find_gpu(environment)
    assert result.found is found
    assert reason in result.reason


def test_without_torch_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert find_gpu({}) == Gpu(False, "torch is not installed")


def test_torch_is_not_imported() -> None:
    program = (
        "import sys\nfrom ragctl.run.models.gpu import find_gpu\nfind_gpu()\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_device_that_is_named_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    devices = {"cuda": True, "mps": True, "cpu": False, "auto": False}
    assert {name: on_gpu(SimpleNamespace(device=name)) for name in devices} == devices
    assert on_gpu(SimpleNamespace()) is False
