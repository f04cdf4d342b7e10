"""What each side of `store_writers.py` is: a process that writes, indexes and searches when it is told to.

It runs in an environment of its own, so only the standard library and numpy are imported here. A line of JSON
comes in, and a line that begins with `figures ` goes out. The connection string is in STORE_DSN.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

CHUNKS_OF_DOCUMENT = 10
TOP = 10
HNSW_M, HNSW_EF_CONSTRUCTION, WIDE = 16, 200, 800  # ragctl's defaults, which all sides get
ROWS_OF_A_CALL = 1_000
"""Rows in one call of another library; ragctl's batches are those of an ingest, and smaller."""

Vectors = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Made:
    """The chunks: a text and a vector each, ten in a row make a document."""

    texts: list[str]
    vectors: Vectors

    @classmethod
    def load(cls, folder: Path) -> Made:
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        return cls(texts, np.load(folder / "vectors.npy", mmap_mode="r"))


class Side(Protocol):
    """One store; chunks are known by their position in `Made`."""

    def create(self) -> None:
        """An empty table, without an index of the vectors."""

    def prepare(self, made: Made, first: int, last: int) -> list[Any]:
        """The chunks first to last (exclusive) as the library takes them, in calls. Outside the clock."""

    def write(self, calls: list[Any]) -> None: ...

    def index(self) -> None:
        """Builds the HNSW index."""

    def search_with(self, way: str) -> None:
        """Searches from now on: `default`, or `wide` with ef_search 800."""

    def search(self, vector: Vectors) -> list[int]:
        """The ten best."""


def dsn() -> str:
    return os.environ["STORE_DSN"]


def in_calls(first: int, last: int) -> list[range]:
    return [range(one, min(one + ROWS_OF_A_CALL, last)) for one in range(first, last, ROWS_OF_A_CALL)]


def serve(side: Side) -> None:
    """Answers until there is nothing more to read. The first argument is the folder of the chunks."""
    folder = Path(sys.argv[1])
    made = Made.load(folder)
    questions: Vectors = np.load(folder / "questions.npy")
    for line in sys.stdin:
        order = json.loads(line)
        what = order.pop("do")
        print("figures " + json.dumps(_done(side, made, questions, what, order)), flush=True)


def _done(side: Side, made: Made, questions: Vectors, what: str, order: dict[str, Any]) -> dict[str, Any]:
    if what == "fill":
        fill = side.fill  # type: ignore[attr-defined]  # only a slow side has it
        return _timed(lambda: fill(order["first"], order["last"]))
    if what == "write":
        calls = side.prepare(made, order["first"], order["last"])
        return _timed(lambda: side.write(calls))
    if what == "search":
        side.search_with(order["way"])
        for vector in questions[:5]:
            side.search(vector)
        times, found = [], []
        for vector in questions[order["first"] : order["last"]]:
            start = time.perf_counter()
            found.append(side.search(vector))
            times.append(1e3 * (time.perf_counter() - start))
        return {"ms": times, "found": found}
    return _timed({"create": side.create, "index": side.index}[what])


def _timed(what: Any) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    what()
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
