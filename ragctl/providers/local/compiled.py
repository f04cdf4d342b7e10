"""The encoder made ready for this processor, and proof that its vectors are right.

Nothing is cached on disk: building the graph and compiling it take about 0.2 s, hardly more than
loading a compiled model, and there is nothing that could be stale, damaged or written twice at once.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from ragctl.errors import MissingPackage, Unavailable
from ragctl.providers.local.batches import Batch, pack
from ragctl.providers.local.model_files import CONFIG, WEIGHTS, ModelFiles
from ragctl.providers.local.processors import processor_quota
from ragctl.providers.local.tokenizer import LocalTokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Goal = Literal["throughput", "latency"]

MIN_COSINE = 0.9999
"""Least cosine to the reference vectors (sentence-transformers, float32) that is let pass."""

_import_lock = Lock()
_process: int | None = None
"""The process that uses OpenVINO, once one does."""


class CompiledEncoder:
    """An encoder that threads may share.

    Attributes:
        precision: what the processor multiplies in: `bf16` or `f32`.
        parallel: how many `infer` calls at once use the processor fully.
    """

    def __init__(self, compiled: Any, precision: str) -> None:
        self.precision = precision
        self.parallel = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._compiled = compiled
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def infer(self, batch: Batch) -> Vectors:
        """Vectors of unit length, shape (rows, dimension). Blocks; other Python threads run on."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        request.infer({"ids": batch.ids, "lengths": batch.lengths}, share_inputs=True)
        vectors: Vectors = request.get_output_tensor(0).data.copy()
        self._idle.put(request)
        return vectors


def compile_encoder(
    files: ModelFiles, tokenizer: LocalTokenizer, *, goal: Goal, threads: int | None = None
) -> CompiledEncoder:
    """Builds, compiles and checks the encoder.

    `throughput` runs several batches at once, in bfloat16 where the processor multiplies it natively
    and the vectors stay within `MIN_COSINE`; `latency` runs one at a time in float32, which is as
    fast for a single question and exact.

    Args:
        threads: most threads to use; None: what affinity and the container's quota allow.

    Raises:
        MissingPackage: OpenVINO is not installed.
        Unavailable: a file is damaged, or this processor computes other vectors.
    """
    ov = import_openvino()
    # Hashing releases the interpreter's lock, so it costs next to nothing beside building the graph.
    with ThreadPoolExecutor(1, thread_name_prefix="ragctl-checksum") as beside:
        intact = beside.submit(files.verify, WEIGHTS)
        try:
            core = ov.Core()
            model = _build(files)
        finally:
            # Raises if the file is damaged, instead of whatever building made of it.
            intact.result()
    reference = _Reference(files, tokenizer)
    cosine = 0.0
    for precision in _precisions(core, goal):
        settings = _settings(goal, precision, threads or processor_quota())
        encoder = CompiledEncoder(core.compile_model(model, "CPU", settings), precision)
        cosine = reference.least_cosine(encoder)
        if cosine >= MIN_COSINE:
            return encoder
    raise Unavailable(
        f"{files.model.name} computes wrong vectors on this processor: cosine to the reference "
        f"{cosine:.5f}, at least {MIN_COSINE} expected",
        hint="report it with the processor's name and the version of openvino",
    )


def refuse_after_fork() -> None:
    """Notes the process at first use.

    Raises:
        Unavailable: OpenVINO was used before this process was forked; it would hang or crash here.
    """
    global _process
    if _process is None:
        _process = os.getpid()
    if _process != os.getpid():
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


def _build(files: ModelFiles) -> Any:
    from safetensors import safe_open

    from ragctl.providers.local.graph import EncoderShape, build_graph

    shape = EncoderShape.from_config(json.loads(files.read(CONFIG)))
    with safe_open(files.path(WEIGHTS), framework="numpy") as tensors:
        weights = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    return build_graph(shape, weights)


def _precisions(core: Any, goal: Goal) -> tuple[str, ...]:
    """Number formats to try, fastest first."""
    if goal == "throughput" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return ("bf16", "f32")
    return ("f32",)


def _settings(goal: Goal, precision: str, threads: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": goal.upper(),
        "INFERENCE_PRECISION_HINT": precision,
        # Pinned, the threads of two processes would share the first processors and leave others idle.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return settings


class _Reference:
    """Texts whose vectors are known; of unlike lengths, so that padding and mask are checked too."""

    def __init__(self, files: ModelFiles, tokenizer: LocalTokenizer) -> None:
        import numpy as np

        source = Path(__file__).parent / files.model.reference
        known = json.loads(source.read_text(encoding="utf-8"))
        self._vectors = np.array(known["vectors"], np.float32)
        ids = tokenizer.token_ids(known["texts"])
        (self._batch,) = pack(ids, batch_tokens=len(ids) * files.model.max_tokens)

    def least_cosine(self, encoder: CompiledEncoder) -> float:
        import numpy as np

        expected = self._vectors[list(self._batch.positions)]
        cosines = np.sum(encoder.infer(self._batch) * expected, axis=1)
        return float(np.min(cosines)) if np.all(np.isfinite(cosines)) else -1.0
