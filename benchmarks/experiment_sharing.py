"""What an experiment saves: twelve variants in one command, beside the same twelve one by one.

    python benchmarks/experiment_sharing.py [--data DATA] [--work DIR] [--every N] [--vary KEY VALUE ...]
                                            [--parallel N] [--only-experiment]

SciFact's training split, three chunkings x dense and hybrid search x with and without expansion, by the
command line as a user has it, whole processes. One side is `ragctl experiment SPEC run` in a fresh workspace;
the other, for each variant a fresh workspace, `ragctl ingest` and `ragctl eval` with the variant's values as
`--set`. Both pay for their database server's start. The means of both sides are compared, so that it shows if
they did not do the same. Beside the clock's seconds stand those of processors in ragctl's own processes (not
in the database server's), which other work on the machine changes little; Windows does not tell them. Between
the two sides the experiment is run again (all is found), and `ragctl report` writes a page of its runs.

With --every N, every N-th question is asked, of the documents that answer them and as many others as make an
N-th of the whole: documents and questions stay in proportion.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
METRICS = ("ndcg@10", "recall@100")
CHUNKINGS = ("chunk.max_tokens", "128", "192", "256")
ASKED = {"ask.query.mode": ["dense", "hybrid"], "ask.rephrase.expand": ["none", "prf"]}
PART = 10
"""On the whole set the variants one by one take three quarters of an hour and more on two busy cores."""


@dataclass(frozen=True)
class Files:
    """Where the documents, the questions and the judgements lie."""

    corpus: Path
    queries: Path
    qrels: Path


@dataclass
class Side:
    """Seconds and counts of one side.

    Attributes:
        seconds: of all commands, from start to end.
        processors: seconds of all processors together in these commands.
        ingesting: of the ingests themselves, without the start of a process or a server.
        means: of each metric, by variant.
    """

    seconds: float = 0.0
    processors: float = 0.0
    ingests: int = 0
    ingesting: float = 0.0
    read: int = 0
    found: int = 0
    embedded: int = 0
    cached: int = 0
    means: dict[str, dict[str, float]] | None = None


def made_files(data: Path, work: Path, every: int) -> Files:
    """An N-th of the set, written under `work`."""
    folder = data / "scifact"
    with (folder / "qrels" / "train.tsv").open(encoding="utf-8", newline="") as file:
        judged = list(csv.DictReader(file, delimiter="\t"))
    asked = set(list(dict.fromkeys(row["query-id"] for row in judged))[::every])
    judged = [row for row in judged if row["query-id"] in asked]
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as packed:
        corpus = {json.loads(line)["_id"]: line for line in packed}
    needed = {row["corpus-id"] for row in judged}
    others = [identity for identity in corpus if identity not in needed]
    more = max(len(corpus) // every - len(needed), 0)
    needed |= set(others[:: max(len(others) // more, 1)][:more] if more else ())
    files = Files(work / "corpus.jsonl", work / "queries.jsonl", work / "qrels.tsv")
    files.corpus.write_text("".join(corpus[one] for one in corpus if one in needed), encoding="utf-8")
    questions = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    chosen = "".join(line for line in questions if json.loads(line)["_id"] in asked)
    files.queries.write_text(chosen, encoding="utf-8")
    rows = "".join(f"{row['query-id']}\t{row['corpus-id']}\t{row['score']}\n" for row in judged)
    files.qrels.write_text(f"query-id\tcorpus-id\tscore\n{rows}", encoding="utf-8")
    print(f"{len(needed):,} documents, {len(asked):,} questions", flush=True)
    return files


@contextmanager
def workspace(folder: Path, files: Files, matrix: Mapping[str, Any] | None) -> Iterator[Path]:
    """A spec in a folder of its own, whose database server is stopped at the end."""
    folder.mkdir(parents=True)
    content: dict[str, Any] = {
        "name": "scifact",
        "sources": [{"type": "jsonl", "path": str(files.corpus), "name": "corpus"}],
    }
    if matrix is not None:
        content["experiment"] = {
            "matrix": matrix,
            "queries": str(files.queries),
            "qrels": str(files.qrels),
            "metrics": list(METRICS),
        }
    spec = folder / "scifact.yaml"
    spec.write_text(json.dumps(content, indent=2), encoding="utf-8")
    try:
        yield spec
    finally:
        stop = [sys.executable, "-m", "ragctl", "doctor", str(spec), "--stop"]
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Took:
    """Seconds of a command: by the clock, and of all processors together."""

    seconds: float
    processors: float


def ragctl(*arguments: str) -> tuple[dict[str, Any], Took]:
    """What a command printed as JSON, and what it took."""
    begun, before = time.perf_counter(), _of_children()
    done = subprocess.run(
        [sys.executable, "-m", "ragctl", *arguments, "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    took = Took(time.perf_counter() - begun, _of_children() - before)
    if done.returncode:
        raise SystemExit(f"ragctl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document, took


def _of_children() -> float:
    """Seconds of processors in the processes that have ended."""
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_one_command(spec: Path, parallel: int) -> tuple[Side, dict[str, Any]]:
    document, took = ragctl("experiment", str(spec), "run", "--parallel", str(parallel))
    sharing = document["sharing"]
    generations = {one["generation"]: one["index_facts"] for one in document["variants"]}
    side = Side(
        seconds=took.seconds,
        processors=took.processors,
        ingests=sharing["generations"],
        ingesting=sum(facts["ingest_seconds"] for facts in generations.values()),
        read=sharing["texts_read"],
        found=sharing["texts_found"],
        embedded=sharing["embedded"],
        cached=sharing["cached"],
        means={one["name"]: means(one) for one in document["variants"]},
    )
    return side, document


def means(result: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(found["mean"]) for name, found in result["metrics"].items()}


def one_by_one(base: Path, files: Files, variants: list[dict[str, Any]]) -> Side:
    side = Side(means={})
    for number, variant in enumerate(variants):
        settings = [part for key, value in variant["values"].items() for part in ("--set", f"{key}={value}")]
        with workspace(base / str(number), files, None) as spec:
            report, ingested = ragctl("ingest", str(spec), *settings)
            asked = ["--queries", str(files.queries), "--qrels", str(files.qrels)]
            asked += [part for metric in METRICS for part in ("--metric", metric)]
            result, measured = ragctl("eval", str(spec), *asked, *settings)
        side.seconds += ingested.seconds + measured.seconds
        side.processors += ingested.processors + measured.processors
        side.ingests += 1
        side.ingesting += report["seconds"]
        side.read += sum(row["read"] for row in report["formats"])
        side.found += report["texts_found"]
        side.embedded += report["counts"]["embedded"]
        side.cached += report["counts"]["cached"]
        assert side.means is not None
        side.means[variant["name"]] = means(result)
        print(
            f"{variant['name']}: {ingested.seconds:.0f} s ingest, {measured.seconds:.0f} s eval", flush=True
        )
    return side


def print_variants(document: Mapping[str, Any]) -> None:
    metric = document["metric"]
    comparison = document["comparison"]
    differences = {one["name"]: one for one in comparison["differences"]}
    front = {one["label"] for one in comparison["results"] if one["pareto"]}
    print(f"\n| variant | {metric} | to the first | p, corrected | recall@100 | p95 ms | MB | front |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for one in document["variants"]:
        found, against = means(one), differences.get(one["name"])
        beyond = "– | –"
        if against is not None:
            low, high, p = against["low"], against["high"], against["p_corrected"]
            beyond = f"{against['mean']:+.4f} [{low:+.4f}, {high:+.4f}] | {'–' if p is None else f'{p:.3f}'}"
        size, p95 = one["index_facts"]["bytes"] / 1e6, one["latency_ms"]["p95"]
        cells = (f"{found['recall@100']:.4f}", f"{p95:.0f}", f"{size:.0f}", "*" * (one["name"] in front))
        print(f"| {one['name']} | {found[metric]:.4f} | {beyond} | {' | '.join(cells)} |")
    print(flush=True)


def print_sides(together: Side, apart: Side) -> None:
    print("\n| | one by one | one command | times |")
    print("| --- | --- | --- | --- |")
    rows = {
        "seconds in all": (apart.seconds, together.seconds),
        "of these, ingesting": (apart.ingesting, together.ingesting),
        "of these, asking, and starting processes and servers": (
            apart.seconds - apart.ingesting,
            together.seconds - together.ingesting,
        ),
        "seconds of processors": (apart.processors, together.processors),
        "indexes made": (apart.ingests, together.ingests),
        "texts read": (apart.read, together.read),
        "texts found": (apart.found, together.found),
        "inputs embedded": (apart.embedded, together.embedded),
        "vectors found": (apart.cached, together.cached),
    }
    for name, (one, other) in rows.items():
        print(f"| {name} | {one:,.0f} | {other:,.0f} | {f'{one / other:.1f}' if other else '–'} |")
    assert apart.means is not None and together.means is not None
    most = max(
        abs(value - together.means[variant][metric])
        for variant, found in apart.means.items()
        for metric, value in found.items()
    )
    print(f"\nThe means of both sides differ by at most {most:.6f}.", flush=True)


def measure(wanted: argparse.Namespace, base: Path) -> None:
    files = made_files(wanted.data, base, wanted.every)
    key, *values = wanted.vary
    matrix = {key: [json.loads(value) for value in values], **ASKED}
    with workspace(base / "together", files, matrix) as spec:
        together, document = in_one_command(spec, wanted.parallel)
        print(f"in one command: {together.seconds:.0f} s (load {_load()})", flush=True)
        _, again = ragctl("experiment", str(spec), "run")
        print(f"the same command again, all of it found: {again.seconds:.0f} s")
        page = base / "report.html"
        command = ["report", str(spec), document["experiment"], "-o", str(page)]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "ragctl", *command], check=True, stdout=subprocess.DEVNULL)
        print(f"report of its runs: {page.stat().st_size:,} bytes, {time.perf_counter() - begun:.0f} s")
    print_variants(document)
    if not wanted.only_experiment:
        apart = one_by_one(base / "apart", files, document["variants"])
        print(f"load {_load()}")
        print_sides(together, apart)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, help="an empty folder to keep workspaces and report in")
    parser.add_argument("--every", type=int, default=PART, metavar="N", help="take an N-th; 1: the whole set")
    parser.add_argument(
        "--vary",
        nargs="+",
        metavar=("KEY", "VALUE"),
        default=CHUNKINGS,
        help="what the chunkings differ in, such as chunk.overlap 0 32 64",
    )
    parser.add_argument("--parallel", type=int, default=1, help="as of `ragctl experiment run`")
    parser.add_argument("--only-experiment", action="store_true", help="leave the variants one by one out")
    wanted = parser.parse_args()
    wanted.data = wanted.data.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        base = (wanted.work or Path(temporary)).resolve()
        base.mkdir(parents=True, exist_ok=True)
        measure(wanted, base)


if __name__ == "__main__":
    main()
