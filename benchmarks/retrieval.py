"""How good are dense, lexical and hybrid search? nDCG@10 and Recall@100 on judged sets, with intervals.

    python benchmarks/retrieval.py [--data DATA] [--work DIR] [--sets scifact xquad-en xquad-zh]

Each set is ingested by `ragctl ingest` as a `jsonl` source and asked through the same stages as `ragctl ask`;
a document's rank is that of its best chunk. Every variant of fusion starts from the same two lists of each
question. Defaults are chosen on SciFact's training split and checked on XQuAD. Intervals are paired
bootstraps over the questions, 95 %, with a fixed seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragctl.run.composition import Composition
from ragctl.run.ingesting.ingest import ingest
from ragctl.spec.load import load_spec
from ragctl.stages.fusion import fuse
from ragctl.stages.query import query
from ragctl.types import Hit

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
SETS = {"scifact": ("train", "english"), "xquad-en": ("test", "english"), "xquad-zh": ("test", "chinese")}
DEPTH = 100  # documents that are judged
FETCHED = 200  # chunks that are fetched from each search, as several may be of one document
SAMPLES = 2_000

Lists = list[list[Hit]]
Variant = Callable[[Lists], list[Hit]]
Judgements = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class JudgedSet:
    """Questions by id, and for each the documents that answer it, with their grade."""

    name: str
    questions: dict[str, str]
    judged: Judgements


def variants() -> dict[str, Variant]:
    """Ways to make one list of the dense and the lexical one."""

    def weighted(method: str, dense: float, rrf_k: int = 60) -> Variant:
        weights = {"dense": dense, "lexical": 1.0}
        return lambda lists: fuse(lists, method=method, weights=weights, rrf_k=rrf_k)  # type: ignore[arg-type]

    made: dict[str, Variant] = {"dense": lambda lists: lists[0], "lexical": lambda lists: lists[1]}
    for rrf_k in (10, 60):
        for dense in (0.5, 1.0, 2.0):
            made[f"rrf k={rrf_k} dense={dense:g}"] = weighted("rrf", dense, rrf_k)
    for dense in (0.0, 0.25, 0.5, 1.0, 1.5, 2.0):
        made[f"score dense={dense:g}"] = weighted("score", dense)
    return made


def read_set(data: Path, name: str) -> JudgedSet:
    split, _ = SETS[name]
    judged: dict[str, dict[str, int]] = {}
    with (data / name / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judged.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    lines = (data / name / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    questions = {one["_id"]: one["text"] for one in map(json.loads, lines) if one["_id"] in judged}
    return JudgedSet(name, questions, judged)


def searched(data: Path, work: Path, judged: JudgedSet) -> Iterator[tuple[str, Lists]]:
    """Each question's id with its dense and its lexical list."""
    _, language = SETS[judged.name]
    spec = work / f"{judged.name}.yaml"
    corpus = (data / judged.name / "corpus.jsonl.gz").resolve()
    source = {"type": "jsonl", "path": str(corpus), "name": "corpus"}
    content = {"name": judged.name, "sources": [source], "chunk": {"language": language}}
    spec.write_text(json.dumps(content), encoding="utf-8")
    loaded = load_spec(spec)
    report = ingest(loaded)
    print(f"{judged.name}: {report.counts.listed:,} documents, {report.seconds:.0f} s to ingest", flush=True)
    with Composition(loaded) as composition:
        store = composition.store_of(composition.active_generation())
        for identity, question in judged.questions.items():
            yield identity, query([question], composition.embedder, store, k=FETCHED, mode="hybrid")


def documents(hits: Sequence[Hit]) -> list[str]:
    """The records' ids, each at its best chunk's place."""
    return list(dict.fromkeys(hit.document.partition("#")[2] for hit in hits))[:DEPTH]


def ndcg(found: Sequence[str], grades: Mapping[str, int], at: int = 10) -> float:
    """With gains 2^grade - 1, as trec_eval's ndcg_cut has them for grades of 0 and 1."""
    gained = sum((2 ** grades.get(one, 0) - 1) / math.log2(rank + 2) for rank, one in enumerate(found[:at]))
    ideal = sorted((2**grade - 1 for grade in grades.values()), reverse=True)[:at]
    return gained / sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ideal))


def recall(found: Sequence[str], grades: Mapping[str, int], at: int = DEPTH) -> float:
    wanted = {one for one, grade in grades.items() if grade > 0}
    return len(wanted & set(found[:at])) / len(wanted)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % of the means of samples drawn with replacement."""
    chance = np.random.default_rng(20261122)
    drawn = chance.integers(0, len(differences), (SAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def measure(data: Path, work: Path, name: str) -> None:
    judged = read_set(data, name)
    scores: dict[str, list[tuple[float, float]]] = {variant: [] for variant in variants()}
    for identity, lists in searched(data, work, judged):
        grades = judged.judged[identity]
        for variant, fused in variants().items():
            found = documents(fused(lists))
            scores[variant].append((ndcg(found, grades), recall(found, grades)))
    by_variant = {variant: np.array(values) for variant, values in scores.items()}
    print(f"\n### {name}: {len(judged.questions):,} questions\n")
    print("| variant | nDCG@10 | Recall@100 | nDCG beyond dense | beyond lexical |")
    print("| --- | --- | --- | --- | --- |")
    for variant, values in by_variant.items():
        beyond = [
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(difference.mean(), *interval(difference))
            for difference in (values[:, 0] - by_variant[side][:, 0] for side in ("dense", "lexical"))
        ]
        print(f"| {variant} | {values[:, 0].mean():.4f} | {values[:, 1].mean():.4f} | {' | '.join(beyond)} |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, help="keeps the indexes there, for another run")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        for name in arguments.sets:
            measure(arguments.data, work, name)


if __name__ == "__main__":
    main()
