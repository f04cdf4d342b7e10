"""The local encoder beside sentence-transformers on Airflow's documentation, and where its time goes.

    python benchmarks/encoder.py --reference-python ENVIRONMENT/bin/python [--chunks 400] [--pairs 5]

The reference interpreter has sentence-transformers and torch; it runs
`SentenceTransformer.encode(batch_size=32)` in float32. Both sides are processes that load the model once,
embed a few texts before the clock starts, and then take turns, with a measurement of the processor's matrix
product between them: a machine that is slower for a while is slower for all three. Compare the ratios, not
the seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE.parents[1] / "shared" / "data" / "docs-airflow" / "airflow-docs-rst.tar.xz"

THEIRS = """
import json, os, sys, time
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
from sentence_transformers import SentenceTransformer
texts, folder, out = json.load(open(sys.argv[1], encoding="utf-8")), sys.argv[2], sys.argv[3]
model = SentenceTransformer(folder, device="cpu")
model.encode(texts[:8], batch_size=32)
for line in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    vectors = model.encode(texts, batch_size=32)
    figures = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    np.save(out, vectors)
    print("figures " + json.dumps(figures), flush=True)
"""


def chunks_of(archive: Path, number: int) -> list[str]:
    """What the model reads for a sample of the documentation's chunks, with ragctl's default settings."""
    from ragctl.readers.auto import reader_for
    from ragctl.run.composition import Composition
    from ragctl.spec.load import load_spec

    found = []
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.yaml"
        source = "{type: directory, path: pages, include: ['**/*.rst']}"
        spec.write_text(f"name: docs\nsources: [{source}]\n", encoding="utf-8")
        with tarfile.open(archive) as pages:
            pages.extractall(Path(folder) / "pages", filter="data")
        composition = Composition(load_spec(spec))
        [pages_of] = composition.sources
        for item in pages_of.items():
            with pages_of.open(item) as opened:
                data = opened.read()
            reader = reader_for(item).reader
            for document in reader.read(item, data) if reader else ():
                found += [chunk.embed_input for chunk in composition.splitter.split(document).chunks]
    random.Random(0).shuffle(found)
    return found[:number]


class Side:
    """A process that embeds the same texts whenever it is told to."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, what: str = "go") -> dict[str, Any]:
        """What the process answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("figures "):
                found: dict[str, Any] = json.loads(line.removeprefix("figures "))
                return found
        raise SystemExit("a side of the comparison ended; does its Python have what it needs?")

    def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference-python", default=sys.executable, help="it has sentence-transformers")
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    chosen = parser.parse_args()
    look = "import sys, importlib.util; sys.exit(importlib.util.find_spec('sentence_transformers') is None)"
    if subprocess.run([chosen.reference_python, "-c", look], check=False).returncode:
        parser.error(f"{chosen.reference_python} has no sentence-transformers: see --reference-python")
    from ragctl.providers.local.model_files import find_files, known_model

    model = str(find_files(known_model("all-MiniLM-L6-v2")).folder)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        texts = chunks_of(chosen.archive, chosen.chunks)
        (base / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        given = [str(base / "texts.json"), model]
        ours = Side([sys.executable, str(HERE / "encoder_ours.py"), *given, str(base / "ours.npy")])
        theirs = Side([chosen.reference_python, "-c", THEIRS, *given, str(base / "theirs.npy")])
        try:
            compare(ours, theirs, len(texts), chosen.pairs)
            cosines = np.sum(np.load(base / "ours.npy") * np.load(base / "theirs.npy"), axis=1)
            print(f"least cosine to the reference {np.min(cosines):.6f}, of {len(texts)} texts")
            for line in ours.tell("profile")["lines"]:
                print(line)
        finally:
            ours.end()
            theirs.end()


def compare(ours: Side, theirs: Side, number: int, pairs: int) -> None:
    """Prints each pair and the medians."""
    ratios, of_cpu, shares, on_cpu = [], [], [], []
    for pair in range(1, pairs + 1):
        # The reference first and last in turn, the matrix product in between.
        first = theirs.tell() if pair % 2 else None
        own = ours.tell()
        peak = ours.tell("peak")
        other = first or theirs.tell()
        ratios.append(other["seconds"] / own["seconds"])
        of_cpu.append(other["cpu"] / own["cpu"])
        shares.append(own["flop"] / own["seconds"] / peak["flop_per_second"])
        on_cpu.append(own["flop"] / own["cpu"] / peak["flop_per_cpu_second"])
        print(
            f"pair {pair}: {number / own['seconds']:.1f} and {number / other['seconds']:.1f} texts/s, "
            f"{ratios[-1]:.2f} times, {of_cpu[-1]:.2f} by processor time; {own['precision']} peak "
            f"{peak['flop_per_second'] / 1e9:.0f} GFLOP/s "
            f"({peak['flop_per_cpu_second'] / 1e9:.0f} a processor), of which {shares[-1]:.0%} "
            f"({on_cpu[-1]:.0%} by processor time)",
            flush=True,
        )
    ratio, by_cpu, share, by_cpu_share = map(statistics.median, (ratios, of_cpu, shares, on_cpu))
    print(
        f"median: {ratio:.2f} times as fast, {by_cpu:.2f} by processor time; "
        f"{share:.0%} of the measured matrix peak, {by_cpu_share:.0%} by processor time"
    )


if __name__ == "__main__":
    main()
