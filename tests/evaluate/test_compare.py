"""Paired comparisons, their correction, and the Pareto front."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ragctl.errors import UsageError
from ragctl.evaluate.compare import compare, holm
from ragctl.evaluate.intervals import mean_interval
from ragctl.evaluate.pareto import pareto


def result(name: str, values: dict[str, float], **more: Any) -> dict[str, Any]:
    questions = [
        {"id": key, "question": f"what is {key}?", "metrics": {"ndcg@10": value}}
        for key, value in values.items()
    ]
    mean = sum(values.values()) / len(values)
    return {
        "name": name,
        "run": f"run-{name}",
        "metrics": {"ndcg@10": {"mean": mean}},
        "per_question": questions,
    } | more


def test_an_interval_holds_the_mean_and_narrows_with_more_questions() -> None:
    draw = random.Random(3)
    few = mean_interval([draw.random() for _ in range(30)])
    many = mean_interval([draw.random() for _ in range(3000)])
    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    # For so many uniform values the interval is that of the normal distribution.
    assert many.high - many.mean == pytest.approx(1.96 * (1 / 12 / 3000) ** 0.5, rel=0.05)


def test_equal_values_have_no_width_and_none_at_all_are_refused() -> None:
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5, 2)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])


def test_differences_are_paired_by_question() -> None:
    base = result("base", {"a": 0.0, "b": 1.0, "c": 0.5, "only here": 1.0})
    other = result("other", {"c": 0.5, "b": 0.5, "a": 1.0, "d": 0.0})
    (found,) = compare([base, other], "ndcg@10").differences
    assert found.interval.mean == pytest.approx(1 / 6)
    assert (found.interval.n, found.unchanged) == (3, 1)
    assert [(one.id, one.before, one.after) for one in found.better] == [("a", 0.0, 1.0)]
    assert [(one.id, one.by) for one in found.worse] == [("b", -0.5)]
    assert found.better[0].question == "what is a?"


def test_p_is_that_of_a_paired_t_test() -> None:
    from scipy.stats import ttest_rel

    draw = random.Random(1)
    before = {str(n): draw.random() for n in range(50)}
    after = {key: value + draw.gauss(0.02, 0.1) for key, value in before.items()}
    (found,) = compare([result("a", before), result("b", after)], "ndcg@10").differences
    wanted = ttest_rel([after[key] for key in before], list(before.values())).pvalue
    assert found.p == pytest.approx(wanted, rel=1e-9)
    assert found.p_corrected == found.p


def test_equal_results_differ_in_nothing() -> None:
    same = {"a": 0.25, "b": 1.0}
    (found,) = compare([result("a", same), result("b", same)], "ndcg@10").differences
    assert (found.p, found.interval.mean, found.better, found.worse) == (1.0, 0.0, (), ())


def test_holm_corrects_the_smallest_most() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(UsageError, match="share no question"):
        compare([result("a", {"q1": 1.0}), result("b", {"q2": 1.0})], "ndcg@10")
    with pytest.raises(UsageError, match="no metric 'mrr'") as told:
        compare([result("a", {"q1": 1.0}), result("b", {"q1": 1.0})], "mrr")
    assert told.value.hint == "it has: ndcg@10"


def test_the_front_has_those_that_none_beats() -> None:
    def one(quality: float, cost: float | None, p95: float) -> dict[str, Any]:
        return result("x", {"q": quality}, cost_usd_per_question=cost, latency_ms={"p95": p95})

    front = pareto(
        [one(0.9, 1.0, 10), one(0.8, 0.1, 10), one(0.8, 0.1, 20), one(0.95, None, 5)], quality="ndcg@10"
    )
    assert front == [True, True, False, True]
    assert pareto([one(0.5, 1, 1), one(0.5, 1, 1)], quality="ndcg@10") == [True, True]
