"""Judgements outlive a change of chunking, and answers are compared as SQuAD compares them."""

from __future__ import annotations

import pytest

from ragctl.evaluate.answer_scores import exact_match, token_f1
from ragctl.evaluate.judgements import Judged, Question, QuestionSet, is_relevant, ranked_units
from ragctl.types import Hit

TEXT = "The lease is held by a run. A run that lost it can write nothing. It is renewed every ten seconds."


def hit(start: int, end: int, document: str = "docs/lease.md", source: str = "manual") -> Hit:
    return Hit(
        score=1.0,
        source=source,
        document=document,
        uri="",
        title="",
        start=start,
        end=end,
        text=TEXT[start:end],
    )


def chunks(size: int) -> list[Hit]:
    return [hit(start, min(start + size, len(TEXT))) for start in range(0, len(TEXT), size)]


@pytest.mark.parametrize("size", [10, 25, 40, 200])
def test_a_judged_passage_is_one_unit_however_the_text_is_cut(size: int) -> None:
    start = TEXT.index("A run that lost")
    question = Question("q", "?", (Judged("docs/lease.md", start=start, end=start + 38),))
    units, grades = ranked_units(question, chunks(size))
    (wanted,) = grades
    assert units.count(wanted) == 1
    others = sum(not is_relevant(question, one) for one in chunks(size))
    assert len(units) == others + 1


def test_a_quote_is_found_whatever_its_white_space_and_document() -> None:
    question = Question("q", "?", (Judged("", quote="lost  it can\nWRITE nothing"),))
    assert is_relevant(question, hit(0, len(TEXT), "elsewhere.md"))
    assert not is_relevant(question, hit(0, 20))


@pytest.mark.parametrize("name", ["docs/lease.md", "manual/docs/lease.md"])
def test_a_document_is_named_with_or_without_its_source(name: str) -> None:
    question = Question("q", "?", (Judged(name, grade=2),))
    units, grades = ranked_units(question, [hit(0, 5, "other.md"), *chunks(25)])
    assert units == ["document manual/other.md", f"document {name}"]
    assert grades == {f"document {name}": 2}


def test_a_record_is_named_by_its_id_alone() -> None:
    question = Question("q", "?", (Judged("4983"),))
    assert is_relevant(question, hit(0, 5, "corpus.jsonl#4983"))
    assert not is_relevant(question, hit(0, 5, "corpus.jsonl#14983"))


def test_what_was_found_not_to_answer_is_not_relevant() -> None:
    assert not is_relevant(Question("q", "?", (Judged("docs/lease.md", grade=0),)), hit(0, 5))


def test_the_level_is_the_finest_that_is_judged() -> None:
    document, passage = Judged("a"), Judged("a", start=0, end=3)
    assert QuestionSet((Question("1", "?", (document,)),)).level == "document"
    assert QuestionSet((Question("1", "?", (document,)), Question("2", "?", (passage,)))).level == "span"
    assert QuestionSet((Question("1", "?", answers=("yes",)),)).level == "answer"


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("The Denver Broncos [1].", ["Denver Broncos"], 1.0, 1.0),
        ("Denver", ["Denver Broncos"], 0.0, 2 / 3),
        ("a cat", ["the dog", "cats"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("something", [], 0.0, 0.0),
        ("丹佛野马队", ["丹佛野马"], 0.0, 8 / 9),
    ],
)
def test_answers_are_compared_word_by_word(answer: str, right: list[str], exact: float, f1: float) -> None:
    assert exact_match(answer, right) == exact
    assert token_f1(answer, right) == pytest.approx(f1)
