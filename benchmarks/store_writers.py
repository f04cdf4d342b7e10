"""ragctl's writer and search beside other libraries' for pgvector, in one PostgreSQL.

    python benchmarks/store_writers.py [--chunks 100000] [--environments DIR] [--work DIR] [--only NAME ...]

Each side is a process in a virtual environment of its own, made in --environments (a temporary folder unless
it is given). All write the same chunks with the same vectors, in slices, and take turns: a machine that is
slower for a while is slower for all. A slice is made into what the library takes before the clock starts.
Then each searches without an index, gets an HNSW index of the same m and ef_construction, searches with it,
and writes on while the index is kept up. After each round every table is analysed.

langchain-postgres commits every row. It writes the first --slow-rows of a slice through its own API, which is
what is timed; the server copies the others from another side's table, so that all tables are equally large.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psycopg
from store_made import ASKED, exact_scores, make, recall

from ragctl.embedded.server import EmbeddedServer

HERE = Path(__file__).resolve().parent
SLICES, LIVE_SLICES = 5, 3
LIVE_ROWS = 1_000
EXACT_FOR_ALL = 20_000
"""Chunks up to which all questions are asked without an index."""
SIDES = {
    "ragctl": ("store_side_ragctl.py", (), ()),
    "ragctl_plain": ("store_side_ragctl.py", ("plain",), ()),
    "executemany": ("store_side_executemany.py", (), ()),
    "executemany_words": ("store_side_executemany.py", ("words",), ()),
    "langchain": ("store_side_langchain.py", (), ("langchain-postgres", "langchain-core")),
    "llamaindex": ("store_side_llamaindex.py", (), ("llama-index-vector-stores-postgres", "psycopg2-binary")),
    "haystack": ("store_side_haystack.py", (), ("pgvector-haystack",)),
}
"""By schema: the script, its arguments, what its environment has; none: this interpreter's."""
SLOW = "langchain"
OURS = ("ragctl", "ragctl_plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100_000, help="in whole slices of documents")
    parser.add_argument("--slow-rows", type=int, default=2_000, help="of a slice, by a library that is slow")
    parser.add_argument("--environments", type=Path, help="keeps the virtual environments there")
    parser.add_argument("--work", type=Path, help="keeps the chunks there")
    parser.add_argument("--only", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--no-index", action="store_true", help="writing without an index, and nothing else")
    chosen = parser.parse_args()
    os.environ["RAGCTL_EMBEDDED_TCP"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        server = server_in(Path(temporary))
        try:
            folder = chosen.work or Path(temporary) / "made"
            with_chunks(folder, chosen.chunks + LIVE_SLICES * LIVE_ROWS)
            bench = Bench(server, folder, chosen, chosen.environments or Path(temporary) / "environments")
            bench.run()
        finally:
            server.stop()


def server_in(folder: Path) -> EmbeddedServer:
    """A server whose data go when the folder goes, also where root has another user run it."""
    folder.chmod(0o755)
    os.environ["RAGCTL_EMBEDDED_DIR"] = str(folder)
    return EmbeddedServer(folder / ".ragctl")


def with_chunks(folder: Path, size: int) -> None:
    """Makes them, unless the folder has as many."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vectors.npy"
    if not file.exists() or len(np.load(file, mmap_mode="r")) != size:
        make(folder, size)


def environment(root: Path, name: str, packages: Sequence[str]) -> Path:
    """The interpreter of a virtual environment with the packages; made unless it is there."""
    if not packages:
        return Path(sys.executable)
    folder = root / name
    found = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not found.exists():
        print(f"installing {', '.join(packages)}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run(
            [found, "-m", "pip", "install", "-q", *packages, "psycopg[binary]", "numpy"], check=True
        )
    return found


@dataclass
class Measured:
    """Of one side: rows a second of each slice, without the index and with it; bytes of tables, indexes."""

    slices: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    live: list[float] = field(default_factory=list)
    build: float = 0.0
    sizes: tuple[int, int] = (0, 0)


class Process:
    """A side at work."""

    def __init__(self, python: Path, script: str, arguments: Sequence[str], dsn: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [python, HERE / script, folder, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "STORE_DSN": dsn, "PYTHONPATH": str(HERE)},
        )

    def tell(self, what: str, **details: Any) -> dict[str, Any]:
        """Has it done; returns the figures."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps({"do": what, **details}), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("figures "):
                found: dict[str, Any] = json.loads(line.removeprefix("figures "))
                return found
        raise SystemExit(f"{self._process.args}: ended")

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


class Bench:
    """The server, the sides and what is known of them."""

    def __init__(
        self, server: EmbeddedServer, folder: Path, chosen: argparse.Namespace, environments: Path
    ) -> None:
        self._connection = server.connect(autocommit=True)
        self._chosen = chosen
        self._vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        self._questions = np.load(folder / "questions.npy")
        # The graph fits for every side; the server's own 64 MB would make a build take many times as long.
        self._connection.execute("ALTER DATABASE ragctl SET maintenance_work_mem = '1GB'")
        dsn = dsn_of(self._connection)
        self._sides: dict[str, Process] = {}
        for name in chosen.only:
            script, arguments, packages = SIDES[name]
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
            python = environment(environments, name, packages)
            self._sides[name] = Process(python, script, arguments, dsn, folder)
        self._measured = {name: Measured() for name in self._sides}

    def run(self) -> None:
        for side in self._sides.values():
            side.tell("create")
        self._write()
        writing_table(self._measured)
        if not self._chosen.no_index:
            few = self._chosen.chunks > EXACT_FOR_ALL  # or the exact searches alone take a quarter of an hour
            self._search(("default",), "no index", asked=ASKED // 5 if few else ASKED)
            self._index()
            self._search(("default", "wide"), "HNSW")
            self._write_live()
            self._sizes()
            index_table(self._measured)
        for side in self._sides.values():
            side.end()

    def _write(self) -> None:
        rows = self._chosen.chunks // SLICES
        for number in range(SLICES):
            first, last = number * rows, (number + 1) * rows
            for name, side in sorted(self._sides.items(), key=lambda one: one[0] == SLOW):
                slow = name == SLOW and "executemany" in self._sides
                timed = first + min(rows, self._chosen.slow_rows) if slow else last
                figures = side.tell("write", first=first, last=timed)
                self._measured[name].slices.append((timed - first) / figures["seconds"])
                self._measured[name].cpu.append(figures["cpu"] / figures["seconds"])
                if timed < last:
                    side.tell("fill", first=timed, last=last)
            self._connection.execute("ANALYZE")
            print(f"slice {number + 1} of {SLICES} is written", file=sys.stderr)

    def _index(self) -> None:
        for name, side in self._sides.items():
            self._measured[name].build = side.tell("index")["seconds"]
            print(f"{name}: index built in {self._measured[name].build:.0f} s", file=sys.stderr)
        self._connection.execute("ANALYZE")

    def _search(self, ways: Sequence[str], named: str, asked: int = ASKED) -> None:
        """The sides take turns of a fifth of the questions."""
        print(f"\n{f'search, {asked} questions':<38}{'p50 ms':>8}{'p99 ms':>8}  recall@10")
        questions = self._questions[:asked]
        best = exact_scores(self._vectors[: self._chosen.chunks], questions)
        names = [(name, way) for name in self._sides for way in self._ways(name, ways)]
        times: dict[tuple[str, str], list[float]] = {one: [] for one in names}
        found: dict[tuple[str, str], list[list[int]]] = {one: [] for one in names}
        for first in range(0, asked, asked // 5):
            for name, way in names:
                last = first + asked // 5
                figures = self._sides[name].tell("search", way=way, first=first, last=last)
                times[name, way] += figures["ms"]
                found[name, way] += figures["found"]
        for (name, way), rows in found.items():
            reached = recall(self._vectors, questions, best, rows)
            search_row(f"{name}: {named}, {way}", times[name, way], reached)

    def _ways(self, name: str, ways: Sequence[str]) -> Sequence[str]:
        """ragctl's default is the wide search; its narrow one is what the others do by default."""
        return [{"wide": "narrow"}.get(way, way) for way in ways] if name in OURS else ways

    def _write_live(self) -> None:
        for number in range(LIVE_SLICES):
            first = self._chosen.chunks + number * LIVE_ROWS
            for name, side in self._sides.items():
                figures = side.tell("write", first=first, last=first + LIVE_ROWS)
                self._measured[name].live.append(LIVE_ROWS / figures["seconds"])

    def _sizes(self) -> None:
        """Bytes of a side's tables, and of all their indexes."""
        for name in self._sides:
            row = self._connection.execute(
                "SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)",
                (name,),
            ).fetchone()
            assert row is not None
            self._measured[name].sizes = (int(row[0]), int(row[1]))


def dsn_of(connection: psycopg.Connection[Any]) -> str:
    """A connection string for the same database, over TCP."""
    info = connection.info
    return f"postgresql://{info.user}:{quote(info.password)}@{info.host}:{info.port}/{info.dbname}"


def writing_table(measured: dict[str, Measured]) -> None:
    print(f"\n{'rows a second':<18}{'median':>8}{'least':>8}{'most':>8}{'of ragctl':>11}  client's CPU")
    ours = measured.get("ragctl", Measured()).slices
    for name, one in measured.items():
        # In pairs: both sides of a ratio were measured in the same turn.
        ratios = [mine / theirs for mine, theirs in zip(ours, one.slices, strict=False)] or [float("nan")]
        print(
            f"{name:<18}{statistics.median(one.slices):8,.0f}{min(one.slices):8,.0f}{max(one.slices):8,.0f}"
            f"{statistics.median(ratios):10.2f}x  {statistics.median(one.cpu):.0%}",
            flush=True,
        )


def search_row(name: str, times: Sequence[float], found: float) -> None:
    p50, p99 = np.quantile(times, [0.5, 0.99])
    print(f"{name:<38}{p50:8.1f}{p99:8.1f}  {found:.4f}", flush=True)


def index_table(measured: dict[str, Measured]) -> None:
    print(f"\n{'':<18}{'index s':>8}{'rows/s with it':>16}{'tables MB':>11}{'indexes MB':>12}")
    for name, one in measured.items():
        tables, indexes = one.sizes
        live = statistics.median(one.live)
        print(f"{name:<18}{one.build:8.0f}{live:16,.0f}{tables / 1e6:11,.0f}{indexes / 1e6:12,.0f}")


if __name__ == "__main__":
    main()
