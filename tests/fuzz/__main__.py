"""Damages files of every format and reads them as an ingest would.

    PYTHONPATH=tests python -m fuzz [FOLDER] [--inputs 5000] [--seed 1] [--keep DIRECTORY]

Formats are damaged equally often, those that LibreOffice and Tesseract read 20 times less. The same seed
makes the same files. Exit code 1 if anything escaped: an error that is not ragctl's, a hang, or a document
that does not keep its promises.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fuzz.attempts import Attempt, Tally, attempt
from fuzz.mutations import Sample, mutated
from fuzz.samples import SLOW, by_format, made_samples, samples_in

from ragctl.readers.auto import Readers
from ragctl.readers.worker_pool import WorkerPool
from ragctl.readers.worker_process import Limits

LIMIT_S = 20.0
OUTCOMES = ("read", "skipped", "empty", "malformed", "stopped", "crashed", "escape")
_SLOW_SHARE = 0.05


def inputs(samples: list[Sample], count: int, seed: int) -> Iterator[tuple[str, Sample, str]]:
    """Format, damaged file, and how it was damaged."""
    formats = by_format(samples)
    draw = random.Random(seed)
    names = sorted(formats)
    weights = [_SLOW_SHARE if name in SLOW else 1.0 for name in names]
    for _ in range(count):
        (kind,) = draw.choices(names, weights)
        sample, how = mutated(draw, draw.choice(formats[kind]), draw.choice(samples))
        yield kind, sample, how


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write what crashed, hung or escaped to this folder")
    options = parser.parse_args()
    samples = made_samples()
    if options.folder is not None:
        samples += samples_in(options.folder, slow=True)
    began, tally = time.monotonic(), Tally()
    limits = Limits(seconds=LIMIT_S, memory=1 << 30, output=64 << 20)
    with WorkerPool(limits) as pool:
        readers = Readers(workers=pool)
        for number, (kind, sample, how) in enumerate(inputs(samples, options.inputs, options.seed)):
            done = attempt(readers, sample, LIMIT_S)
            tally.add(kind, done)
            if done.outcome in ("stopped", "crashed", "escape"):
                report(number, done, how, sample, options.keep)
        started = pool.started
    print(table(tally))
    print(
        f"\n{options.inputs:,} inputs of {len(samples)} files, seed {options.seed}, "
        f"{time.monotonic() - began:.0f} s; workers started: {started}; "
        f"crashes contained: {tally.total('crashed')}; escapes: {tally.total('escape')}"
    )
    sys.exit(1 if tally.total("escape") else 0)


def report(number: int, done: Attempt, how: str, sample: Sample, folder: Path | None) -> None:
    print(
        f"{number}: {done.outcome} after {done.seconds:.1f} s: {done.name} ({how}): {done.detail[:300]}",
        flush=True,
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{sample.name}").write_bytes(sample.data)


def table(tally: Tally) -> str:
    """In Markdown, a row for each format."""
    lines = [
        f"| format | inputs | {' | '.join(OUTCOMES)} | seconds |",
        "|---|" + "--:|" * (len(OUTCOMES) + 2),
    ]
    for kind, counts in sorted(tally.outcomes.items()):
        cells = " | ".join(str(counts[one]) for one in OUTCOMES)
        lines.append(f"| {kind} | {counts.total()} | {cells} | {tally.seconds[kind]:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
