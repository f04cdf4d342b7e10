"""The huggingface provider beside `SentenceTransformer.encode` on one device, with all-MiniLM-L6-v2.

    python benchmarks/gpu_encoder.py [--device cuda] [--texts 20000] [--pairs 5] [--batch-tokens N]

One process; all sides hold the model on the device and embed some texts before the clock starts, and then
take turns. `encode` runs as it does by default: float32, 32 texts a batch. A second reference is what a user
can have of it by two arguments: 16 bits and 256 texts a batch. The device's peak is measured in the same run,
as a product of two large matrices in the number format that the provider chose. Compare the ratios, not the
seconds.

The texts are chunks of Airflow's documentation, or, where that archive is not at hand, random words.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder import ARCHIVE, chunks_of
from sentence_transformers import SentenceTransformer

from ragctl.providers.huggingface.devices import choose_device, choose_precision, dtype_of
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder
from ragctl.providers.local.batches import pack
from ragctl.providers.local.model_files import find_files, known_model

MODEL = "all-MiniLM-L6-v2"
_PEAK_SECONDS, _PEAK_SIZE = 0.5, {"cuda": 8_192, "mps": 4_096, "cpu": 1_024}


def random_texts(number: int) -> list[str]:
    """Texts of 20 to 120 words."""
    draw = random.Random(0)
    words = (
        "the lake ferry pier harbour keeper wind swell record weather coast restart worker heartbeat".split()
    )
    return [" ".join(draw.choices(words, k=draw.randint(20, 120))) for _ in range(number)]


class Sides:
    """Everything that is timed."""

    def __init__(self, texts: list[str], device: str, precision: str, batch_tokens: int | None) -> None:
        folder = find_files(known_model(MODEL)).folder
        self.texts = texts
        self.device = choose_device(device)
        self.embedder = HuggingFaceEmbedder(
            MODEL, device=device, precision=precision, batch_tokens=batch_tokens
        )
        half = choose_precision("auto", self.device)
        self.reference = SentenceTransformer(str(folder), device=self.device, local_files_only=True)
        self.tuned = SentenceTransformer(
            str(folder),
            device=self.device,
            local_files_only=True,
            model_kwargs={"dtype": dtype_of(half)},
        )
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        few = texts[: 4 * 256]
        list(self.embedder.embed(few))
        self.reference.encode(few[:256])
        self.tuned.encode(few, batch_size=256)

    def ours(self) -> Any:
        """All texts by the provider."""
        vectors = np.empty((len(self.texts), self.embedder.dimension), np.float32)
        for batch in self.embedder.embed(self.texts):
            vectors[list(batch.positions)] = batch.vectors
        return vectors

    def flop(self) -> int:
        """Operations of the matrix products for the texts' own tokens: what no padding adds to."""
        hidden, inner = self.config["hidden_size"], self.config["intermediate_size"]
        each = 2 * (4 * hidden * hidden + 2 * hidden * inner)
        lengths = np.array(self.embedder.tokenizer.count(self.texts), np.float64)
        attention = float(np.sum(4 * lengths * lengths * hidden))
        return int(self.config["num_hidden_layers"] * (each * float(lengths.sum()) + attention))

    def peak(self) -> float:
        """Operations a second of a product of two large matrices, in the provider's number format."""
        size = _PEAK_SIZE[self.device]
        dtype = dtype_of(self.embedder._encoder().precision)
        left, right = (torch.randn(size, size, device=self.device, dtype=dtype) for _ in range(2))
        for _ in range(3):
            left @ right
        self.wait()
        products, start = 0, time.perf_counter()
        while time.perf_counter() - start < _PEAK_SECONDS:
            for _ in range(4):
                left @ right
            self.wait()
            products += 4
        return products * 2 * size**3 / (time.perf_counter() - start)

    def wait(self) -> None:
        """Until the device has done all that it was told."""
        if self.device != "cpu":
            getattr(torch, self.device).synchronize()

    def parts(self) -> tuple[float, float]:
        """Seconds of tokenizing alone, and of the model alone on batches that are ready."""
        encoder, tokenizer = self.embedder._encoder(), self.embedder.tokenizer
        ids, tokenizing = timed(lambda: tokenizer.token_ids(self.texts))
        ready = [encoder.prepare(batch) for batch in pack(ids, batch_tokens=encoder.batch_tokens)]
        _, computing = timed(lambda: [0 for _ in encoder.run(iter(ready), "")])
        return tokenizing, computing


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


def compare(sides: Sides, pairs: int) -> None:
    """Prints each pair and the medians."""
    number, flop = len(sides.texts), sides.flop()
    ratios, tuned_ratios, shares = [], [], []
    for pair in range(1, pairs + 1):
        # The reference first and last in turn.
        order: list[tuple[str, Callable[[], Any]]] = [
            ("encode", lambda: sides.reference.encode(sides.texts)),
            ("ours", sides.ours),
            ("tuned", lambda: sides.tuned.encode(sides.texts, batch_size=256)),
        ]
        made, seconds = {}, {}
        for name, work in order if pair % 2 else reversed(order):
            made[name], seconds[name] = timed(work)
        peak = sides.peak()
        ratios.append(seconds["encode"] / seconds["ours"])
        tuned_ratios.append(seconds["tuned"] / seconds["ours"])
        shares.append(flop / seconds["ours"] / peak)
        print(
            f"{pair}: {number / seconds['ours']:,.0f} texts/s; encode {number / seconds['encode']:,.0f}, "
            f"{ratios[-1]:.2f} times; encode in 16 bits, 256 a batch {number / seconds['tuned']:,.0f}, "
            f"{tuned_ratios[-1]:.2f} times; peak {peak / 1e12:.2f} TFLOP/s, of which {shares[-1]:.1%}",
            flush=True,
        )
    cosine = float(np.min(np.sum(made["ours"] * made["encode"], axis=1)))
    ratio, tuned, share = map(statistics.median, (ratios, tuned_ratios, shares))
    print(
        f"median: {ratio:.2f} times encode's default, {tuned:.2f} times encode in 16 bits and 256 a batch; "
        f"{share:.1%} of the measured peak; least cosine to encode {cosine:.6f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=None)
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    chosen = parser.parse_args()
    known = chosen.archive.is_file()
    some = chunks_of(chosen.archive, chosen.texts) if known else random_texts(chosen.texts)
    texts = [some[at % len(some)] for at in range(chosen.texts)]
    sides = Sides(texts, chosen.device, chosen.precision, chosen.batch_tokens)
    encoder = sides.embedder._encoder()
    name = torch.cuda.get_device_name() if sides.device == "cuda" else sides.device
    print(
        f"{len(texts)} {'chunks of the documentation' if known else 'texts of random words'} on {name}, "
        f"{encoder.precision}, {encoder.batch_tokens} tokens a batch, torch {torch.__version__}"
    )
    compare(sides, chosen.pairs)
    tokenizing, computing = sides.parts()
    print(f"alone: tokenizing {tokenizing:.2f} s, the model on batches that are ready {computing:.2f} s")


if __name__ == "__main__":
    main()
