"""Grades of a chat model."""

from __future__ import annotations

import pytest
from stages.scripted import Scripted

from ragctl.errors import KeyRejected, ProviderError
from ragctl.stages.grade import GRADE_PLACES, Graded, grade, grade_of, scores
from ragctl.stages.prompt import Prompt
from ragctl.types import Hit, Reply

PROMPT = Prompt.parse("Grade.\n---\n$question\n$passage\n", places=GRADE_PLACES)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("7", 7.0),
        (" **8.5** ", 8.5),
        ("8,5", 8.5),
        ("10", 10.0),
        ("0", 0.0),
        ("7/10", 7.0),
        ("4 out of 5", 8.0),
        ("Grade: 6", 6.0),
        ('{"grade": 9}', 9.0),
        ("The score is 3.", 3.0),
        ("I would give it 7/10, as it is nearly all there.", 7.0),
        ("7\n\nIt says when the office opens.", 7.0),
        ("Bewertung: 4", 4.0),
        ("11", None),
        ("-3", None),
        ("80%", None),
        ("", None),
        ("five", None),
        ("between 3 and 5", None),
        ("6/10 or 8/10", None),
        ("It is open from 9 to 17 in 2024.", None),
        ("1. What are the hours?\n2. When?", None),
        ('It is open [1: "from nine"].', None),
    ],
)
def test_what_is_read_as_a_grade(reply: str, value: float | None) -> None:
    assert grade_of(reply) == value


def hits(count: int) -> list[Hit]:
    return [Hit(1.0, "docs", f"d{number}", "", "", 0, 4, f"text {number}") for number in range(count)]


def test_every_passage_is_asked_of_by_itself() -> None:
    model = Scripted("2", Reply("9", "filtered"), ProviderError("busy"), "no idea")
    graded = grade(
        "q", hits(4), model, PROMPT, each_at_once=lambda one, all_hits: [one(hit) for hit in all_hits]
    )
    assert [one.grade for one in graded] == [2.0, None, None, None]
    assert [one.failure.kind if one.failure else None for one in graded] == [None, None, "provider", None]
    assert [f"text {number}" in model.asked[number][1].content for number in range(4)] == [True] * 4


def test_a_passage_without_a_grade_gets_the_middle_one() -> None:
    assert scores([Graded(2.0), Graded(None), Graded(8.0), Graded(9.0)]) == [2.0, 8.0, 8.0, 9.0]
    assert scores([Graded(None), Graded(None)]) is None


def test_what_would_fail_each_time_is_raised() -> None:
    with pytest.raises(KeyRejected):
        grade(
            "q",
            hits(2),
            Scripted(KeyRejected("no")),
            PROMPT,
            each_at_once=lambda one, all_hits: [one(hit) for hit in all_hits],
        )
