"""ragctl's side of `encoder.py`: embeds, measures the processor's matrix product, and takes a profile.

    python benchmarks/encoder_ours.py TEXTS.json MODEL_FOLDER VECTORS.npy

Each line on standard input (`go`, `peak` or `profile`) is answered by a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ragctl.providers.local.architecture import Architecture
from ragctl.providers.local.batches import pack
from ragctl.providers.local.description import CONFIG, WEIGHTS
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.processors import processor_quota
from ragctl.providers.local.runtime import half_formats, import_openvino, settings_for

_ROWS, _PEAK_SECONDS = 1_024, 0.4


class Ours:
    """The encoder and the texts."""

    def __init__(self, texts: list[str], vectors: Path) -> None:
        self._texts = texts
        self._file = vectors
        self._embedder = LocalEmbedder()
        self._ids = self._embedder.tokenizer.token_ids(texts)
        self._files = find_files(known_model("all-MiniLM-L6-v2"))
        self._config = json.loads(self._files.read(CONFIG))
        self._peak: Callable[[], int] | None = None
        list(self._embedder.embed(texts[:8]))

    @property
    def precision(self) -> str:
        """The number format that the embedder runs in."""
        return self._embedder._encoder("throughput").precision

    def go(self) -> dict[str, Any]:
        """Embeds all texts."""
        vectors = np.empty((len(self._texts), self._embedder.dimension), np.float32)
        start, cpu = time.perf_counter(), time.process_time()
        for batch in self._embedder.embed(self._texts):
            vectors[list(batch.positions)] = batch.vectors
        figures = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        np.save(self._file, vectors)
        return {**figures, "flop": self._flop(), "precision": self.precision}

    def _flop(self) -> int:
        """Operations of the matrix products, for the texts' own tokens: what no padding adds to."""
        hidden, inner = self._config["hidden_size"], self._config["intermediate_size"]
        each = 2 * (4 * hidden * hidden + 2 * hidden * inner)
        lengths = [len(one) for one in self._ids]
        attention = sum(4 * length * length * hidden for length in lengths)
        return int(self._config["num_hidden_layers"] * (each * sum(lengths) + attention))

    def peak(self) -> dict[str, Any]:
        """The matrix product that the model has most of, again and again on all processors."""
        hidden, inner = self._config["hidden_size"], self._config["intermediate_size"]
        if self._peak is None:
            self._peak = _products(hidden, inner, self.precision)
        flop, start, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < _PEAK_SECONDS:
            flop += self._peak()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        return {"flop_per_second": flop / seconds, "flop_per_cpu_second": flop / cpu}

    def profile(self) -> dict[str, Any]:
        """Processor time of each part, and of the graph by kind of operation."""
        tokenizing = _cpu(lambda: self._embedder.tokenizer.token_ids(self._texts))
        packing = _cpu(lambda: list(pack(self._ids, batch_tokens=1_024)))
        batches = list(pack(self._ids, batch_tokens=1_024))
        padded, real = sum(one.ids.size for one in batches), sum(map(len, self._ids))
        whole = self.go()["cpu"]
        kinds = self._by_kind(batches)
        graph = whole - tokenizing - packing
        total = sum(kinds.values())
        lines = [
            "where the processor's time goes:",
            f"  tokenizing {tokenizing / whole:6.1%}",
            f"  packing    {packing / whole:6.1%}",
            f"  the rest   {graph / whole:6.1%}, which is the graph and copying; {padded / real - 1:.1%} of "
            "its tokens are padding",
        ]
        lines += [f"    {kind:34}{took / total:6.1%} of the graph" for kind, took in kinds.most_common(8)]
        return {"lines": lines}

    def _by_kind(self, batches: list[Any]) -> Counter[str]:
        from ragctl.providers.local.graph import encode
        from ragctl.providers.local.pooling import sentence_graph
        from ragctl.providers.local.weights import read_weights

        shape = Architecture.from_config(self._config)
        encoded = encode(shape, read_weights(self._files.path(WEIGHTS), shape.family))
        graph = sentence_graph(encoded, self._files.model.modules, [])
        settings = {**settings_for("throughput", self.precision, processor_quota()), "PERF_COUNT": True}
        request = import_openvino().Core().compile_model(graph, "CPU", settings).create_infer_request()
        kinds: Counter[str] = Counter()
        for batch in [*batches[:4], *batches]:  # the first ones only prepare kernels
            request.infer({"ids": batch.ids, "lengths": batch.lengths})
            for node in request.profiling_info:
                kinds[f"{node.node_type} ({node.exec_type})"] += node.cpu_time.total_seconds()
        return kinds


_PRODUCTS = 8


def _products(hidden: int, inner: int, precision: str) -> Callable[[], int]:
    """Some matrix products in a row, as many such rows at once as keep the processor busy.

    What is returned runs them, and says how many operations that took.
    """
    ov = import_openvino()
    from openvino import opset16 as ops

    state = given = ops.parameter([_ROWS, hidden], np.float32, name="state")
    numbers = np.random.default_rng(0)
    for number in range(_PRODUCTS):
        shape = (hidden, inner) if number % 2 else (inner, hidden)
        weight = ops.constant(numbers.standard_normal(shape).astype(np.float32) / 30)
        state = ops.matmul(state, weight, transpose_a=False, transpose_b=True)
    graph = ov.Model([ops.reduce_sum(state, ops.constant(np.int32(0)))], [given], "products")
    core = ov.Core()
    assert precision == "f32" or precision in half_formats(core)
    compiled = core.compile_model(graph, "CPU", settings_for("throughput", precision, processor_quota()))
    parallel = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    queue = ov.AsyncInferQueue(compiled, parallel)
    rows = np.ones((_ROWS, hidden), np.float32)

    def run() -> int:
        for _ in range(parallel):
            queue.start_async([rows], share_inputs=True)
        queue.wait_all()
        return parallel * _PRODUCTS * 2 * _ROWS * hidden * inner

    run()
    return run


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    texts, _, vectors = sys.argv[1:]
    ours = Ours(json.loads(Path(texts).read_text(encoding="utf-8")), Path(vectors))
    for line in sys.stdin:
        print("figures " + json.dumps(getattr(ours, line.strip())()), flush=True)


if __name__ == "__main__":
    main()
