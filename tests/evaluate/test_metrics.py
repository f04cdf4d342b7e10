"""Metrics, beside their definitions written out."""

from __future__ import annotations

import math
import random

import pytest

from ragctl.errors import UsageError
from ragctl.evaluate.metrics import DEFAULTS, Grades, Ranking, checked_metrics, depth_of, per_question


def written_out(name: str, found: list[str], grades: dict[str, int]) -> float:
    """The definitions, as textbooks have them, for one question."""
    kind, depth = name.split("@")
    k = int(depth)
    gains = [grades.get(one, 0) for one in found[:k]]
    relevant = [one for one, grade in grades.items() if grade > 0]
    hits = [gain > 0 for gain in gains]
    if kind == "ndcg":
        ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
        best = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ideal))
        return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains)) / best if best else 0.0
    if kind == "recall":
        return sum(hits) / len(relevant) if relevant else 0.0
    if kind == "precision":
        return sum(hits) / k
    if kind == "hit":
        return float(any(hits))
    if kind == "mrr":
        return next((1 / (rank + 1) for rank, hit in enumerate(hits) if hit), 0.0)
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
    return sum(precisions) / len(relevant) if relevant else 0.0


def made_up(seed: int) -> tuple[Ranking, Grades]:
    draw = random.Random(seed)
    documents = [f"docs/{n}.md" for n in range(200)]
    ranking = {f"q{n}": draw.sample(documents, draw.choice([0, 1, 5, 50, 150])) for n in range(60)}
    grades = {
        f"q{n}": {one: draw.choice([0, 1, 1, 2]) for one in draw.sample(documents, draw.randint(1, 12))}
        for n in range(60)
    }
    return ranking, grades


@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_what_their_definitions_say(seed: int) -> None:
    ranking, grades = made_up(seed)
    names = (*DEFAULTS, "ndcg@100", "recall@5", "precision@1", "mrr@3", "hit@1", "map@10")
    values = per_question(names, ranking, grades)
    assert set(values) == set(grades)
    for question, judged in grades.items():
        for name in names:
            wanted = written_out(name, list(ranking[question]), dict(judged))
            assert values[question][name] == pytest.approx(wanted, abs=1e-6), (question, name)


def test_a_question_with_nothing_found_counts_as_nothing() -> None:
    values = per_question(("ndcg@10", "mrr@10"), {"a": ["x"]}, {"a": {"x": 1}, "b": {"x": 1}})
    assert values == {"a": {"ndcg@10": 1.0, "mrr@10": 1.0}, "b": {"ndcg@10": 0.0, "mrr@10": 0.0}}


def test_names_of_metrics_are_checked() -> None:
    assert checked_metrics(["ndcg@10", "ndcg@10", "recall@5"]) == ("ndcg@10", "recall@5")
    assert depth_of(["ndcg@10", "recall@100"]) == 100
    for wrong in ("ndcg", "ndgc@10", "ndcg@0", "ndcg@-1", "recall@10.5"):
        with pytest.raises(UsageError, match="no metric"):
            checked_metrics([wrong])
