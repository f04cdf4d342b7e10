"""Texts a second and cosine of the local encoder beside sentence-transformers, in turns.

    python benchmarks/encoder.py --texts chunks.json --against ENVIRONMENT/bin/python [--rounds 3]

`--texts` is a JSON list of strings, each of at most 256 tokens. `--against` is an interpreter that has
sentence-transformers and torch; it runs `SentenceTransformer.encode(batch_size=32)` in float32. Both
sides take turns, each in a fresh process, and embed a few texts before the clock starts, so that a
machine that is slower for a while is slower for both. Compare the ratio, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = """
import json, sys, time
import numpy as np
from ragctl.providers.local.encoder import LocalEmbedder
_, texts, _, out = sys.argv
texts = json.load(open(texts, encoding="utf-8"))
embedder = LocalEmbedder()
list(embedder.embed(texts[:8]))
vectors = np.empty((len(texts), embedder.dimension), np.float32)
start = time.perf_counter()
for batch in embedder.embed(texts):
    vectors[list(batch.positions)] = batch.vectors
print(time.perf_counter() - start)
np.save(out, vectors)
"""

THEIRS = """
import json, os, sys, time
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
from sentence_transformers import SentenceTransformer
_, texts, model, out = sys.argv
texts = json.load(open(texts, encoding="utf-8"))
model = SentenceTransformer(model, device="cpu")
model.encode(texts[:8], batch_size=32)
start = time.perf_counter()
vectors = model.encode(texts, batch_size=32)
print(time.perf_counter() - start)
np.save(out, vectors)
"""


def seconds(interpreter: str, program: str, texts: Path, out: Path) -> float:
    from ragctl.providers.local.model_files import find_files, known_model

    model = find_files(known_model("all-MiniLM-L6-v2")).folder
    command = [interpreter, "-c", program, str(texts), str(model), str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    import numpy as np

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=Path, required=True, help="JSON list of strings")
    parser.add_argument("--against", required=True, help="interpreter with sentence-transformers")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    number = len(json.loads(chosen.texts.read_text(encoding="utf-8")))
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        ours_file, theirs_file = Path(folder) / "ours.npy", Path(folder) / "theirs.npy"
        for turn in range(1, chosen.rounds + 1):
            ours = seconds(sys.executable, OURS, chosen.texts, ours_file)
            theirs = seconds(chosen.against, THEIRS, chosen.texts, theirs_file)
            ratios.append(theirs / ours)
            print(
                f"round {turn}: {number / ours:.1f} and {number / theirs:.1f} texts/s, {ratios[-1]:.2f} times"
            )
        cosine = float(np.min(np.sum(np.load(ours_file) * np.load(theirs_file), axis=1)))
    print(f"median {statistics.median(ratios):.2f} times as fast, least cosine {cosine:.6f}, {number} texts")


if __name__ == "__main__":
    main()
