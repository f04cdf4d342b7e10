"""Build time, size, speed and recall of search in 1,000 to 100,000 chunks, with filters and without.

    python benchmarks/search_sizes.py [--sizes 1000 10000 100000] [--real 3000] [--data DATA] [--work DIR]

The store is used directly, on an embedded server of its own. Some chunks of SciFact are embedded once (--real
says how many, --work keeps their vectors), and the indexes are made from them with a fixed seed: a made chunk
lies between a real one and one of its ten nearest, at a random place on the way; its text is sentences of
both. Ten chunks make a document. The questions are 200 of SciFact's claims, embedded before: no time here has
the model in it. The fewer real chunks, the more of the made ones are each other's near copies.

Recall@10 is the share of the ten best by an exact search that is found; of equal scores any will do. Exact
are a scan of all vectors, BM25 over all chunks, and, for hybrid search, the fusion of that scan with the
same words. With a filter, all of that is of what the filter keeps.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lexical import DATA, Exact, asked_counts, document_of, judged, recall, stored_counts

from ragctl.conditions import Condition
from ragctl.embedded.server import EmbeddedServer
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.spec.ask_settings import QuerySettings
from ragctl.stages.dedupe import dedupe
from ragctl.stages.query import query
from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_hnsw import INDEX_FROM
from ragctl.types import Chunk, EmbeddedDocument, Hit

REAL, ASKED, NEAR = 3_000, 200, 10
CHUNKS_OF_DOCUMENT = 10
BATCH = 25  # documents a transaction, as an ingest writes them: some 256 chunks
NEVER, ALWAYS = 10**9, 1
UPDATED = 0.05
SETTINGS = QuerySettings()
FILTERS = {"0.2 %": [Condition("team", "=", "0")], "33 %": [Condition("year", ">=", 2024)]}

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Search = Callable[[str, Vectors], list[Hit]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--real", type=int, default=REAL, help="chunks that the others are made from")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, help="keeps the vectors there, for another run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        server = EmbeddedServer(Path(temporary) / ".ragctl")
        try:
            real = Real(chosen.data, chosen.work or Path(temporary), chosen.real)
            for size in chosen.sizes:
                measure(server, real, size)
        finally:
            server.stop()


class Real:
    """Chunks of SciFact with their vectors, and its claims with theirs."""

    def __init__(self, data: Path, work: Path, number: int) -> None:
        sets = judged(data / "scifact", "train")
        every = [(one.document.title, chunk) for one in sets.documents for chunk in one.chunks]
        drawn = random.Random(5).sample(every, number)
        self.titles = [title for title, _ in drawn]
        self.sentences = [re.split(r"(?<=[.!?])\s+", chunk.text) for _, chunk in drawn]
        self.questions = random.Random(6).sample(list(sets.questions.values()), ASKED)
        file = work / f"scifact-{number}.npz"
        if not file.exists():
            work.mkdir(parents=True, exist_ok=True)
            passages, questions = embedded([chunk.embed_input for _, chunk in drawn], self.questions)
            np.savez(file, passages=passages, questions=questions)
        stored = np.load(file)
        self.vectors: Vectors = stored["passages"]
        self.asked: Vectors = stored["questions"]
        alike = self.vectors @ self.vectors.T
        np.fill_diagonal(alike, -2)
        self.near = np.argpartition(-alike, NEAR, axis=1)[:, :NEAR]

    def made(self, size: int) -> Iterator[EmbeddedDocument]:
        """Documents with `size` chunks in all."""
        chance = np.random.default_rng(size)
        draw = random.Random(size)
        for number in range(size // CHUNKS_OF_DOCUMENT):
            ones = chance.integers(0, len(self.vectors), CHUNKS_OF_DOCUMENT)
            others = self.near[ones, chance.integers(0, NEAR, CHUNKS_OF_DOCUMENT)]
            way = chance.random((CHUNKS_OF_DOCUMENT, 1), np.float32)
            vectors = self.vectors[ones] * (1 - way) + self.vectors[others] * way
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            texts = [self._text(draw, one, other) for one, other in zip(ones, others, strict=True)]
            yield self._document(str(number), self.titles[ones[0]], texts, vectors)

    def _text(self, draw: random.Random, one: int, other: int) -> str:
        """As many sentences as the first has, drawn from both."""
        pool = [*self.sentences[one], *self.sentences[other]]
        return " ".join(draw.sample(pool, len(self.sentences[one])))

    def _document(self, path: str, title: str, texts: list[str], vectors: Vectors) -> EmbeddedDocument:
        document = replace(
            document_of({"_id": path, "title": title, "text": "\n\n".join(texts)}),
            metadata=metadata_of(int(path)),
        )
        chunks, start = [], 0
        for ordinal, text in enumerate(texts):
            chunks.append(
                Chunk(ordinal, start, start + len(text), text, f"{title}\n\n{text}", len(text) // 4)
            )
            start += len(text) + 2
        hashes = tuple(f"{path}:{ordinal}".encode().ljust(32) for ordinal in range(len(texts)))
        return EmbeddedDocument(document, tuple(chunks), vectors, hashes)


def metadata_of(number: int) -> Mapping[str, Any]:
    """One of 500 teams, and one of three years."""
    return {"team": str(number % 500), "year": 2024 - number % 3, "number": number}


def embedded(passages: list[str], questions: list[str]) -> tuple[Vectors, Vectors]:
    embedder = LocalEmbedder()
    vectors = np.empty((len(passages), embedder.dimension), np.float32)
    for batch in embedder.embed(passages):
        vectors[list(batch.positions)] = batch.vectors
    return vectors, embedder.embed_queries(questions)


# An index of one size


def measure(server: EmbeddedServer, real: Real, size: int) -> None:
    prefix = f"made{size}"
    connection = server.connect(autocommit=True)

    def opened(index_from: int) -> PgVectorStore:
        dimension = real.vectors.shape[1]
        return PgVectorStore(
            connection, schema="public", prefix=prefix, dimension=dimension, index_from=index_from
        )

    store = opened(NEVER)
    store.create()
    documents = list(real.made(size))
    writing = seconds(lambda: write(store, documents))
    wording = seconds(store.optimize)
    plain_bytes = store.size_bytes()
    again = documents[:: round(1 / UPDATED)]
    plain_update = seconds(lambda: write(store, again))
    store.optimize()  # as an ingest ends: it also clears what writers leave for searches to read through
    exact = taken(searches(store), real)
    bm25 = Exact(*stored_counts(store, prefix))
    by_words, _ = recall(store, bm25, real.questions)

    store = opened(ALWAYS)
    before = store.size_bytes()
    building = seconds(store.optimize)
    index_bytes = store.size_bytes() - before
    indexed = taken(searches(store, words=False), real)
    live_update = seconds(lambda: write(store, again))

    print(f"\n{size:,} chunks (by default {'HNSW' if size >= INDEX_FROM else 'exact'})")
    print(
        f"  written in {writing:.1f} s, words indexed and counted in {wording:.1f} s, HNSW index built in "
        f"{building:.1f} s"
    )
    print(f"  on disk {plain_bytes / 1e6:.1f} MB, the HNSW index {index_bytes / 1e6:.1f} MB more")
    print(
        f"  {len(again) * CHUNKS_OF_DOCUMENT:,} chunks written again: {plain_update:.2f} s without the HNSW "
        f"index, {live_update:.2f} s with it"
    )
    print(f"  {'search':<18}{'p50 ms':>8}{'p99 ms':>8}  recall@10")
    for name, (times, _) in exact.items():
        row(name, times, by_words if name == "lexical" else 1.0)
    for name, (times, found) in indexed.items():
        row(name.replace("exact", "HNSW"), times, shared(exact[name][1], found))
    store.optimize()
    measure_filters(opened, bm25, real)
    connection.close()


def measure_filters(opened: Callable[[int], PgVectorStore], bm25: Exact, real: Real) -> None:
    """Filtered searches: by the way that ragctl chooses, and each way on its own, which shows the choice."""
    scanning, by_graph, chosen = opened(NEVER), opened(ALWAYS), opened(INDEX_FROM)
    counts = asked_counts(chosen, real.questions)
    for share, where in FILTERS.items():
        named = searches(chosen, where=where)
        others = {"dense, scanned": scanning, "dense, by graph": by_graph}
        ways = {name: searches(store, where=where)["dense, exact"] for name, store in others.items()}
        exact = {
            name: [search(*one) for one in zip(real.questions, real.asked, strict=True)]
            for name, search in searches(scanning, where=where).items()
        }
        print(f"  filter {share}")
        for name, (times, found) in taken({**named, **ways}, real).items():
            if name == "lexical":
                row(name, times, among_kept(chosen, bm25, counts, real.questions, where))
            else:
                best = exact["hybrid, exact" if name.startswith("hybrid") else "dense, exact"]
                row(name.removesuffix(", exact"), times, shared(best, found))


def among_kept(
    store: PgVectorStore,
    bm25: Exact,
    counts: Sequence[dict[str, int]],
    questions: Sequence[str],
    where: Sequence[Condition],
) -> float:
    """Mean recall@10 of the words against BM25 over all chunks that a filter keeps; as `recall` counts."""
    anything = np.ones((1, store._dimension), np.float32)
    documents = {hit.document for hit in store.search(anything, k=10**6, where=where)[0]}
    kept = np.array([path in documents for path, _ in bm25.number_at])
    shares = []
    for question, of_question in zip(questions, counts, strict=True):
        scores = bm25.scores(of_question) * kept
        best = np.sort(scores[scores > 0])[::-1][:10]
        hits = store.search_text([question], k=10, where=where)[0]
        if len(best):
            found = scores[[bm25.number_at[place(hit)] for hit in hits]]
            shares.append(float((found >= best[-1] - 1e-9).sum()) / len(best))
    return statistics.mean(shares)


def write(store: PgVectorStore, documents: Sequence[EmbeddedDocument]) -> None:
    for first in range(0, len(documents), BATCH):
        store.replace(documents[first : first + BATCH])


def seconds(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


# Searches


class Given:
    """In the embedder's place: the vector that the question has already."""

    def __init__(self, vector: Vectors) -> None:
        self._vector = vector

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        return self._vector[None]


def searches(
    store: PgVectorStore, *, words: bool = True, where: Sequence[Condition] = ()
) -> dict[str, Search]:
    """By name, what finds a question's hits; named as without an index."""

    def by(mode: Any) -> Search:
        def search(question: str, vector: Vectors) -> list[Hit]:
            lists = query([question], Given(vector), store, k=SETTINGS.k, mode=mode, where=where)
            return dedupe(lists, fusion=SETTINGS.fusion, rrf_k=SETTINGS.rrf_k)

        return search

    named = {"dense, exact": by("dense"), "lexical": by("lexical"), "hybrid, exact": by("hybrid")}
    return named if words else {name: one for name, one in named.items() if name != "lexical"}


def taken(found_by: dict[str, Search], real: Real) -> dict[str, tuple[list[float], list[list[Hit]]]]:
    """Milliseconds and hits of each question, by search; the searches take turns."""
    asked = list(zip(real.questions, real.asked, strict=True))
    for search in found_by.values():
        for one in asked[:10]:
            search(*one)
    results: dict[str, tuple[list[float], list[list[Hit]]]] = {name: ([], []) for name in found_by}
    for question, vector in asked:
        for name, search in found_by.items():
            start = time.perf_counter()
            hits = search(question, vector)
            results[name][0].append(1e3 * (time.perf_counter() - start))
            results[name][1].append(hits)
    return results


def shared(exact: Sequence[Sequence[Hit]], found: Sequence[Sequence[Hit]]) -> float:
    """Mean recall@10; a hit counts if it is among the ten, or scores as the tenth."""
    shares = []
    for best, hits in zip(exact, found, strict=True):
        wanted = {place(hit) for hit in best[:10]}
        last = best[min(9, len(best) - 1)].score - 1e-6
        shares.append(sum(place(hit) in wanted or hit.score >= last for hit in hits[:10]) / len(wanted))
    return statistics.mean(shares)


def place(hit: Hit) -> tuple[str, int]:
    return hit.document, hit.start


def row(name: str, times: Sequence[float], found: float) -> None:
    print(
        f"  {name:<18}{statistics.median(times):8.1f}{np.quantile(times, 0.99):8.1f}  {found:.4f}", flush=True
    )


if __name__ == "__main__":
    main()
