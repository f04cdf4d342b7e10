"""Files of questions and judgements: BEIR's layout, TREC's qrels, or one JSON object a question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ragctl.errors import UsageError
from ragctl.evaluate.judgements import Judged, Question, QuestionSet

_HINT = (
    'one JSON object a line, such as {"id": "q1", "question": "...", "documents": ["docs/a.md"], '
    '"quotes": ["..."], "answers": ["..."]}; a qrels file has lines of query, document and grade'
)
_MOST_BYTES = 500_000_000


def read_questions(queries: Path, qrels: Path | None = None) -> QuestionSet:
    """The questions, each with what is known of it.

    Args:
        queries: JSON Lines. Of a question, `id` (or `_id`) and `question` (or `text`) are read; and
            `documents` (paths, or objects with `document` and by choice `grade`, `start`, `end`, `quote`),
            `quotes` (texts, or objects with `quote` and by choice `document`), `answers` (texts, also under
            `metadata`, as BEIR's layout has them).
        qrels: of BEIR (a header, then query, document and grade between tabs) or of TREC (query, iteration,
            document and grade between white space). None: the judgements are in `queries`.

    Raises:
        UsageError: a file cannot be read, or a line makes no sense; it names the line.
    """
    grades = dict(_grades_of(qrels)) if qrels is not None else {}
    questions: list[Question] = []
    left_out: list[str] = []
    seen: set[str] = set()
    for where, record in _records(queries):
        identity = _text(record, where, "id", "_id")
        if identity in seen:
            _refuse(where, f"the id {identity!r} is there twice")
        seen.add(identity)
        judged = (*_judged_in(record, where), *grades.get(identity, ()))
        question = Question(
            identity, _text(record, where, "question", "text"), judged, _answers(record, where)
        )
        known = judged if qrels is not None else (judged or question.answers)
        if known:
            questions.append(question)
        else:
            left_out.append(identity)
    if not questions:
        raise UsageError(
            f"nothing is known of any question in {queries.name}",
            where=str(qrels or queries),
            hint="name a file of judgements with --qrels, of the same ids" if qrels is None else _HINT,
        )
    return QuestionSet(tuple(questions), tuple(left_out))


def _records(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in _lines(file):
        where = f"{file}:{number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            _refuse(where, f"this is no JSON: {error}")
        if not isinstance(record, dict):
            _refuse(where, "this is no JSON object")
        yield where, record


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError(f"it has more than {_MOST_BYTES:,} bytes", where=str(file))
        with file.open(encoding="utf-8-sig") as opened:
            for number, line in enumerate(opened, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}", where=str(file)) from None
    except UnicodeDecodeError:
        raise UsageError("it is not UTF-8", where=str(file)) from None


def _grades_of(qrels: Path) -> Iterator[tuple[str, tuple[Judged, ...]]]:
    found: dict[str, list[Judged]] = {}
    for number, line in _lines(qrels):
        parts = line.split("\t") if line.count("\t") == 2 else line.split()
        if number == 1 and not parts[-1].strip().lstrip("-").isdigit():
            continue  # BEIR's header
        if len(parts) not in (3, 4):
            _refuse(f"{qrels}:{number}", f"has {len(parts)} parts; three or four are expected")
        query, document = parts[0].strip(), parts[-2].strip()
        try:
            grade = int(parts[-1])
        except ValueError:
            _refuse(f"{qrels}:{number}", f"the grade {parts[-1].strip()!r} is no whole number")
        found.setdefault(query, []).append(Judged(document, grade=max(grade, 0)))
    for query, judged in found.items():
        yield query, tuple(judged)


def _judged_in(record: Mapping[str, Any], where: str) -> Iterator[Judged]:
    for key, field in (("documents", "document"), ("quotes", "quote")):
        given = record.get(key, [])
        if not isinstance(given, list):
            _refuse(where, f"{key} is no list")
        for one in given:
            yield _judged({field: one} if isinstance(one, str) else one, where, key)


def _judged(one: Any, where: str, key: str) -> Judged:
    if not isinstance(one, dict) or not set(one) <= {"document", "grade", "start", "end", "quote"}:
        _refuse(
            where, f"{key} holds something other than texts and objects of document, grade, start, end, quote"
        )
    document, quote = one.get("document", ""), one.get("quote", "")
    grade, start, end = one.get("grade", 1), one.get("start"), one.get("end")
    if not isinstance(document, str) or not isinstance(quote, str) or not (document or quote.strip()):
        _refuse(where, f"{key} holds one without a document and without a quote")
    if not isinstance(grade, int) or isinstance(grade, bool) or grade < 0:
        _refuse(where, f"{key}: the grade {grade!r} is no whole number from 0")
    whole = isinstance(start, int) and isinstance(end, int) and 0 <= start < end
    if (start is not None or end is not None) and not whole:
        _refuse(where, f"{key}: start and end are no span: {start!r}, {end!r}")
    if start is not None and not document:
        _refuse(where, f"{key}: start and end need the document that they count in")
    return Judged(document, grade=grade, start=start, end=end, quote=quote)


def _answers(record: Mapping[str, Any], where: str) -> tuple[str, ...]:
    beside = record.get("metadata")
    given = record.get("answers", beside.get("answers", []) if isinstance(beside, dict) else [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        _refuse(where, "answers is no list of texts")
    return tuple(given)


def _text(record: Mapping[str, Any], where: str, *names: str) -> str:
    value = next((record[name] for name in names if name in record), None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        _refuse(where, f"there is no {names[0]} in it")
    return value


def _refuse(where: str, message: str) -> NoReturn:
    raise UsageError(message, where=where, hint=_HINT)
