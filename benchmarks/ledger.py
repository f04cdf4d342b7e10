"""What planning and the ledger cost: a first ingest of many small documents, and one with nothing to do.

    python benchmarks/ledger.py [--documents N]

The real model, short texts (some 30 tokens), a server of its own in a temporary folder. Clocks stand
around the calls of each part; a part's time does not contain that of the parts that it calls.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ragctl.embedded.layout import SHARED_VARIABLE
from ragctl.embedded.server import EmbeddedServer
from ragctl.run.connections import WORK_DIRECTORY
from ragctl.run.ingesting.ingest import Ingest, LedgeredWriter, ingest
from ragctl.run.ingesting.report import IngestReport
from ragctl.sources.directory import DirectorySource
from ragctl.spec.load import load_spec
from ragctl.state.generations import Generations
from ragctl.state.lease import Lease
from ragctl.state.ledger import Ledger
from ragctl.state.runs import Runs
from ragctl.state.texts import TextCache
from ragctl.state.vector_cache import PostgresVectorCache
from ragctl.stores.pgvector import PgVectorStore

SETTLED_S = 2.5  # a younger file is looked at once more
GOAL_SHARE, GOAL_SECONDS = 0.05, 2.0
BOOKKEEPING = ("listing", "planning", "ledger, lease and record")
PARTS: dict[str, list[tuple[type, tuple[str, ...]]]] = {
    "planning": [(Ingest, ("_draft",))],
    "ledger, lease and record": [
        (Ledger, ("items", "record_stored", "record_unchanged", "record_skipped", "counts", "forget")),
        (Lease, ("check", "look")),
        (Runs, ("start", "finish", "close_dead")),
        (Generations, ("all", "create", "publish", "claim_index")),
    ],
    "kept texts": [(TextCache, ("find", "keep", "flush"))],
    "vector cache": [(PostgresVectorCache, ("find", "keep"))],
    "chunks and commits": [
        (PgVectorStore, ("create", "replace", "counts")),
        (LedgeredWriter, ("replace",)),
    ],
}


class Clocks:
    """Seconds by part, each without the parts that it calls; what is in none is `the rest`."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running = ["reading, splitting, embedding"]
        self._since = time.monotonic()

    def _turn(self) -> None:
        now = time.monotonic()
        self.seconds[self._running[-1]] += now - self._since  # type: ignore[assignment]
        self._since = now

    def start(self) -> None:
        """From now on."""
        self.seconds.clear()
        self._since = time.monotonic()

    def stop(self) -> float:
        """The seconds since the start."""
        self._turn()
        return float(sum(self.seconds.values()))

    def around(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with its time counted as the part's."""

        def clocked(*arguments: Any, **options: Any) -> Any:
            self._turn()
            self._running.append(part)
            try:
                return call(*arguments, **options)
            finally:
                self._turn()
                self._running.pop()

        return clocked

    def put_up(self) -> None:
        """Around everything in PARTS, and around each step of a listing."""
        for part, owners in PARTS.items():
            for owner, methods in owners:
                for method in methods:
                    setattr(owner, method, self.around(part, getattr(owner, method)))
        items = DirectorySource.items

        def clocked_items(source: DirectorySource) -> Iterator[Any]:
            return iter(self.around("listing", lambda: list(items(source)))())

        DirectorySource.items = clocked_items  # type: ignore[method-assign, assignment]


def write_documents(folder: Path, count: int) -> None:
    chance = random.Random(20261122)
    words = "index table query vector server page chunk model reader token stage ledger run plan".split()
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}: {' '.join(chance.choices(words, k=22))}.\n", encoding="utf-8")


def count_opened() -> Counter[str]:
    """Counts, from now on, the items that are opened."""
    opened: Counter[str] = Counter()
    plain = DirectorySource.open

    def counted(source: DirectorySource, item: Any) -> Any:
        opened["items"] += 1
        return plain(source, item)

    DirectorySource.open = counted  # type: ignore[method-assign, assignment]
    return opened


def report(title: str, clocks: Clocks, whole: float, result: IngestReport) -> float:
    """Prints the parts; the share of plan and ledger in the whole."""
    print(f"{title}: {whole:.2f} s, {result.counts.added:,} added, {result.counts.unchanged:,} unchanged")
    for part, seconds in clocks.seconds.most_common():
        print(f"  {part:<32}{seconds:8.2f} s {100 * seconds / whole:6.1f} %")
    share = sum(clocks.seconds[part] for part in BOOKKEEPING) / whole
    print(f"  {'plan and ledger together':<32}{share * whole:8.2f} s {100 * share:6.1f} %")
    return share


def measure(base: Path, documents: int) -> bool:
    """True if both goals are met."""
    write_documents(base / "documents", documents)
    spec = base / "notes.yaml"
    source = {"type": "directory", "path": "documents"}
    spec.write_text(json.dumps({"name": "notes", "sources": [source]}), encoding="utf-8")
    time.sleep(SETTLED_S)
    EmbeddedServer(base / WORK_DIRECTORY).connect().close()  # its start is not what is measured
    clocks, opened = Clocks(), count_opened()
    clocks.put_up()

    clocks.start()
    first = ingest(load_spec(spec))
    share = report("first ingest", clocks, clocks.stop(), first)
    assert first.counts.added == opened["items"] == documents

    opened.clear()
    clocks.start()
    second = ingest(load_spec(spec))
    report("nothing changed", clocks, clocks.stop(), second)
    print(f"  items opened: {opened['items']}")
    assert second.counts.unchanged == documents

    before = time.monotonic()
    subprocess.run([sys.executable, "-m", "ragctl", "ingest", str(spec)], check=True, capture_output=True)
    seconds = time.monotonic() - before
    print(f"nothing changed, a whole process: {seconds:.2f} s")
    print(f"goals: {100 * GOAL_SHARE:.0f} % of a first ingest, {GOAL_SECONDS:.0f} s with nothing read")
    return share < GOAL_SHARE and seconds < GOAL_SECONDS and not opened


def main() -> int:
    parser = argparse.ArgumentParser("ledger", description="What planning and the ledger cost.")
    parser.add_argument("--documents", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragctl-ledger-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        os.environ.setdefault(SHARED_VARIABLE, str(base / "shared"))  # as root, nothing stays behind
        try:
            met = measure(base, options.documents)
        finally:
            EmbeddedServer(base / WORK_DIRECTORY).stop()
    print("met" if met else "NOT MET")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
