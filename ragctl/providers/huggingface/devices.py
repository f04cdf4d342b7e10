"""Where a model runs, and in which number format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragctl.errors import Unavailable, UsageError
from ragctl.providers.huggingface.torch_runtime import import_torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")

BATCH_TOKENS = {"cpu": 2_048, "mps": 16_384, "cuda": 65_536}
"""Tokens in a batch, padding included. On a processor, more of them gain nothing; on a GPU, starting a small
model's kernels takes as long as computing some thousand tokens."""

_NO_CUDA_BUILD = (
    "install a build of torch for your GPU, see https://pytorch.org/get-started, or use device: auto"
)


def refuse_unknown(device: str, precision: str, batch_tokens: int | None) -> None:
    """
    Raises:
        UsageError: there is no such device or precision, or the number is out of range.
    """
    if device not in DEVICES:
        raise UsageError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if batch_tokens is not None and batch_tokens < 1:
        raise UsageError(f"batch_tokens must be at least 1, not {batch_tokens}")


def choose_device(asked: str) -> str:
    """`cuda`, `mps` or `cpu`: what was asked for, or the first of these that is there.

    Raises:
        Unavailable: it is not there.
        MissingPackage: torch is not installed.
    """
    torch = import_torch()
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(device for device, usable in there.items() if usable)
    if there[asked]:
        return asked
    if asked == "cuda":
        built = torch.version.cuda or getattr(torch.version, "hip", None)
        if not built:
            raise Unavailable(
                f"device: cuda, but torch {torch.__version__} was built without CUDA", hint=_NO_CUDA_BUILD
            )
        raise Unavailable(
            "device: cuda, but torch sees no such GPU",
            hint="see nvidia-smi and CUDA_VISIBLE_DEVICES, give the container the GPU, or use device: auto",
        )
    raise Unavailable(
        "device: mps, but there is none: it is the GPU of a Mac with Apple silicon", hint="use device: auto"
    )


def choose_precision(asked: str, device: str) -> str:
    """`bf16` on a GPU that has it, else `fp16` on a GPU, and `fp32` on a processor; or what was asked for."""
    if asked != "auto":
        return asked
    if device == "cuda":
        native = import_torch().cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if native else "fp16"
    return "fp16" if device == "mps" else "fp32"


def stored_in(config: Mapping[str, Any]) -> str | None:
    """The precision that a model's `config.json` says that its weights are saved in."""
    named = str(config.get("dtype") or config.get("torch_dtype"))
    return {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}.get(named.removeprefix("torch."))


def dtype_of(precision: str) -> Any:
    """torch's name for it."""
    return getattr(import_torch(), {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[precision])
