"""OpenVINO itself: imported without its telemetry, not used across a fork, and how it is told to run."""

from __future__ import annotations

import os
import sys
from threading import Lock
from typing import Any, Literal

from ragctl.errors import MissingPackage, Unavailable

Goal = Literal["throughput", "latency"]
"""`throughput`: several batches at once; `latency`: one at a time, on all threads."""

FULL = "f32"

_HALF = {"BF16": "bf16", "FP16": "f16"}
"""What OpenVINO calls the native formats of 16 bits, and how it is asked for them; fastest first."""

_import_lock = Lock()
_process: int | None = None
"""The process that uses OpenVINO, once one does."""


def note_process() -> None:
    """Notes that this process uses OpenVINO.

    Raises:
        Unavailable: see `refuse_after_fork`.
    """
    global _process
    refuse_after_fork()
    _process = os.getpid()


def refuse_after_fork() -> None:
    """
    Raises:
        Unavailable: OpenVINO was used before this process was forked; it would hang or crash here.
    """
    if _process not in (None, os.getpid()):
        raise Unavailable(
            "the local embedder was in use before this process was forked, and does not survive that",
            hint="start processes with the method 'spawn', or fork before anything is embedded",
        )


def import_openvino() -> Any:
    """Imports OpenVINO without its model converter, whose import sends an event to Google Analytics.

    `openvino` imports `openvino.tools.ovc`, which by default writes a client id to the home directory
    and sends "import" over the network; it does without where the converter cannot be imported. A
    process that had imported OpenVINO before is left as it is.

    Raises:
        MissingPackage: there is no OpenVINO, or it cannot be loaded on this platform.
    """
    with _import_lock:
        block = "openvino" not in sys.modules
        if block:
            sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
        try:
            import openvino
        except ImportError as error:
            raise MissingPackage(
                f"openvino, which runs local models, cannot be loaded: {error}", hint="pip install openvino"
            ) from error
        finally:
            if block:
                del sys.modules["openvino.tools.ovc"]
        return openvino


def half_formats(core: Any) -> tuple[str, ...]:
    """The number formats of 16 bits that this processor multiplies natively, fastest first."""
    native = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(asked for name, asked in _HALF.items() if name in native)


def settings_for(goal: Goal, precision: str, threads: int | None) -> dict[str, Any]:
    """What the processor's plugin of OpenVINO is told.

    Args:
        threads: most threads to use; None: what the affinity mask allows.
    """
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": goal.upper(),
        "INFERENCE_PRECISION_HINT": precision,
        # Pinned, the threads of two processes would share the first processors and leave others idle.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return settings
