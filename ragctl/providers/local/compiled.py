"""A model made ready for this processor, in the fastest number format that gives the right results.

Nothing is cached on disk: building the graph and compiling it take about 0.2 s, hardly more than
loading a compiled model, and there is nothing that could be stale, damaged or written twice at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable, UsageError
from ragctl.providers.local.batches import Batch
from ragctl.providers.local.checks import Check, encoder_check, refuse_other_vocabulary, scorer_check
from ragctl.providers.local.description import CONFIG, WEIGHTS
from ragctl.providers.local.processors import processor_quota
from ragctl.providers.local.runtime import FULL, Goal, half_formats, import_openvino, settings_for
from ragctl.providers.local.tokenizer import LocalTokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragctl.providers.local.cross_model import CrossFiles
    from ragctl.providers.local.model_files import ModelFiles

    Outputs = NDArray[np.float32]

_LOG = logging.getLogger("ragctl")


class CompiledEncoder:
    """A model that threads may share.

    Attributes:
        precision: what the processor multiplies in: `bf16`, `f16` or `f32`.
        parallel: how many `infer` calls at once use the processor fully.
    """

    def __init__(self, compiled: Any, precision: str) -> None:
        self.precision = precision
        self.parallel = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._names = [one.get_any_name() for one in compiled.inputs]
        self._compiled = compiled
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def infer(self, batch: Batch) -> Outputs:
        """Vectors of unit length, shape (rows, dimension), or scores, (rows, 1).

        Blocks; other Python threads run on.
        """
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        inputs = {name: getattr(batch, name) for name in self._names}
        request.infer(inputs, share_inputs=True)
        outputs: Outputs = request.get_output_tensor(0).data.copy()
        self._idle.put(request)
        return outputs


def compile_encoder(
    files: ModelFiles, tokenizer: LocalTokenizer, *, goal: Goal, threads: int | None = None
) -> CompiledEncoder:
    """Builds, compiles and checks an encoder.

    `throughput` runs several batches at once, in 16 bits where the processor multiplies them natively
    and the vectors stay near enough, see `checks.py`; `latency` runs one at a time in float32, which is
    as fast for a single question and exact.

    Args:
        threads: most threads to use; None: what affinity and the container's quota allow.

    Raises:
        MissingPackage: OpenVINO is not installed.
        UsageError: the model's files do not fit one another.
        Unavailable: a file is damaged, or this processor computes other vectors.
    """

    def build() -> Any:
        import json

        from ragctl.providers.local.architecture import Architecture
        from ragctl.providers.local.graph import encode
        from ragctl.providers.local.pooling import sentence_graph
        from ragctl.providers.local.weights import read_linear, read_weights, words_in

        shape = Architecture.from_config(json.loads(files.read(CONFIG)))
        weights = read_weights(files.path(WEIGHTS), shape.family)
        modules = files.model.modules
        if files.model.reference is None:
            refuse_other_vocabulary(tokenizer, words_in(weights))
        dense = [read_linear(files.path(f"{step.folder}/{WEIGHTS}")) for step in modules.dense]
        return sentence_graph(encode(shape, weights), modules, dense)

    check = encoder_check(files.model, tokenizer)
    names = [name for name in files.model.sha256 if name.endswith(WEIGHTS)]
    return _Compiler(files, names, goal, threads).run(build, check)


def compile_scorer(
    files: CrossFiles, tokenizer: LocalTokenizer, *, threads: int | None = None
) -> CompiledEncoder:
    """Builds, compiles and checks a cross-encoder; its outputs are logits.

    Raises:
        See `compile_encoder`.
    """

    def build() -> Any:
        from ragctl.providers.local.graph import encode
        from ragctl.providers.local.scoring import scoring_graph
        from ragctl.providers.local.weights import read_weights, words_in

        shape = files.model.description.architecture
        weights = read_weights(files.path(WEIGHTS), shape.family)
        refuse_other_vocabulary(tokenizer, words_in(weights))
        return scoring_graph(shape, encode(shape, weights, pairs=files.model.description.segments), weights)

    return _Compiler(files, [WEIGHTS], "throughput", threads).run(build, scorer_check(files.model, tokenizer))


class _Compiler:
    def __init__(
        self, files: ModelFiles | CrossFiles, weights: list[str], goal: Goal, threads: int | None
    ) -> None:
        self._files = files
        self._weights = weights
        self._goal = goal
        self._threads = threads or processor_quota()

    def run(self, build: Callable[[], Any], check: Check) -> CompiledEncoder:
        ov = import_openvino()
        core = ov.Core()
        graph = self._built(build)
        if self._goal == "throughput":
            for precision in half_formats(core):
                made = self._compile(core, graph, precision)
                if check.passes(made, lambda: self._compile(core, graph, FULL)):
                    return made
                _LOG.warning(
                    "%s is too coarse in %s (%s), and runs in %s", self._name, precision, check.found, FULL
                )
        made = self._compile(core, graph, FULL)
        if not check.passes(made, None):
            raise Unavailable(
                f"{self._name} computes wrong vectors on this processor: {check.found}",
                hint="report it with the processor's name and the version of openvino",
            )
        return made

    @property
    def _name(self) -> str:
        return self._files.model.name

    def _built(self, build: Callable[[], Any]) -> Any:
        # Hashing releases the interpreter's lock, so it costs next to nothing beside building the graph.
        with ThreadPoolExecutor(1, thread_name_prefix="ragctl-checksum") as beside:
            intact = beside.submit(lambda: [self._files.verify(name) for name in self._weights])
            try:
                return build()
            except (RuntimeError, ValueError, IndexError) as error:  # what OpenVINO and NumPy raise
                where = str(self._files.folder)
                raise UsageError(f"{self._name} cannot be built: {error}", where=where) from error
            finally:
                # Raises if a file is damaged, instead of whatever building made of it.
                intact.result()

    def _compile(self, core: Any, graph: Any, precision: str) -> CompiledEncoder:
        settings = settings_for(self._goal, precision, self._threads)
        return CompiledEncoder(core.compile_model(graph, "CPU", settings), precision)
