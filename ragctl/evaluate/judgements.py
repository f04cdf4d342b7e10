"""What is known of questions: which documents or passages answer them, and what the answers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ragctl.types import Hit

Level = Literal["document", "span", "answer"]
"""What the judgements name: whole documents, passages in them, or answers alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Something that answers a question, or that was found not to.

    Attributes:
        document: its path, with or without its source (`docs/a.md`, `manual/docs/a.md`), or of a record the
            id alone; empty: wherever `quote` stands.
        grade: 0 is not relevant; more is more.
        start, end: of a passage in the document's text; None: all of it, or wherever `quote` stands.
        quote: words of the passage, white space apart; empty: not given.
    """

    document: str
    grade: int = 1
    start: int | None = None
    end: int | None = None
    quote: str = ""

    @property
    def is_passage(self) -> bool:
        return self.start is not None or bool(self.quote)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what answers it, and right answers in words."""

    id: str
    text: str
    judged: tuple[Judged, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions with their judgements.

    Attributes:
        level: `span` where a judgement names a passage; `document` where all name documents; `answer`
            where there are none.
        left_out: questions that nothing is known of, by id; they are not asked.
    """

    questions: tuple[Question, ...]
    left_out: tuple[str, ...] = ()
    level: Level = field(init=False)

    def __post_init__(self) -> None:
        judged = [one for question in self.questions for one in question.judged]
        passages = any(one.is_passage for one in judged)
        object.__setattr__(self, "level", "span" if passages else "document" if judged else "answer")


def keys_of(hit: Hit) -> tuple[str, ...]:
    """What a judgement may call the hit's document."""
    record = hit.document.rpartition("#")[2] if "#" in hit.document else ""
    return (hit.document, f"{hit.source}/{hit.document}", *([record] if record else []))


def ranked_units(question: Question, hits: Sequence[Hit]) -> tuple[list[str], dict[str, int]]:
    """What was found and what is relevant, in the units that the question's judgements name.

    A unit is a document, or a judged passage: chunks that overlap a judged passage, or hold its quote, count
    as that passage, once, however the documents are cut. Every other chunk of a document that has judged
    passages is a unit of its own that is not relevant.

    Returns:
        The units of the hits, best first, nothing twice; and each judged unit's grade.
    """
    grades: dict[str, int] = {}
    for number, one in enumerate(question.judged):
        unit = _unit(one, number)
        grades[unit] = max(one.grade, grades.get(unit, 0))
    by_document: dict[str, list[tuple[int, Judged]]] = {}
    for number, one in enumerate(question.judged):
        by_document.setdefault(one.document, []).append((number, one))
    found: dict[str, None] = {}
    for hit in hits:
        for unit in _units_of(hit, by_document):
            found.setdefault(unit)
    return list(found), grades


def is_relevant(question: Question, hit: Hit) -> bool:
    """Does the hit's unit answer the question?"""
    units, grades = ranked_units(question, [hit])
    return any(grades.get(unit, 0) > 0 for unit in units)


def _unit(judged: Judged, number: int) -> str:
    return f"passage {number} of {judged.document}" if judged.is_passage else f"document {judged.document}"


def _units_of(hit: Hit, by_document: Mapping[str, list[tuple[int, Judged]]]) -> list[str]:
    names = [key for key in (*keys_of(hit), "") if key in by_document]
    judged = [pair for name in names for pair in by_document[name]]
    units = [_unit(one, number) for number, one in judged if not one.is_passage or _covers(hit, one)]
    if units:
        return units
    if any(one.is_passage for _, one in judged):
        return [f"chunk {hit.source}/{hit.document} {hit.start}-{hit.end}"]
    return [f"document {hit.source}/{hit.document}"]


def _covers(hit: Hit, judged: Judged) -> bool:
    if judged.start is not None and judged.end is not None:
        return hit.start < judged.end and judged.start < hit.end
    return _folded(judged.quote) in _folded(hit.text)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
