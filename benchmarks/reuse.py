"""What is embedded again: 1,000 files renamed, another overlap, and back to the earlier recipe.

    python benchmarks/reuse.py [FILES]

The texts are made here, from a fixed seed: four of five files are a short note, every fifth is long
enough to be cut, because an overlap changes nothing where nothing is cut. Whole processes, real model.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FILES = 1000
WORDS = (
    "server index vector document chunk query archive folder backup ledger token model batch network "
    "schedule worker queue license invoice meeting report customer garden bridge winter coffee window"
).split()


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_files(base / "pages" / "first", files)
        spec = base / "reuse.yaml"
        try:
            measure(base, spec, files)
        finally:
            subprocess.run([sys.executable, "-m", "ragctl", "doctor", str(spec), "--stop"], check=True)


def write_files(folder: Path, files: int) -> None:
    folder.mkdir(parents=True)
    draw = random.Random(11)
    for number in range(files):
        sentences = 40 if number % 5 == 0 else 2
        body = " ".join(
            f"The {draw.choice(WORDS)} of the {draw.choice(WORDS)} needs {draw.randrange(1000)} more "
            f"{draw.choice(WORDS)}."
            for _ in range(sentences)
        )
        (folder / f"{number:04}.md").write_text(f"# Note {number}\n\n{body}\n", encoding="utf-8")


def measure(base: Path, spec: Path, files: int) -> None:
    print(
        f"{'':<26} {'documents':>9} {'chunks':>7} {'embedded':>8} {'cached':>7} {'tokens':>7} {'seconds':>7}"
    )
    write_spec(spec, overlap=32)
    ingest(spec, "first ingest")
    ingest(spec, "nothing changed")
    (base / "pages" / "first").rename(base / "pages" / "renamed")
    ingest(spec, f"{files:,} files renamed", "--allow-delete", str(files))
    write_spec(spec, overlap=16)
    ingest(spec, "overlap 16 instead of 32")
    write_spec(spec, overlap=32)
    ingest(spec, "back to overlap 32")


def write_spec(spec: Path, *, overlap: int) -> None:
    content = {
        "name": "reuse",
        "sources": [{"type": "directory", "path": "pages"}],
        "chunk": {"max_tokens": 128, "overlap": overlap},
    }
    spec.write_text(json.dumps(content), encoding="utf-8")


def ingest(spec: Path, step: str, *arguments: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ragctl", "ingest", str(spec), "--format", "json", *arguments],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    report: dict[str, Any] = json.loads(result.stdout)
    counts = report["counts"]
    print(
        f"{step:<26} {counts['added'] + counts['changed']:>9,} {counts['chunks']:>7,} "
        f"{counts['embedded']:>8,} {counts['cached']:>7,} {report['usage']['tokens']:>7,} "
        f"{report['seconds']:>7.1f}"
    )


if __name__ == "__main__":
    main()
