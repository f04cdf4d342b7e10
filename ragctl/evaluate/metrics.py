"""Metrics of retrieval, by the library that computes them as TREC's own program does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ragctl.errors import MissingPackage, UsageError

Ranking = Mapping[str, Sequence[str]]
"""For each question, what was found, best first, nothing twice."""
Grades = Mapping[str, Mapping[str, int]]
"""For each question, what is relevant and how much, from 0 (not at all)."""

DEFAULTS = ("ndcg@10", "recall@100", "mrr@10", "map@100", "hit@10", "precision@10")

_FORM = re.compile(r"([a-z]+)@([1-9][0-9]{0,3})")
_MEASURES = {"ndcg": "nDCG", "recall": "R", "mrr": "RR", "map": "AP", "hit": "Success", "precision": "P"}


def checked_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if each is a metric of retrieval.

    Raises:
        UsageError: one is not of the form `ndcg@10`, or names no metric.
    """
    for name in names:
        found = _FORM.fullmatch(name)
        if found is None or found[1] not in _MEASURES:
            raise UsageError(
                f"there is no metric {name!r}",
                hint=f"one of {', '.join(_MEASURES)}, with its depth: ndcg@10, recall@100",
            )
    return tuple(dict.fromkeys(names))


def depth_of(names: Sequence[str]) -> int:
    """How many results a question needs for all of these metrics."""
    return max(int(name.partition("@")[2]) for name in names)


def per_question(names: Sequence[str], ranking: Ranking, grades: Grades) -> dict[str, dict[str, float]]:
    """For each question that is judged, each metric, from 0 to 1.

    Definitions: trec_eval's (nDCG with the grade itself as gain; MRR, MAP and hit rate up to their depth).
    A question for which nothing was found, or nothing is relevant, counts as 0.

    Args:
        names: see `checked_metrics`.

    Raises:
        MissingPackage: the library is not installed.
    """
    wanted = {name: _measure(name) for name in names}
    named = {str(measure): name for name, measure in wanted.items()}
    scores = {
        question: {document: float(len(found) - rank) for rank, document in enumerate(found)}
        for question, found in ranking.items()
    }
    values = {question: dict.fromkeys(names, 0.0) for question in grades}
    judged = {question: dict(found) for question, found in grades.items() if found}
    if judged:
        library = _library()
        for one in library.iter_calc(list(wanted.values()), judged, scores):
            values[one.query_id][named[str(one.measure)]] = float(one.value)
    return values


def _measure(name: str) -> Any:
    kind, _, depth = name.partition("@")
    return getattr(_library(), _MEASURES[kind]) @ int(depth)


def _library() -> Any:
    try:
        import ir_measures
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "metrics need the Python package 'ir_measures', which is not installed",
            hint="pip install 'ragctl[eval]'",
        ) from error
    return ir_measures
