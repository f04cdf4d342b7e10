"""Execution accuracy on a user's own file of questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragctl.errors import UsageError
from ragctl.sql.accuracy import Accuracy, Judged, Pair, execution_accuracy, read_pairs
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import SqlAnswer

QUESTIONS = [
    {"question": "countries", "sql": "SELECT DISTINCT country FROM customer"},
    {
        "question": "names",
        "sql": ["SELECT nothing FROM customer", "SELECT name FROM customer ORDER BY id"],
        "ordered": True,
    },
    {"question": "weather", "sql": None},
    {"question": "broken", "sql": "SELECT nothing FROM customer"},
]


def pairs(tmp_path: Path) -> list[Pair]:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in QUESTIONS) + "\n\n", encoding="utf-8")
    return read_pairs(file)


def test_the_share_of_right_answers(sqlite_shop: SqliteDatabase, tmp_path: Path) -> None:
    answers = {
        "countries": "SELECT country, count(*) FROM customer GROUP BY country",  # a column more
        "names": "SELECT name FROM customer ORDER BY id DESC",  # another order
    }

    def answer(question: str) -> SqlAnswer:
        if question == "weather":
            return SqlAnswer(question, "unanswerable")
        found = sqlite_shop.run(answers[question])
        return SqlAnswer(question, "answered", columns=found.columns, rows=found.rows)

    found = execution_accuracy(pairs(tmp_path), sqlite_shop, answer, schema=sqlite_shop.schema())
    assert [one.right for one in found.judged] == [False, False, True, False]
    assert [one.with_more for one in found.judged] == [True, False, True, False]
    assert "there is no column nothing" in found.judged[3].excluded
    assert (found.accuracy, found.accuracy_with_more) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    answers["names"] = "SELECT name FROM customer ORDER BY id"
    again = execution_accuracy(pairs(tmp_path), sqlite_shop, answer, schema=sqlite_shop.schema())
    assert again.judged[1].right


def test_none_at_all() -> None:
    assert Accuracy(()).accuracy == 0
    assert Accuracy((Judged("q", True, True, excluded="why"),)).accuracy == 0


def test_csv(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text('question,sql,ordered\n"a, b",SELECT 1,yes\nc,,\n', encoding="utf-8-sig")
    assert read_pairs(file) == [Pair("a, b", ("SELECT 1",), True), Pair("c", ())]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file has no questions"),
        ("{", "the line is no JSON"),
        ("[1]", "the line is no JSON object"),
        ('{"sql": "SELECT 1"}', "it has no question"),
        ('{"question": "q", "sql": 3}', "neither a statement nor a list"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_pairs(file)
