"""Ingest: the time outside embedding, the memory that a corpus ten times over takes, 10,000 unchanged files.

    python benchmarks/ingest.py [ARCHIVE] [--only share copies unchanged]

ARCHIVE is a .tar.xz of documentation pages; the default is Airflow's, beside the repository. Each ingest is a
process of its own, with the real model and a database server in a temporary folder.

The encoder counts as idle while none of its calls is running. In which part of ragctl's own thread that
happens is told by clocks around the parts. The corpus ten times over is ten folders with the same pages; what
is read a second time costs no embedding, so it shows what memory does and not what embedding takes. The
10,000 files repeat twenty texts for the same reason: only the second ingest of them is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

ARCHIVE = Path(__file__).resolve().parents[2] / "shared" / "data" / "docs-airflow" / "airflow-docs-rst.tar.xz"
STEPS = ("share", "copies", "unchanged")
COPIES = 10
FILES, TEXTS = 10_000, 20
SETTLED_S = 2.5  # a younger file is looked at once more
GOAL_OUTSIDE, GOAL_MEMORY, GOAL_SECONDS = 0.15, 0.10, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?", default=ARCHIVE)
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--clocked", metavar="SPEC", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.clocked:
        print(json.dumps(clocked_ingest(Path(chosen.clocked))))
        return
    once = None
    if {"share", "copies"} & set(chosen.only):
        with pages_in_folders(chosen.archive, 1) as spec:
            once = ingest(spec)
        report_share(once)
    if "copies" in chosen.only and once is not None:
        with pages_in_folders(chosen.archive, COPIES) as spec:
            report_memory(once, ingest(spec))
    if "unchanged" in chosen.only:
        measure_unchanged()


# Corpora


@contextmanager
def workspace(source: dict[str, Any]) -> Iterator[Path]:
    """A spec in a folder of its own, whose server is stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "pages.yaml"
        content = {"name": "pages", "sources": [{"type": "directory", "path": "pages", **source}]}
        spec.write_text(json.dumps(content), encoding="utf-8")
        try:
            yield spec
        finally:
            command = [sys.executable, "-m", "ragctl", "doctor", str(spec), "--stop"]
            subprocess.run(command, check=True, capture_output=True)


@contextmanager
def pages_in_folders(archive: Path, copies: int) -> Iterator[Path]:
    with workspace({"include": ["**/*.rst", "**/*.md"]}) as spec, tarfile.open(archive) as pages:
        for number in range(copies):
            pages.extractall(spec.parent / "pages" / f"copy-{number}", filter="data")
        yield spec


def write_files(folder: Path) -> None:
    for number in range(FILES):
        path = folder / f"{number % 100:02}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number % TEXTS}: an index finds a page by its words.\n", encoding="utf-8")


# Ingests in processes of their own


def ingest(spec: Path) -> dict[str, Any]:
    """What `clocked_ingest` found, with the `wall` seconds of the whole process."""
    # This process stays small: on Linux a child's peak begins with what its parent had.
    started = time.perf_counter()
    command = [sys.executable, __file__, "--clocked", str(spec)]
    result = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    found: dict[str, Any] = json.loads(result.stdout)
    return {**found, "wall": time.perf_counter() - started}


def plain_ingest(spec: Path) -> float:
    """Seconds of the whole process, with no clock in it."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "ragctl", "ingest", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def clocked_ingest(spec: Path) -> dict[str, Any]:
    """Ingests in this process: seconds by part, how many of them the encoder is idle, peak memory, opens."""
    opened = count_opens(spec.parent / "pages")
    started = time.perf_counter()
    from ragctl.run.ingesting.ingest import ingest as run_ingest
    from ragctl.spec.load import load_spec

    clocks = Clocks()
    put_clocks_up(clocks)
    report = run_ingest(load_spec(spec))
    clocks.stop()
    return {
        "counts": report.as_json()["counts"],
        "parts": clocks.seconds,
        "idle": clocks.idle,
        "busy": clocks.encoder.busy,
        "streams": clocks.encoder.streams(),
        "imports": clocks.began - started,
        "peak_mib": peak_mib(),
        "opened": opened["pages"],
    }


def count_opens(folder: Path) -> Counter[str]:
    """Counts, from now on, whatever this process opens below the folder, by any call of Python's."""
    opened: Counter[str] = Counter()
    below = str(folder) + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            opened["pages"] += os.fsdecode(arguments[0]).startswith(below)

    sys.addaudithook(hook)
    return opened


def peak_mib() -> float:
    """Of this process alone: the database's are others."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


# Clocks


class EncoderClock:
    """For how long at least one of the encoder's calls was running, and the sum of all calls."""

    def __init__(self) -> None:
        self.busy = 0.0
        self._summed = 0.0
        self._running = 0
        self._since = 0.0
        self._lock = Lock()
        self.parallel = 1

    def step(self, change: int = 0) -> float:
        """A call begins (1) or ends (-1); the seconds with any at all until now."""
        with self._lock:
            now = time.perf_counter()
            if self._running:
                self.busy += now - self._since
                self._summed += self._running * (now - self._since)
            self._since = now
            self._running += change
            return self.busy

    def streams(self) -> float:
        """How many calls ran at a time while any did, as a share of those that use the processor fully."""
        return self._summed / self.busy / self.parallel if self.busy else 0.0


class Clocks:
    """Seconds by part of ragctl's thread, without the parts that it calls; and those with an idle encoder."""

    def __init__(self) -> None:
        self.encoder = EncoderClock()
        self.seconds: Counter[str] = Counter()
        self.idle: Counter[str] = Counter()
        self._parts = ["start, planning, ledger"]
        self.began = self._since = time.perf_counter()
        self._busy = 0.0

    def stop(self) -> None:
        now, busy = time.perf_counter(), self.encoder.step()
        took, worked = now - self._since, busy - self._busy
        self.seconds[self._parts[-1]] += took  # type: ignore[assignment]
        self.idle[self._parts[-1]] += max(0.0, took - worked)  # type: ignore[assignment]
        self._since, self._busy = now, busy

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.stop()
        self._parts.append(name)
        try:
            yield
        finally:
            self.stop()
            self._parts.pop()

    def around(self, name: str, owner: type, method: str, *, listed: bool = False) -> None:
        """From now on the method's time is the part's; `listed`: it makes a generator, which is run here."""
        plain: Callable[..., Any] = getattr(owner, method)

        def clocked(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                made = plain(*arguments, **options)
                return iter(list(made)) if listed else made

        setattr(owner, method, clocked)


def put_clocks_up(clocks: Clocks) -> None:
    from ragctl.providers.local.compiled import CompiledEncoder
    from ragctl.providers.local.encoder import LocalEmbedder
    from ragctl.run.ingesting.ledgered_writer import LedgeredWriter
    from ragctl.run.ingesting.reading import ItemReader
    from ragctl.splitters.auto import AutoSplitter
    from ragctl.state.vector_cache import PostgresVectorCache
    from ragctl.stores.pgvector import PgVectorStore

    clocks.around("reading", ItemReader, "__call__", listed=True)
    clocks.around("splitting", AutoSplitter, "split")
    clocks.around("looking vectors up", PostgresVectorCache, "find")
    clocks.around("keeping vectors", PostgresVectorCache, "keep")
    clocks.around("writing documents", LedgeredWriter, "replace")
    clocks.around("indexing", PgVectorStore, "optimize")
    clocks.around("making the model ready", LocalEmbedder, "_encoder")
    embed, infer = LocalEmbedder.embed, CompiledEncoder.infer

    def clocked_embed(embedder: LocalEmbedder, inputs: Any) -> Iterator[Any]:
        batches = embed(embedder, inputs)
        while True:
            with clocks.part("embedding"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def clocked_infer(encoder: CompiledEncoder, batch: Any) -> Any:
        clocks.encoder.parallel = encoder.parallel
        clocks.encoder.step(1)
        try:
            return infer(encoder, batch)
        finally:
            clocks.encoder.step(-1)

    LocalEmbedder.embed = clocked_embed  # type: ignore[method-assign, assignment]
    CompiledEncoder.infer = clocked_infer  # type: ignore[method-assign, assignment]


# Reports


def report_share(found: dict[str, Any]) -> None:
    wall = found["wall"]
    print(f"first ingest: {wall:.1f} s, {found['counts']}")
    print(f"  {'part of the main thread':<28}{'seconds':>8} {'encoder idle':>13}")
    parts = {**found["parts"], "Python and imports": wall - sum(found["parts"].values())}
    idle = {**found["idle"], "Python and imports": parts["Python and imports"]}
    for part, seconds in sorted(parts.items(), key=lambda one: -one[1]):
        print(f"  {part:<28}{seconds:8.2f} {idle[part]:13.2f}")
    outside = 1 - found["busy"] / wall
    print(
        f"  encoder at work {found['busy']:.1f} s, then with {found['streams']:.0%} of its streams; idle for "
        f"{outside:.1%} of the time: {verdict(outside < GOAL_OUTSIDE)} (under {GOAL_OUTSIDE:.0%})",
        flush=True,
    )


def report_memory(once: dict[str, Any], ten: dict[str, Any]) -> None:
    rise = ten["peak_mib"] / once["peak_mib"] - 1
    print(f"{COPIES} folders with the same pages: {ten['wall']:.1f} s, {ten['counts']}")
    print(
        f"  peak memory {once['peak_mib']:.0f} MiB once, {ten['peak_mib']:.0f} MiB {COPIES} times over, "
        f"{rise:+.1%}: {verdict(rise < GOAL_MEMORY)} (under {GOAL_MEMORY:+.0%})",
        flush=True,
    )


def measure_unchanged() -> None:
    with workspace({}) as spec:
        write_files(spec.parent / "pages")
        time.sleep(SETTLED_S)
        first = ingest(spec)
        again = ingest(spec)
        seconds = sorted(plain_ingest(spec) for _ in range(3))
    print(f"{FILES:,} small files: {first['wall']:.1f} s, {first['opened']:,} opened, {first['counts']}")
    print(f"  again: {again['opened']:,} opened, {again['counts']}")
    met = seconds[-1] < GOAL_SECONDS and not again["opened"]
    print(
        f"  again, whole processes: {', '.join(f'{one:.2f}' for one in seconds)} s: {verdict(met)} "
        f"(under {GOAL_SECONDS:.0f} s, 0 opened)"
    )


def verdict(met: bool) -> str:
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    main()
