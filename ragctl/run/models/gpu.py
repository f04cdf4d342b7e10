"""Is there a GPU that a model could run on? Found out without importing torch, which takes seconds."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """`found`: a model can run on one. `reason`: which one it is, or why there is none."""

    found: bool
    reason: str


def find_gpu(environment: Mapping[str, str] | None = None) -> Gpu:
    """Looks for a GPU and for a torch that was built for it.

    Args:
        environment: where CUDA_VISIBLE_DEVICES is looked up; the process's own if None.
    """
    if find_spec("torch") is None:
        return Gpu(False, "torch is not installed")
    if sys.platform == "darwin":
        apple = platform.machine() == "arm64"
        return Gpu(apple, "Apple's own, by MPS" if apple else "no GPU that torch knows on a Mac with Intel")
    visible = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return Gpu(False, "CUDA_VISIBLE_DEVICES hides all GPUs")
    listed = _nvidia_names()
    if not listed:
        return Gpu(False, "nvidia-smi lists none")
    version = metadata.version("torch")
    if version.endswith("+cpu"):
        return Gpu(False, f"there is {listed[0]}, and torch {version} was built without CUDA")
    return Gpu(True, listed[0])


def on_gpu(settings: Any) -> bool:
    """Does an embedder of these settings run on a GPU here? `settings`: a section `embed`."""
    device = getattr(settings, "device", "cpu")
    return device in ("cuda", "mps") or (device == "auto" and find_gpu().found)


def _nvidia_names() -> list[str]:
    """Names of the GPUs that NVIDIA's driver lists; none where it is not installed or does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []  # a driver without a device fails here
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
