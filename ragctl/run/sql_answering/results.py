"""An answer from a database as the result of a question, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragctl.run.answering.asked import AskResult
from ragctl.sql.wire import to_json
from ragctl.types import Answer

if TYPE_CHECKING:
    from ragctl.run.answering.asked import Asked
    from ragctl.sql.types import Candidate, Dialect, SqlAnswer


def ask_result(asked: Asked, answer: SqlAnswer, dialect: Dialect) -> AskResult:
    """The result, with the answer in words where there are any, and all else under `sql`."""
    result = asked.result()
    result.rephrasings = answer.versions[1:]
    text = answer.sentence or answer.reason
    if text:
        result.answer = Answer(text, _grounding(answer))
    result.notes = [
        *asked.notes,
        *({"step": "sql", "kind": "note", "message": one} for one in answer.warnings),
    ]
    result.sql = sql_json(answer, dialect)
    return result


def _grounding(answer: SqlAnswer) -> Any:
    if answer.status != "answered":
        return "none"
    return "partial" if answer.unfounded else "grounded"


def sql_json(answer: SqlAnswer, dialect: Dialect) -> dict[str, Any]:
    """What stands under `sql` in the document of a question.

    `status`: answered, unanswerable, or not_executed; `agreement`: versions of the question with this result,
    of all; `candidates`: every statement that was tried, with how many rows it gave or why it gave none.
    """
    return {
        "status": answer.status,
        "dialect": dialect,
        "statement": answer.sql,
        "columns": list(answer.columns),
        "rows": [list(row) for row in answer.rows],
        "truncated": answer.truncated,
        "agreement": {"versions": answer.agreement[0], "of": answer.agreement[1]},
        "tables": list(answer.tables),
        "reason": answer.reason,
        "unfounded": list(answer.unfounded),
        "schema": {"tables": list(answer.schema_tables), "fingerprint": answer.fingerprint},
        "candidates": [_candidate_json(one) for one in answer.candidates],
    }


def _candidate_json(one: Candidate) -> dict[str, Any]:
    result = one.result
    return {
        "statement": one.sql,
        "versions": list(one.versions),
        "tables": list(one.tables),
        "sensitive": one.sensitive,
        "rows": None if result is None else len(result.rows),
        "seconds": None if result is None else round(result.seconds, 3),
        "cost": one.cost,
        "fault": None if one.fault is None else to_json(one.fault),
        "repaired": one.repaired,
        "first_fault": None if one.first_fault is None else to_json(one.first_fault),
    }
