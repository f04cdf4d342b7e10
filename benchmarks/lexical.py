"""Lexical search: quality beside exact BM25 and beside a BM25 library, recall of its candidates, and speed.

    python benchmarks/lexical.py [--data DATA] [--against ENVIRONMENT/bin/python] [--sizes 1000 10000]

The store is used directly, on an embedded server of its own; texts are cut as an ingest cuts them. A
document's rank is that of its best chunk. `--against` is an interpreter that has `bm25s`; it gets the very
tokens that PostgreSQL made. Larger indexes are made of sentences of SciFact and XQuAD, drawn with a fixed
seed: a title, and one to five sentences in a row from each of two abstracts. Exact BM25 is worked out here,
over all chunks. Timings are of one question a call, with hits and their texts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ragctl.embedded.server import EmbeddedServer
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.splitters.auto import AutoSplitter
from ragctl.stores.lexical_question import K1, B
from ragctl.stores.pgvector import PgVectorStore
from ragctl.types import Chunk, ChunkedDocument, Document, EmbeddedDocument, Section

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
SETS = (("scifact", "train", "english"), ("xquad-en", "test", "english"), ("xquad-zh", "test", "chinese"))
CONSTANTS = [(k1, b) for k1 in (0.6, 0.9, 1.2, 1.5) for b in (0.2, 0.4, 0.6, 0.75)]
DIMENSION = 4
DEPTH = 100
BATCH = 200
TIMED = 200

LIBRARY = """
import json, sys
import bm25s
import numpy as np
passages, questions, k1, b = json.load(open(sys.argv[1], encoding="utf-8"))
library = bm25s.BM25(method="lucene", k1=k1, b=b)
library.index(passages, show_progress=False)
known = set(library.vocab_dict)
scores = np.zeros((len(questions), len(passages)), np.float32)
for number, tokens in enumerate(questions):
    tokens = [token for token in tokens if token in known]
    if tokens:
        scores[number] = library.get_scores(tokens)
np.save(sys.argv[2], scores)
"""

Counts = dict[str, int]
Place = tuple[str, int]
"""Path of the document, and where the chunk begins in it."""


@dataclass(frozen=True)
class Judged:
    """Chunked documents, and questions with the documents that answer them."""

    documents: list[ChunkedDocument]
    questions: dict[str, str]
    relevant: dict[str, set[str]]


def main() -> None:
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / ".ragctl")
        try:
            sets = {name: judged(arguments.data / name, split) for name, split, _ in SETS}
            if arguments.text_only:
                sets = {name: without_context(one) for name, one in sets.items()}
            if arguments.constants:
                for name, _, language in SETS:
                    measure_constants(server, name, language, sets[name])
                return
            for name, _, language in SETS:
                measure_quality(server, name, language, sets[name], arguments.against)
            for size in arguments.sizes:
                measure_size(server, size, sets)
        finally:
            server.stop()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--against", help="an interpreter that has bm25s")
    parser.add_argument("--constants", action="store_true", help="try other k1 and b, and nothing else")
    parser.add_argument("--text-only", action="store_true", help="index chunks without title and headings")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000, 100_000])
    return parser.parse_args()


# Data


def judged(folder: Path, split: str) -> Judged:
    embedder = LocalEmbedder()
    splitter = AutoSplitter(
        embedder.tokenizer,
        max_tokens=256,
        overlap=32,
        min_tokens=64,
        context=("title", "headings"),
        embedder_limit=embedder.max_tokens,
    )
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        documents = [splitter.split(document_of(json.loads(line))) for line in lines]
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(question, set()).add(document)
    asked = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    return Judged(documents, {one["_id"]: one["text"] for one in asked if one["_id"] in relevant}, relevant)


def without_context(data: Judged) -> Judged:
    documents = [
        replace(one, chunks=tuple(replace(chunk, embed_input=chunk.text) for chunk in one.chunks))
        for one in data.documents
    ]
    return replace(data, documents=documents)


def document_of(record: dict[str, Any]) -> Document:
    return Document(
        source="set",
        path=record["_id"],
        uri="",
        text=record["text"],
        title=record["title"] or record["_id"],
        title_is_fallback=not record["title"],
        media_type="text/plain",
        sections=(Section(0, len(record["text"])),),
    )


def made_of_sentences(sets: dict[str, Judged], size: int) -> Iterator[ChunkedDocument]:
    draw = random.Random(3)
    known = [
        (one.document.title, re.split(r"(?<=[.!?])\s+", one.document.text))
        for name in ("scifact", "xquad-en")
        for one in sets[name].documents
    ]
    for number in range(size):
        parts = []
        for _ in range(2):
            _, sentences = draw.choice(known)
            start = draw.randrange(len(sentences))
            parts.append(" ".join(sentences[start : start + draw.randint(1, 5)]))
        title, text = draw.choice(known)[0], " ".join(parts)
        chunk = Chunk(0, 0, len(text), text, f"{title}\n\n{text}", 0)
        document = document_of({"_id": str(number), "title": title, "text": text})
        yield ChunkedDocument(document, (chunk,))


# The store


def filled(
    server: EmbeddedServer, name: str, language: str, documents: Sequence[ChunkedDocument]
) -> tuple[PgVectorStore, float, float]:
    """The store, and the seconds that writing and the upkeep took."""
    connection = server.connect(autocommit=True)
    prefix = name.replace("-", "_")
    store = PgVectorStore(connection, schema="public", prefix=prefix, dimension=DIMENSION, language=language)
    store.create()
    start = time.perf_counter()
    for first in range(0, len(documents), BATCH):
        store.replace([with_vectors(one) for one in documents[first : first + BATCH]])
    written = time.perf_counter()
    store.optimize()
    return store, written - start, time.perf_counter() - written


def with_vectors(one: ChunkedDocument) -> EmbeddedDocument:
    """Any vectors do here."""
    vectors = np.full((len(one.chunks), DIMENSION), 0.5, np.float32)
    return EmbeddedDocument(one.document, one.chunks, vectors, tuple(b"" for _ in one.chunks))


def stored_counts(store: PgVectorStore, prefix: str) -> tuple[list[Place], list[Counts]]:
    """Where each chunk is, and its lexemes as PostgreSQL counted them."""
    rows = store._connection.execute(
        f"""
        SELECT d.path, c.span_start,
               (SELECT json_object_agg(lexeme, cardinality(positions)) FROM unnest(l.lexemes))
        FROM {prefix}_lexical l JOIN {prefix}_documents d ON d.id = l.document
        JOIN {prefix}_chunks c ON c.document = l.document AND c.ordinal = l.ordinal
        ORDER BY l.document, l.ordinal
        """
    ).fetchall()
    return [(path, start) for path, start, _ in rows], [counts or {} for _, _, counts in rows]


def asked_counts(store: PgVectorStore, questions: Sequence[str]) -> list[Counts]:
    from ragctl.stores.pgvector_lexical_search import PgVectorLexicalSearch

    search = PgVectorLexicalSearch(store._connection, **store._lexical_of)
    return [{term.lexeme: term.count for term in terms} for terms in search._terms(questions)]


# Exact BM25


class Exact:
    """BM25 over all chunks, in memory."""

    def __init__(
        self, places: Sequence[Place], passages: Sequence[Counts], *, k1: float = K1, b: float = B
    ) -> None:
        self.number_at = {place: number for number, place in enumerate(places)}
        lists: dict[str, list[tuple[int, int]]] = {}
        for number, counts in enumerate(passages):
            for term, count in counts.items():
                lists.setdefault(term, []).append((number, count))
        self.postings = {term: np.array(pairs, np.float64).T for term, pairs in lists.items()}
        self.size = len(passages)
        lengths = np.array([sum(counts.values()) for counts in passages], np.float64)
        self.norm = k1 * (1 - b + b * lengths / lengths.mean())

    def scores(self, question: Counts) -> np.ndarray[Any, Any]:
        total = np.zeros(self.size)
        for term, times in question.items():
            if term in self.postings:
                numbers, counts = self.postings[term]
                numbers = numbers.astype(np.int64)
                having = len(numbers)
                idf = math.log(1 + (self.size - having + 0.5) / (having + 0.5))
                total[numbers] += times * idf * counts / (counts + self.norm[numbers])
        return total


def recall(store: PgVectorStore, exact: Exact, questions: Sequence[str]) -> tuple[float, float]:
    """Mean share of the 10 and of the 50 best by exact BM25 that are found; of equal scores any will do."""
    shares: dict[int, list[float]] = {10: [], 50: []}
    for question, counts in zip(questions, asked_counts(store, questions), strict=True):
        scores = exact.scores(counts)
        best = np.sort(scores[scores > 0])[::-1]
        found = [exact.number_at[hit.document, hit.start] for hit in store.search_text([question], k=50)[0]]
        for k in shares:
            if len(best):
                last = best[:k][-1] - 1e-9
                shares[k].append(float((scores[found[:k]] >= last).sum()) / min(k, len(best)))
    return statistics.mean(shares[10]), statistics.mean(shares[50])


# Quality


def measure_quality(
    server: EmbeddedServer, name: str, language: str, data: Judged, against: str | None
) -> None:
    store, _, _ = filled(server, name, language, data.documents)
    asked = list(data.questions)
    questions = [data.questions[one] for one in asked]
    print(
        f"\n{name}: {len(data.documents):,} documents, {store.counts()[1]:,} chunks, {len(asked):,} questions"
    )
    ours = []
    for question in questions:
        [hits] = store.search_text([question], k=3 * DEPTH)
        ours.append(list(dict.fromkeys(hit.document for hit in hits))[:DEPTH])
    places, passages = stored_counts(store, name.replace("-", "_"))
    exact = Exact(places, passages)
    paths = [path for path, _ in places]
    counts = asked_counts(store, questions)
    report("ragctl", asked, ours, data)
    report("exact BM25", asked, [ranked(paths, exact.scores(one)) for one in counts], data)
    if against:
        report(
            "bm25s", asked, [ranked(paths, one) for one in library_scores(against, passages, counts)], data
        )
    print(f"  recall@10 against exact BM25 {recall(store, exact, questions)[0]:.4f}")


def measure_constants(server: EmbeddedServer, name: str, language: str, data: Judged) -> None:
    store, _, _ = filled(server, name, language, data.documents)
    asked = list(data.questions)
    places, passages = stored_counts(store, name.replace("-", "_"))
    counts = asked_counts(store, [data.questions[one] for one in asked])
    paths = [path for path, _ in places]
    print(f"\n{name}")
    for k1, b in CONSTANTS:
        exact = Exact(places, passages, k1=k1, b=b)
        report(f"{k1} {b}", asked, [ranked(paths, exact.scores(one)) for one in counts], data)


def ranked(paths: Sequence[str], scores: np.ndarray[Any, Any]) -> list[str]:
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(paths[number] for number in order if scores[number] > 0))[:DEPTH]


def report(who: str, asked: Sequence[str], lists: Sequence[Sequence[str]], data: Judged) -> None:
    gains = [ndcg(one, data.relevant[key]) for key, one in zip(asked, lists, strict=True)]
    found = [
        len(data.relevant[key] & set(one)) / len(data.relevant[key])
        for key, one in zip(asked, lists, strict=True)
    ]
    print(f"  {who:<11} nDCG@10 {statistics.mean(gains):.4f}  Recall@{DEPTH} {statistics.mean(found):.4f}")


def ndcg(found: Sequence[str], relevant: set[str]) -> float:
    gain = sum(1 / math.log2(rank + 2) for rank, one in enumerate(found[:10]) if one in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def library_scores(
    interpreter: str, passages: Sequence[Counts], questions: Sequence[Counts]
) -> np.ndarray[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "tokens.json", Path(folder) / "scores.npy"
        tokens = [[repeated(one) for one in passages], [repeated(one) for one in questions], K1, B]
        given.write_text(json.dumps(tokens), encoding="utf-8")
        subprocess.run([interpreter, "-c", LIBRARY, str(given), str(made)], check=True)
        scores: np.ndarray[Any, Any] = np.load(made)
    return scores


def repeated(counts: Counts) -> list[str]:
    return [term for term, count in counts.items() for _ in range(count)]


# Size and speed


def measure_size(server: EmbeddedServer, size: int, sets: dict[str, Judged]) -> None:
    prefix = f"made{size}"
    store, writing, upkeep = filled(server, prefix, "english", list(made_of_sentences(sets, size)))
    start = time.perf_counter()
    store.optimize()
    nothing = time.perf_counter() - start
    start = time.perf_counter()
    store.optimize(exact=True)
    counting = time.perf_counter() - start
    print(f"\n{size:,} chunks: {bytes_of(store, prefix)}")
    print(
        f"  written in {writing:.1f} s ({writing / size * 1e3:.2f} ms a chunk), index and frequencies "
        f"{upkeep:.1f} s, frequencies alone {counting:.1f} s, nothing to do {nothing * 1e3:.0f} ms"
    )
    questions = list(sets["scifact"].questions.values())
    random.Random(1).shuffle(questions)
    abstracts = [one.document.text for one in sets["scifact"].documents]
    random.Random(1).shuffle(abstracts)
    exact = Exact(*stored_counts(store, prefix))
    common = common_questions(exact, asked_counts(store, questions))
    for kind, asked in (
        ("questions", questions[:TIMED]),
        ("common words", common),
        ("an abstract", abstracts[:40]),
        ("4,000 characters", [" ".join(abstracts[n : n + 4])[:4000] for n in range(0, 160, 4)]),
    ):
        store.search_text(asked[:5], k=50)
        p50, p99 = timed(store, asked)
        at_10, at_50 = recall(store, exact, asked)
        print(
            f"  {kind:<17} p50 {p50:6.1f} ms  p99 {p99:6.1f} ms  recall@10 {at_10:.4f}  recall@50 {at_50:.4f}"
        )


def common_questions(exact: Exact, asked: Sequence[Counts]) -> list[str]:
    """Questions of one to four words each of which is in more than a tenth of the chunks."""
    terms = sorted({term for one in asked for term in one})
    common = [term for term in terms if len(exact.postings.get(term, ((),))[0]) > 0.1 * exact.size]
    draw = random.Random(2)
    return [" ".join(draw.sample(common, draw.randint(1, 4))) for _ in range(50)]


def timed(store: PgVectorStore, questions: Sequence[str]) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    taken = []
    for question in questions:
        start = time.perf_counter()
        store.search_text([question], k=50)
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.median(taken), float(np.quantile(taken, 0.99))


def bytes_of(store: PgVectorStore, prefix: str) -> str:
    sizes = store._connection.execute(
        f"SELECT pg_table_size('{prefix}_lexical'), pg_indexes_size('{prefix}_lexical'), "
        f"pg_total_relation_size('{prefix}_terms'), pg_total_relation_size('{prefix}_chunks')"
    ).fetchone()
    names = ("lexemes", "their indexes", "frequencies", "the chunks themselves")
    return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in zip(names, sizes or (), strict=True))


if __name__ == "__main__":
    main()
