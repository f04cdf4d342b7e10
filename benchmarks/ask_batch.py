"""Thousands of questions in a batch that is killed twice and gone on with; and fifty at once in one process.

    python benchmarks/ask_batch.py [--questions N] [--parallel N]

A spec with rephrase and answer over a small corpus; the chat model is the stand-in of tests/model_server.py
on loopback, so this shows that each question is answered once and what ragctl itself takes, and nothing of a
real model's speed. The batch is killed with SIGKILL after a third and after two thirds of its lines.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from run.answering.chat_script import ChatScript, fill, openai

from model_server import ModelServer
from ragctl.embedded.server import EmbeddedServer
from ragctl.run.answering.ask import Asker
from ragctl.run.answering.asked import AskResult
from ragctl.run.answering.batch import answer_each
from ragctl.run.composition import Composition
from ragctl.spec.load import load_spec
from workspace import Workspace

TOPICS = ("the office hours", "installing", "retries of tasks", "espresso")


def questions(count: int) -> list[str]:
    """Long cases, each another."""
    return [
        f"Case {number}: somebody wrote to us at length about {TOPICS[number % 4]}, and wants to know what "
        f"holds in general, and what in the case of site {number % 97}. What do we answer them?"
        for number in range(count)
    ]


def killed_twice(workspace: Workspace, count: int, parallel: int) -> None:
    asked, out = workspace.base / "questions.jsonl", workspace.base / "results.jsonl"
    lines = [json.dumps({"question": one}) for one in questions(count)]
    asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ("--questions", str(asked), "--out", str(out), "--parallel", str(parallel))
    begun = time.perf_counter()
    for least in (count // 3, 2 * count // 3, count):
        process = workspace.process("ask", *command)
        while process.poll() is None and _lines(out) < least:
            time.sleep(0.01)
        if least < count:
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        print(f"  {_lines(out):,} lines, exit code {process.returncode}, {time.perf_counter() - begun:.0f} s")
        if least == count and process.returncode:
            sys.exit(err)
    results = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [one["question"] for one in results] == questions(count), "each once, in order"
    statuses = Counter(one["answer"]["status"] for one in results)
    print(f"  each of {count:,} has one line, in order: {dict(statuses)}")
    took = sorted(one["timings"]["total_ms"] for one in results)
    print(
        f"  milliseconds each: {took[len(took) // 2]:.0f} at the median, {took[-len(took) // 20]:.0f} at 95 %"
    )


def at_once(workspace: Workspace, parallel: int) -> None:
    with Composition(load_spec(workspace.spec_path)) as composition:
        asker = Asker(composition)
        asker.ask("Is it open?")
        for many in (1, parallel, parallel, 1):
            begun = time.perf_counter()
            results = list(answer_each(asker, questions(parallel), parallel=many))
            took = time.perf_counter() - begun
            good = sum(isinstance(one, AskResult) for one in results)
            print(f"  {many:>2} at once: {good} of {parallel} answered, {parallel / took:.1f} a second")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=5_000)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each reply takes at least")
    wanted = parser.parse_args()
    script: Any = ChatScript(rephrase="1. What are the opening hours?\n2. What is to be said?")
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelServer(replies=script, latency=wanted.latency) as server,
    ):
        workspace = fill(Workspace(Path(folder), "batch"))
        workspace.spec(ask={"rephrase": openai(server), "answer": openai(server)})
        print(f"{wanted.questions:,} questions, {wanted.parallel} at a time, killed twice:")
        killed_twice(workspace, wanted.questions, wanted.parallel)
        answers = script.count("answer")
        print(
            f"  answers that were asked for: {answers:,} ({answers - wanted.questions} more than questions)"
        )
        print("50 questions in one process:")
        at_once(workspace, 50)
        EmbeddedServer(workspace.base / ".ragctl").stop()


if __name__ == "__main__":
    main()
