"""How long `ragctl ask` takes: from a cold process with the server running and stopped, and warm.

    python benchmarks/ask_latency.py [ARCHIVE] [--spec SPEC] [--runs 9]

ARCHIVE is a .tar.xz of documentation pages, Airflow's beside the repository by default; it is ingested first.
SPEC is one whose index is there already; its sources' directory is where questions are drawn from.

Cold are whole processes, timed from outside; the files they read are in the system's cache. Their steps come
from as many processes of the same command line with clocks in it. Warm are 200 sentences of the pages in one
process, after one that loads the model. Our own share of a warm question is its time less that of the
embedder and that of psycopg: waiting for the server, and making values of the rows it sent.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE.parents[1] / "shared" / "data" / "docs-airflow" / "airflow-docs-rst.tar.xz"
QUESTIONS = HERE / "airflow_docs_questions.jsonl"
WARM = 200
GOAL_RUNNING_S, GOAL_STOPPED_S, GOAL_OWN_MS = 1.5, 2.0, 5.0


def main() -> None:
    if sys.argv[1:2] == ["--clocked"]:
        sys.exit(clocked_command(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?", default=ARCHIVE)
    parser.add_argument("--spec", type=Path, help="its index is there already")
    parser.add_argument("--runs", type=int, default=9, help="cold processes of each kind")
    chosen = parser.parse_args()
    if chosen.spec:
        measure(chosen.spec, chosen.runs)
        return
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(chosen.archive) as pages:
            pages.extractall(Path(folder) / "pages", filter="data")
        spec = Path(folder) / "pages.yaml"
        source = {"type": "directory", "path": "pages", "include": ["**/*.rst", "**/*.md"]}
        spec.write_text(json.dumps({"name": "pages", "sources": [source]}), encoding="utf-8")
        try:
            ragctl("ingest", str(spec))
            measure(spec, chosen.runs)
        finally:
            ragctl("doctor", str(spec), "--stop")


def ragctl(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ragctl", *arguments], check=True, capture_output=True)


def measure(spec: Path, runs: int) -> None:
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    ragctl("ask", str(spec), questions[0])  # what is read from disk is in the system's cache from now on
    taken: dict[bool, list[float]] = {True: [], False: []}
    steps: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for number in range(runs):
        question = questions[number % len(questions)]
        for running in (True, False):  # in turns, so that a slower minute is slower for both
            taken[running].append(cold(spec, question, running=running))
            steps[running].append(cold_steps(spec, question, running=running))
    report_cold(taken, steps)
    report_warm(warm(spec))


# Cold


def cold(spec: Path, question: str, *, running: bool) -> float:
    """Seconds of the whole process."""
    set_server(spec, running=running)
    started = time.perf_counter()
    ragctl("ask", str(spec), question, "--format", "json")
    return time.perf_counter() - started


def cold_steps(spec: Path, question: str, *, running: bool) -> dict[str, float]:
    """Milliseconds by step of another such process, in the order of the steps."""
    set_server(spec, running=running)
    started = time.time()
    found = clocked(spec, question)
    ended = time.time()
    marks, timings = found["marks"], found["timings"]
    searched = sum(timings.get(step, 0.0) for step in ("dense_ms", "lexical_ms"))
    seconds = {
        "Python": marks["python"] - started,
        "the command line's modules": marks["modules"] - marks["python"],
        "reading the command line": marks["parsed"] - marks["modules"],
        "reading the spec": found["spec"],
        "modules of ask": found["ask modules"],
        "psycopg's modules": found["psycopg"],
        "connecting": found["connect"],
        "lock, index, model's identity": found["asker"] - found["connect"],
        "loading the model, embedding": timings["embed_ms"] / 1e3,
        "searching": searched / 1e3,
        "the rest of the question": (timings["total_ms"] - timings["embed_ms"] - searched) / 1e3,
        "ending": ended - marks["answered"],
    }
    seconds["anything else"] = ended - started - sum(seconds.values())
    return {step: 1e3 * value for step, value in seconds.items()}


def set_server(spec: Path, *, running: bool) -> None:
    if running:
        from ragctl.embedded.server import EmbeddedServer
        from ragctl.run.connections import WORK_DIRECTORY

        EmbeddedServer(spec.resolve().parent / WORK_DIRECTORY).connect().close()
    else:
        ragctl("doctor", str(spec), "--stop")


def clocked(spec: Path, *arguments: str) -> dict[str, Any]:
    """What `clocked_command` found."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, __file__, "--clocked", str(out), str(spec), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def report_cold(taken: dict[bool, list[float]], steps: dict[bool, list[dict[str, float]]]) -> None:
    for running, goal in ((True, GOAL_RUNNING_S), (False, GOAL_STOPPED_S)):
        seconds = taken[running]
        middle, worst = statistics.median(seconds), max(seconds)
        print(
            f"cold, server {'running' if running else 'stopped'}: median {middle:.2f} s, worst {worst:.2f} s "
            f"of {len(seconds)}: {verdict(middle <= goal)} (median at most {goal} s)"
        )
    print(f"\n{'medians of the steps, ms':<34}{'running':>8}{'stopped':>9}")
    for step in steps[True][0]:
        both = [statistics.median(one[step] for one in steps[running]) for running in (True, False)]
        print(f"  {step:<32}{both[0]:8.0f}{both[1]:9.0f}")


# Warm


def warm(spec: Path) -> list[dict[str, float]]:
    """Milliseconds by step for each question but the first, which loads the model."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "questions.txt"
        file.write_text("\n".join(sentences(spec, WARM + 1)), encoding="utf-8")
        each: list[dict[str, float]] = clocked(spec, "--questions", str(file))["questions"]
        return each[1:]


def sentences(spec: Path, number: int) -> list[str]:
    """At most so many sentences of 6 to 20 words, each once, from the pages of the spec's directories."""
    from ragctl.spec.load import load_spec

    loaded = load_spec(spec)
    roots = [loaded.resolve(source.path) for source in loaded.spec.sources]
    text = "\n\n".join(
        page.read_text(encoding="utf-8") for root in roots for page in sorted(root.rglob("*.rst"))
    )
    plain = re.findall(r"(?<=[.?!]\s)[A-Z][\w ,'\n-]+[.?!](?=\s)", text)
    found = sorted({" ".join(one.split()) for one in plain if 6 <= len(one.split()) <= 20})
    return random.Random(20261122).sample(found, min(number, len(found)))


def report_warm(each: Sequence[dict[str, float]]) -> None:
    print(f"\n{f'warm, {len(each)} questions, ms':<34}{'p50':>8}{'p99':>9}")
    for step in ("total", "embedding", "SQL", "dense search", "lexical search", "our own"):
        values = [one[step] for one in each]
        print(f"  {step:<32}{statistics.median(values):8.1f}{percentile(values, 0.99):9.1f}")
    own = [one["our own"] for one in each]
    for share in (0.5, 0.99):
        value = percentile(own, share)
        print(
            f"our own a question, p{100 * share:.0f}: {value:.1f} ms: {verdict(value < GOAL_OWN_MS)} "
            f"(under {GOAL_OWN_MS:.0f} ms)"
        )


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def verdict(met: bool) -> str:
    return "met" if met else "NOT MET"


# In a process of its own: the command line, with clocks in it


def clocked_command(arguments: Sequence[str]) -> int:
    """Runs `ragctl ask` with these arguments after the first, which is the file that the times go to."""
    marks = {"python": time.time()}
    out, *given = arguments
    from ragctl.cli.main import main as run_command_line

    command: Any = sys.modules["ragctl.cli.ask"]

    marks["modules"] = time.time()
    spent: Counter[str] = Counter()
    found: dict[str, Any] = {"marks": marks, "questions": []}
    load, plain = command.load, command._ask_here

    def load_spec(*values: Any, **options: Any) -> Any:
        marks["parsed"] = time.time()
        with clock(spent, "spec"):
            return load(*values, **options)

    def ask_here(*values: Any, **options: Any) -> None:
        with clock(spent, "ask modules"):
            from ragctl.run import composition
            from ragctl.run.answering import ask
        put_clocks_up(spent, found, ask, composition)
        plain(*values, **options)
        marks["answered"] = time.time()

    command.load, command._ask_here = load_spec, ask_here
    code = run_command_line(["ask", *given, "--format", "json"])
    found |= spent
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    return code


def put_clocks_up(spent: Counter[str], found: dict[str, Any], ask: Any, composition: Any) -> None:
    """On what `ask` connects by, asks by, and on each question."""
    with clock(spent, "psycopg"):
        import psycopg

    connect = around(spent, "connect", composition.Composition.connect_to_existing)
    composition.Composition.connect_to_existing = connect
    ask.Asker.__init__ = around(spent, "asker", ask.Asker.__init__)
    # Every call that waits for the server goes through `wait`, the ends of transactions too.
    for owner, method in (
        (psycopg.Connection, "wait"),
        (psycopg.Cursor, "fetchall"),
        (psycopg.Cursor, "fetchone"),
    ):
        setattr(owner, method, around(spent, "sql", getattr(owner, method)))
    plain = ask.Asker.ask

    def ask_one(asker: Any, question: str, **options: Any) -> Any:
        before = spent["sql"]
        result = plain(asker, question, **options)
        timings = result.timings
        sql = 1e3 * (spent["sql"] - before)
        found["timings"] = timings
        found["questions"].append(
            {
                "total": timings["total_ms"],
                "embedding": timings["embed_ms"],
                "SQL": sql,
                "dense search": timings.get("dense_ms", 0.0),
                "lexical search": timings.get("lexical_ms", 0.0),
                "our own": timings["total_ms"] - timings["embed_ms"] - sql,
            }
        )
        return result

    ask.Asker.ask = ask_one


@contextmanager
def clock(spent: Counter[str], name: str) -> Iterator[None]:
    before = time.perf_counter()
    try:
        yield
    finally:
        spent[name] += time.perf_counter() - before  # type: ignore[assignment]


def around(spent: Counter[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def clocked_call(*arguments: Any, **options: Any) -> Any:
        with clock(spent, name):
            return call(*arguments, **options)

    return clocked_call


if __name__ == "__main__":
    main()
