"""Execution accuracy: how many questions get the rows that their own, right statement gives."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragctl.errors import UsageError
from ragctl.sql.comparison import same_results
from ragctl.sql.database import Database
from ragctl.sql.gate import pass_gate
from ragctl.sql.types import ResultTable, Schema, SqlAnswer, StatementFailed


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with its right statements.

    Attributes:
        gold: statements any of which is right; none if the database does not hold the answer.
        ordered: the rows' order counts.
        id: its name; empty if it has none.
    """

    question: str
    gold: tuple[str, ...]
    ordered: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a question.

    Attributes:
        right: the rows are those of a right statement; of a question without one, that it said so.
        with_more: the same if further columns are let pass.
        excluded: why nothing can be said of it: none of its own statements can be run.
    """

    question: str
    right: bool
    with_more: bool
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares are of those that were not excluded; 0 where none is left."""

    judged: tuple[Judged, ...]

    @property
    def counted(self) -> tuple[Judged, ...]:
        return tuple(one for one in self.judged if not one.excluded)

    @property
    def accuracy(self) -> float:
        """The share with the very rows and columns."""
        return sum(one.right for one in self.counted) / max(len(self.counted), 1)

    @property
    def accuracy_with_more(self) -> float:
        """The share with all columns and rows that were asked for, and maybe further columns."""
        return sum(one.with_more for one in self.counted) / max(len(self.counted), 1)


def execution_accuracy(
    pairs: Iterable[Pair], database: Database, answer: Callable[[str], SqlAnswer], *, schema: Schema
) -> Accuracy:
    """Asks every question, and runs its right statements to compare.

    Right statements go through the gate as any other.

    Args:
        answer: such as `assistant.answer_question` with all but the question given.
    """
    return Accuracy(tuple(_judged(pair, database, answer, schema) for pair in pairs))


def _judged(pair: Pair, database: Database, answer: Callable[[str], SqlAnswer], schema: Schema) -> Judged:
    if not pair.gold:
        return judge_question(pair, answer(pair.question), ())
    gold, faults = gold_results(pair.gold, database, schema)
    if not gold:
        return Judged(pair.question, False, False, excluded=faults[0])
    return judge_question(pair, answer(pair.question), gold)


def judge_question(pair: Pair, answer: SqlAnswer, right: Sequence[ResultTable]) -> Judged:
    """An answer beside the right results; where there are none, it is right to say that none is there."""
    if not right:
        said = answer.status == "unanswerable"
        return Judged(pair.question, said, said)
    if answer.status != "answered":
        return Judged(pair.question, False, False)
    given = ResultTable(answer.columns, answer.rows, answer.truncated)
    return Judged(
        pair.question,
        any(same_results(one, given, ordered=pair.ordered) for one in right),
        any(same_results(one, given, ordered=pair.ordered, extra_columns=True) for one in right),
    )


def gold_results(
    statements: Sequence[str], database: Database, schema: Schema
) -> tuple[list[ResultTable], list[str]]:
    """Results of those that can be run, and why the others cannot."""
    results, faults = [], []
    for sql in statements:
        try:
            results.append(database.run(pass_gate(sql, schema).sql))
        except StatementFailed as error:
            faults.append(error.fault.message)
    return results, faults


def read_pairs(path: Path) -> list[Pair]:
    """A user's own questions: JSON lines or CSV with `question`, `sql` and maybe `ordered` and `id`.

    In JSON, `sql` is a statement, a list of statements any of which is right, or null for a question that the
    database cannot answer; in CSV one statement, or nothing. `ordered`: true, or 1, yes, true in CSV.

    Raises:
        UsageError: it cannot be read, a line is none of these, or two have the same id.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the file of questions cannot be read: {error}", where=str(path)) from error
    rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    pairs = [_pair(row, f"{path}:{line}") for line, row in rows]
    if not pairs:
        raise UsageError("the file has no questions", where=str(path))
    twice = [name for name, count in Counter(one.id for one in pairs if one.id).items() if count > 1]
    if twice:
        raise UsageError(f"several questions have the id {twice[0]!r}", where=str(path))
    return pairs


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text.splitlines(keepends=True))
    for row in reader:
        ordered = str(row.get("ordered") or "").strip().lower() in ("1", "yes", "true")
        yield reader.line_num, {**row, "ordered": ordered}


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, one in enumerate(text.splitlines(), start=1):
        if not one.strip():
            continue
        try:
            row = json.loads(one)
        except ValueError as error:
            raise UsageError(f"the line is no JSON: {error}", where=f"{path}:{line}") from error
        if not isinstance(row, dict):
            raise UsageError("the line is no JSON object", where=f"{path}:{line}")
        yield line, row


def _pair(row: Mapping[str, Any], where: str) -> Pair:
    question, gold = row.get("question"), row.get("sql")
    if not isinstance(question, str) or not question.strip():
        raise UsageError("it has no question", where=where, hint='{"question": "...", "sql": "SELECT ..."}')
    identity = str(row.get("id") or "")
    if gold is None or gold == "":
        return Pair(question, (), id=identity)
    statements = [gold] if isinstance(gold, str) else gold
    if not isinstance(statements, list) or not all(isinstance(one, str) and one for one in statements):
        raise UsageError("its sql is neither a statement nor a list of statements", where=where)
    return Pair(question, tuple(statements), row.get("ordered") is True, identity)
