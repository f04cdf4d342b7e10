"""What each step between a question and its passages is worth, without any model but the embedder.

    python benchmarks/ask_ablation.py [--data DATA] [--work DIR] [--sets scifact xquad-en airflow]
                                      [--reranker MODEL]

Each set is ingested by `ragctl ingest` and asked by the stages of `ragctl ask`; a document's rank is that of
its best passage. The variants change one thing of the defaults each: searches, fusion, passages fetched,
expansion, folding, diversity, and with --reranker (a cross-encoder's folder, package or place on the hub) the
order that it gives, at several blends. The three columns of differences are paired bootstraps against the
defaults over the questions, 95 %, with a fixed seed. Milliseconds are medians of what a question takes: each
step is timed by itself and a variant is charged for those that it has.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from retrieval import DATA, SETS, JudgedSet, interval, ndcg, read_set, recall

from ragctl.registry import adapter_class
from ragctl.run.composition import Composition
from ragctl.run.ingesting.ingest import ingest
from ragctl.spec.load import load_spec
from ragctl.stages.dedupe import dedupe
from ragctl.stages.diversity import diversify
from ragctl.stages.expansion import Expansion, expanded
from ragctl.stages.fusion import Method
from ragctl.stages.query import Mode, query
from ragctl.stages.rank import rerank
from ragctl.types import Hit

AIRFLOW = "airflow"
AIRFLOW_QUESTIONS = Path(__file__).with_name("airflow_docs_questions.jsonl")
TOP = 10
"""Passages that are put in another order by diversity: those that nDCG@10 looks at. The others follow."""

Lists = list[list[Hit]]


@dataclass(frozen=True)
class Variant:
    """The settings of a question that are varied; the defaults are those of the spec."""

    mode: Mode = "hybrid"
    fusion: Method = "score"
    k: int = 50
    expand: Expansion = "none"
    original_weight: float = 2.0
    near_duplicate: float | None = 0.95
    diversity: float = 0.0
    blend: float | None = None  # None: no reranker


DEFAULT = "default: hybrid, score, k 50, near-duplicates .95"


def variants(*, rerank: bool = False) -> dict[str, Variant]:
    """Name → settings, each of which changes one thing of the default, which comes first."""
    made = {
        DEFAULT: Variant(),
        "dense alone": Variant(mode="dense"),
        "lexical alone": Variant(mode="lexical"),
        "fusion rrf": Variant(fusion="rrf"),
    }
    made |= {f"k {k}": Variant(k=k) for k in (20, 100, 200)}
    expansions: tuple[Expansion, ...] = ("prf", "keywords")
    for expand in expansions:
        for weight in (1.0, 2.0, 4.0):
            name = f"expand {expand}, original_weight {weight:g}"
            made[name] = Variant(expand=expand, original_weight=weight)
    made["no folding of near-duplicates"] = Variant(near_duplicate=None)
    made |= {f"near-duplicates {at:g}": Variant(near_duplicate=at) for at in (0.8, 0.6, 0.4)}
    made |= {f"diversity (MMR) {much:g}": Variant(diversity=much) for much in (0.1, 0.3, 0.5)}
    if rerank:
        made |= {f"reranked, blend {blend:g}": Variant(blend=blend) for blend in (0.0, 0.3, 0.6)}
    return made


@dataclass
class Question:
    """One question's lists, each search made once, and milliseconds by step."""

    text: str
    lists: dict[tuple[str, int], Lists] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)


class Measured:
    """The stages over one index, each timed."""

    def __init__(self, composition: Composition, reranker: Any = None) -> None:
        self._embedder = composition.embedder
        self._store = composition.store_of(composition.active_generation())
        self._reranker = reranker

    def asked(self, text: str) -> Question:
        """The question with every list that some variant starts from."""
        question = Question(text)
        for k in (50, 20, 100, 200):
            self._search(question, "none", text, k)
        expansions: tuple[Expansion, ...] = ("prf", "keywords")
        for expand in expansions:
            first = question.lists["none", 50]
            with _timed(question.took, f"words {expand}"):
                version = expanded(text, first, expand)
            if version is None:
                question.lists[expand, 50] = []
            else:
                self._search(question, expand, version, 50, first=1)
        return question

    def _search(self, question: Question, expand: str, text: str, k: int, *, first: int = 0) -> None:
        with _timed(question.took, f"embed {expand} {k}"):
            vectors = self._embedder.embed_queries([text])
        found: Lists = []
        for mode in ("dense", "lexical"):
            with _timed(question.took, f"{mode} {expand} {k}"):
                found += query(
                    [text],
                    _Known(vectors),
                    self._store,
                    k=k,
                    mode=cast(Mode, mode),
                    first=first,
                    numbered=True,
                )
        question.lists[expand, k] = found

    def hits(self, question: Question, one: Variant) -> tuple[list[Hit], float]:
        """One list, best first, and the milliseconds that the question took."""
        parts = {"dense": ["embed", "dense"], "lexical": ["lexical"]}.get(
            one.mode, ["embed", "dense", "lexical"]
        )
        took = sum(question.took[f"{part} none {one.k}"] for part in parts)
        lists = _of_mode(question.lists["none", one.k], one.mode)
        if one.expand != "none":
            lists = [*lists, *_of_mode(question.lists[one.expand, one.k], one.mode)]
            steps = [f"words {one.expand}", *(f"{part} {one.expand} {one.k}" for part in parts)]
            took += sum(question.took.get(step, 0.0) for step in steps)
        own: dict[str, float] = {}
        with _timed(own, "own"):
            found = dedupe(
                lists,
                fusion=one.fusion,
                original_weight=one.original_weight,
                near_duplicate=one.near_duplicate,
                near_within=50 if one.blend is not None else 3 * TOP,
            )
            if one.diversity:
                first = diversify(found, count=TOP, diversity=one.diversity)
                found = [*first, *(hit for hit in found if hit not in first)]
            if one.blend is not None:
                read = rerank(question.text, found, self._reranker, candidates=50, blend=one.blend)
                found = [*read, *found[50:]]
        return found, took + own["own"]


class _Known:
    """Gives the vectors of a question that was embedded already."""

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors

    def embed_queries(self, questions: Sequence[str]) -> Any:
        return self._vectors


class _timed:  # noqa: N801 - used as a function
    """Adds the milliseconds inside under that name."""

    def __init__(self, into: dict[str, float], name: str) -> None:
        self._into, self._name = into, name

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._into[self._name] = (time.perf_counter() - self._begun) * 1000


def _of_mode(lists: Lists, mode: Mode) -> Lists:
    if not lists or mode == "hybrid":
        return lists
    return [lists[0] if mode == "dense" else lists[1]]


def judged_set(data: Path, name: str) -> JudgedSet:
    """The questions of a set; those about Airflow name pages, which have the grade 1."""
    if name != AIRFLOW:
        return read_set(data, name)
    lines = [json.loads(line) for line in AIRFLOW_QUESTIONS.read_text(encoding="utf-8").splitlines()]
    questions = {str(number): one["question"] for number, one in enumerate(lines)}
    judged = {str(number): dict.fromkeys(one["documents"], 1) for number, one in enumerate(lines)}
    return JudgedSet(name, questions, judged)


def spec_of(data: Path, work: Path, name: str) -> Path:
    """Writes the spec with which a set is ingested."""
    content: dict[str, Any] = {"name": name}
    if name == AIRFLOW:
        pages = work / "airflow-pages"
        if not pages.exists():
            with tarfile.open(data / "docs-airflow" / "airflow-docs-rst.tar.xz") as archive:
                archive.extractall(pages, filter="data")
        content["sources"] = [{"type": "directory", "path": str(pages), "include": ["**/*.rst", "**/*.md"]}]
    else:
        corpus = (data / name / "corpus.jsonl.gz").resolve()
        content["sources"] = [{"type": "jsonl", "path": str(corpus), "name": "corpus"}]
        content["chunk"] = {"language": SETS[name][1]}
    path = work / f"{name}.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def documents(hits: Sequence[Hit]) -> list[str]:
    """Pages, or the records' ids, each at its best passage's place."""
    return list(dict.fromkeys(hit.document.partition("#")[2] or hit.document for hit in hits))


def results(
    measured: Measured, judged: JudgedSet, chosen: dict[str, Variant]
) -> Iterator[tuple[str, list[float]]]:
    """Of each question and variant: its name, nDCG@10, Recall@100, milliseconds, and passages folded."""
    for identity, text in judged.questions.items():
        question = measured.asked(text)
        grades = judged.judged[identity]
        for name, variant in chosen.items():
            hits, took = measured.hits(question, variant)
            found = documents(hits)
            folded = sum(len(hit.duplicates) for hit in hits[:TOP])
            yield name, [ndcg(found, grades), recall(found, grades), took, folded]


def measure(data: Path, work: Path, name: str, reranker: Any) -> None:
    judged = judged_set(data, name)
    loaded = load_spec(spec_of(data, work, name))
    report = ingest(loaded)
    print(f"{name}: {report.counts.listed:,} documents, {report.seconds:.0f} s to ingest", flush=True)
    chosen = variants(rerank=reranker is not None)
    rows: dict[str, list[list[float]]] = {variant: [] for variant in chosen}
    with Composition(loaded) as composition:
        measured = Measured(composition, reranker)
        measured.asked("What is this?")  # the model and the connection are ready
        for variant, values in results(measured, judged, chosen):
            rows[variant].append(values)
    _print(name, {variant: np.array(values) for variant, values in rows.items()})


def _print(name: str, rows: dict[str, np.ndarray]) -> None:
    default = rows[DEFAULT]
    print(f"\n### {name}: {len(default):,} questions\n")
    print("| variant | nDCG@10 | Recall@100 | ms | folded | nDCG@10 beyond the default | Recall@100 beyond |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for variant, values in rows.items():
        beyond = (
            "– | –"
            if variant == DEFAULT
            else " | ".join(_beyond(values[:, n], default[:, n]) for n in (0, 1))
        )
        means = values.mean(axis=0)
        took = float(np.median(values[:, 2]))
        print(f"| {variant} | {means[0]:.4f} | {means[1]:.4f} | {took:.1f} | {means[3]:.2f} | {beyond} |")
    print(flush=True)


def _beyond(values: np.ndarray, default: np.ndarray) -> str:
    difference = values - default
    low, high = interval(difference)
    return f"{difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, help="keeps the indexes there, for another run")
    parser.add_argument(
        "--sets", nargs="+", choices=[*SETS, AIRFLOW], default=["scifact", "xquad-en", AIRFLOW]
    )
    parser.add_argument(
        "--reranker", metavar="MODEL", help="a cross-encoder: a folder, a package, or on the hub"
    )
    wanted = parser.parse_args()
    make: Callable[..., Any] = adapter_class("reranker", "local")
    reranker = make(model=wanted.reranker) if wanted.reranker else None
    with tempfile.TemporaryDirectory() as temporary:
        work = (wanted.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        for name in wanted.sets:
            measure(wanted.data, work, name, reranker)


if __name__ == "__main__":
    main()
