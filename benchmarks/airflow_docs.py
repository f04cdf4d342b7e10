"""Ingest Airflow's documentation, ingest it again, and ask it ten questions; whole processes.

    python benchmarks/airflow_docs.py [ARCHIVE]

ARCHIVE is a .tar.xz of the documentation's reStructuredText pages; the default is the one beside the
repository. The questions and the pages that answer them were written before any result was looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE.parents[1] / "shared" / "data" / "docs-airflow" / "airflow-docs-rst.tar.xz"
QUESTIONS = HERE / "airflow_docs_questions.jsonl"
TOP = 5


def ragctl(*arguments: str) -> tuple[float, list[Any]]:
    """Seconds of the whole process, and the JSON lines that it printed."""
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "ragctl", *arguments, "--format", "json"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return time.perf_counter() - started, [json.loads(line) for line in result.stdout.splitlines()]


def peak_memory_mib() -> float:
    """The largest process that this one has waited for, in MiB (Linux counts KiB)."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    archive = Path(sys.argv[1]) if len(sys.argv) > 1 else ARCHIVE
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        with tarfile.open(archive) as pages:
            pages.extractall(base / "pages", filter="data")
        spec = base / "airflow-docs.yaml"
        spec.write_text(
            "name: airflow-docs\n"
            "sources:\n"
            "  - {type: directory, path: pages, include: ['**/*.rst', '**/*.md']}\n",
            encoding="utf-8",
        )
        try:
            measure(str(spec))
        finally:
            subprocess.run([sys.executable, "-m", "ragctl", "doctor", str(spec), "--stop"], check=True)


def measure(spec: str) -> None:
    first, [report] = ragctl("ingest", spec)
    print(f"first ingest        {first:6.1f} s   {report['counts']}")
    print(f"peak memory         {peak_memory_mib():6.0f} MiB")
    time.sleep(2.5)  # files that were written just now are looked at once more: not what is measured
    ragctl("ingest", spec)
    again, [report] = ragctl("ingest", spec)
    print(f"nothing changed     {again:6.2f} s   {report['counts']}")
    subprocess.run([sys.executable, "-m", "ragctl", "doctor", spec, "--stop"], check=True)
    stopped, _ = ragctl("ingest", spec)
    print(f"with a server start {stopped:6.2f} s")
    asked, answers = ragctl("ask", spec, "--questions", str(QUESTIONS), "--top", "20")
    print(f"ten questions       {asked:6.2f} s")
    expected = [json.loads(line)["documents"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    found = 0
    for answer, pages in zip(answers, expected, strict=True):
        ranks = [hit["rank"] for hit in answer["hits"] if hit["document"] in pages]
        found += bool(ranks) and ranks[0] <= TOP
        print(
            f"  {'yes' if ranks and ranks[0] <= TOP else 'NO '} rank {ranks[0] if ranks else '>20'}: "
            f"{answer['question']}"
        )
    print(f"right page in the top {TOP}: {found} of {len(answers)}")


if __name__ == "__main__":
    main()
