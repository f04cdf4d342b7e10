"""What is measured of outcomes, and the gates that stand on it."""

from __future__ import annotations

import pytest

from ragctl.errors import UsageError
from ragctl.evaluate.gates import drop_verdicts, read_gate, verdicts
from ragctl.evaluate.judgements import Judged, Question
from ragctl.evaluate.result import Outcome, measured
from ragctl.types import Answer, Citation, Hit


def hit(document: str, start: int = 0) -> Hit:
    return Hit(
        score=0.5,
        source="docs",
        document=document,
        uri="",
        title="",
        start=start,
        end=start + 9,
        text="nine text",
    )


def outcome(
    name: str, *documents: str, ms: float = 10.0, cost: float | None = 0.0, answer: Answer | None = None
) -> Outcome:
    question = Question(name, f"{name}?", (Judged("right.md"),), ("Right",))
    return Outcome(question, [hit(one) for one in documents], answer, ms, cost, {})


def test_metrics_latency_and_cost_of_questions() -> None:
    found = measured(
        [
            outcome("a", "right.md", ms=5),
            outcome("b", "x.md", "right.md", ms=15, cost=0.02),
            outcome("c", ms=40),
        ],
        ["mrr@10", "hit@1"],
    )
    assert found["metrics"]["mrr@10"]["mean"] == pytest.approx(0.5)
    assert found["metrics"]["hit@1"] == {"mean": pytest.approx(1 / 3), "low": 0.0, "high": 1.0, "n": 3}
    assert found["latency_ms"] == {"p50": 15, "p95": 40}
    assert found["cost_usd_per_question"] == pytest.approx(0.02 / 3)
    assert [one["relevant"] for one in found["per_question"][1]["top"]] == [False, True]
    assert found["per_question"][2] == {
        "id": "c",
        "question": "c?",
        "ms": 40,
        "cost_usd": 0.0,
        "metrics": {"mrr@10": 0.0, "hit@1": 0.0},
        "top": [],
        "expected": ["right.md"],
    }


def test_several_chunks_of_a_document_count_once() -> None:
    found = measured([outcome("a", "x.md", "x.md", "x.md", "right.md")], ["mrr@10"])
    assert found["metrics"]["mrr@10"]["mean"] == 0.5


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    found = measured([outcome("a"), outcome("b", cost=None)], ["mrr@10"])
    assert (found["cost_usd"], found["cost_usd_per_question"]) == (None, None)


def test_answers_are_measured_where_there_are_some() -> None:
    cited = Citation(1, hit("right.md"), "nine", 0, 4)
    answers = [
        Answer("Right [1].", "grounded", (cited,), dropped=1),
        Answer("", "none"),
    ]
    found = measured([outcome(str(n), answer=one) for n, one in enumerate(answers)], ["mrr@10"])["metrics"]
    assert found["exact_match"]["mean"] == 0.5
    assert found["answered"]["mean"] == 0.5
    assert (found["citation_precision"]["mean"], found["citation_precision"]["n"]) == (0.5, 1)


def test_gates_are_met_or_not() -> None:
    result = measured([outcome("a", "right.md", ms=50)], ["mrr@10"])
    gates = [read_gate(one) for one in ("mrr@10>=0.9", "mrr@10 < 0.9", "p95_ms<=60", "recall@5>0.1")]
    assert [one.as_json() for one in verdicts(result, gates)] == [
        {"gate": "mrr@10>=0.9", "measured": 1.0, "met": True},
        {"gate": "mrr@10<0.9", "measured": 1.0, "met": False},
        {"gate": "p95_ms<=60", "measured": 50.0, "met": True},
        {"gate": "recall@5>0.1", "measured": None, "met": False},
    ]
    for wrong in ("mrr@10", "mrr@10=1", ">=1", "mrr@10>=high"):
        with pytest.raises(UsageError, match="no gate"):
            read_gate(wrong)


def test_a_drop_beyond_what_is_allowed_is_not_met() -> None:
    better = measured([outcome("a", "right.md"), outcome("b", "right.md")], ["mrr@10"])
    poorer = measured([outcome("a", "right.md"), outcome("b", "x.md", "right.md")], ["mrr@10"])
    (found,) = drop_verdicts(poorer, better, max_drop=0.2, metrics=["mrr@10"])
    assert (found.met, found.measured) == (False, pytest.approx(-0.25))
    assert drop_verdicts(poorer, better, max_drop=0.3, metrics=["mrr@10"])[0].met
    assert drop_verdicts(better, poorer, max_drop=0.0, metrics=["mrr@10"])[0].met
