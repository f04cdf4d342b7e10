"""ragctl's store alone: written, indexed, searched; then rounds of changes while the HNSW index is kept up.

    python benchmarks/store_growth.py [--chunks 100000] [--rounds 10] [--work DIR]

A round replaces 5 % of the documents with other vectors, deletes another 5 % and writes these anew, so that
what is stored stays as much. Two equal indexes go through it in turns: `kept` with what ragctl does, which is
autovacuum by its settings and `optimize` after each round; `left` with autovacuum off and nothing else. At
the end `kept` gets what `ragctl doctor --repair` does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from store_made import DIMENSION, TOP, exact_scores, recall
from store_side import CHUNKS_OF_DOCUMENT, Made
from store_side_ragctl import BATCH, SOURCE, document, opened
from store_writers import dsn_of, server_in, with_chunks

from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_upkeep import KINDS, PgVectorUpkeep

SHARE = 20  # every twentieth document: 5 %


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10, help="0: written and searched, nothing changed")
    parser.add_argument("--work", type=Path, help="keeps the chunks there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        server = server_in(Path(temporary))
        try:
            connection = server.connect(autocommit=True)
            os.environ["STORE_DSN"] = (
                dsn_of(connection)
                if connection.info.password
                else f"host={connection.info.host} port={connection.info.port} user={connection.info.user} "
                f"dbname={connection.info.dbname}"
            )
            folder = chosen.work or Path(temporary) / "made"
            with_chunks(folder, chosen.chunks)
            made = Made.load(folder)
            kept = Index("kept", made, chosen.chunks)
            kept.fill()
            kept.search(np.load(folder / "questions.npy"))
            if chosen.rounds:
                changes(kept, made, chosen)
        finally:
            server.stop()


def changes(kept: Index, made: Made, chosen: argparse.Namespace) -> None:
    """The rounds, and what is left of them on disk."""
    left = Index("left", made, chosen.chunks)
    left.fill()
    for kind in KINDS:
        left.run(f"ALTER TABLE left_.docs_{kind} SET (autovacuum_enabled = false)")
    before = {one.name: one.sizes() for one in (kept, left)}
    for number in range(chosen.rounds):
        for one in (kept, left):
            one.change(number)
        one_round = seconds(kept.store.optimize)
        print(f"round {number + 1} of {chosen.rounds}: optimize took {one_round:.1f} s", flush=True)
    for one in (kept, left):
        one.report(before[one.name])
    upkeep = PgVectorUpkeep(kept.store._connection, schema=kept.schema, prefix="docs", dimension=DIMENSION)
    found = upkeep.bloat()
    taken = seconds(lambda: [upkeep.clean(one) for one in found])
    print(f"doctor --repair: {'; '.join(one.what for one in found) or 'nothing to do'} ({taken:.0f} s)")
    kept.report(before["kept"])


@dataclass
class Index:
    """A generation in a schema of its own."""

    name: str
    made: Made
    chunks: int
    rates: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schema = f"{self.name}_"  # LEFT is a word of SQL
        self.store: PgVectorStore = opened(self.schema, DIMENSION)
        self.store.create()

    def run(self, statement: str) -> None:
        self.store._connection.execute(statement)

    def fill(self) -> None:
        """Writes all chunks and builds the index."""
        writing = self._write(range(self.chunks // CHUNKS_OF_DOCUMENT))
        building = seconds(self.store._hnsw.build)
        ending = seconds(self.store.optimize)
        tables, graph, indexes = self.sizes()
        print(
            f"{self.name}: {self.chunks:,} chunks at {self.chunks / writing:,.0f} rows/s, HNSW built in "
            f"{building:.0f} s, words indexed and tables counted in {ending:.0f} s; MB: tables "
            f"{tables:,.0f}, HNSW {graph:,.0f}, other indexes {indexes:,.0f}",
            flush=True,
        )

    def _write(self, numbers: Sequence[int], version: int = 0) -> float:
        """Seconds in the store; documents are made between its calls.

        Each `version` above 0 has vectors of its own: equal ones share an element of pgvector's graph.
        """
        taken = 0.0
        for first in range(0, len(numbers), BATCH):
            batch = [document(self.made, number) for number in numbers[first : first + BATCH]]
            for one in batch if version else ():
                chance = np.random.default_rng([version, int(one.document.path)])
                one.vectors[:] += 0.01 * chance.standard_normal(one.vectors.shape, np.float32)
                one.vectors[:] /= np.linalg.norm(one.vectors, axis=1, keepdims=True)
            taken += seconds(lambda batch=batch: self.store.replace(batch))  # type: ignore[misc]
        return taken

    def change(self, number: int) -> None:
        """A round: other documents than in the rounds before and after it."""
        documents = self.chunks // CHUNKS_OF_DOCUMENT
        changed = range(number % SHARE, documents, SHARE)
        gone = range((number + SHARE // 2) % SHARE, documents, SHARE)
        rows = len(changed) * CHUNKS_OF_DOCUMENT
        self._note("replaced", rows / self._write(changed, version=number + 1))
        keys = [(SOURCE, str(one)) for one in gone]
        parts = [keys[first : first + 100] for first in range(0, len(keys), 100)]
        taken = seconds(lambda: [self.store.delete(part) for part in parts])
        self._note("deleted", len(keys) * CHUNKS_OF_DOCUMENT / taken)
        self._note("written anew", len(keys) * CHUNKS_OF_DOCUMENT / self._write(gone, version=number + 1))

    def _note(self, what: str, rate: float) -> None:
        self.rates.setdefault(what, []).append(rate)

    def search(self, questions: np.ndarray) -> None:
        best = exact_scores(self.made.vectors[: self.chunks], questions)
        start_of = {}
        times, found = [], []
        for question in questions:
            start = time.perf_counter()
            [hits] = self.store.search(question[None], k=TOP)
            times.append(1e3 * (time.perf_counter() - start))
            rows = []
            for hit in hits:
                if hit.document not in start_of:
                    whole = document(self.made, int(hit.document))
                    start_of[hit.document] = {chunk.start: chunk.ordinal for chunk in whole.chunks}
                ordinal = start_of[hit.document][hit.start]
                rows.append(int(hit.document) * CHUNKS_OF_DOCUMENT + ordinal)
            found.append(rows)
        reached = recall(self.made.vectors, questions, best, found)
        p50, p99 = np.quantile(times, [0.5, 0.99])
        print(f"search: p50 {p50:.1f} ms, p99 {p99:.1f} ms, recall@10 {reached:.4f}", flush=True)

    def sizes(self) -> tuple[float, float, float]:
        """MB of the tables, of the HNSW index, and of all other indexes."""
        row = self.store._connection.execute(
            "SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)), "
            f"coalesce(pg_relation_size(to_regclass('{self.schema}.docs_hnsw')), 0) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)",
            (self.schema,),
        ).fetchone()
        assert row is not None
        tables, indexes, graph = (float(one) / 1e6 for one in row)
        return tables, graph, indexes - graph

    def report(self, before: tuple[float, float, float]) -> None:
        rates = ", ".join(f"{what} {statistics.median(found):,.0f}" for what, found in self.rates.items())
        print(f"{self.name}: rows/s: {rates}")
        for what, was, now in zip(("tables", "HNSW", "other indexes"), before, self.sizes(), strict=True):
            print(f"  {what:<14}{was:8,.0f} MB before{now:8,.0f} MB after ({now / was:.2f}x)")


def seconds(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
