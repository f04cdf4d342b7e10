"""`ragctl eval` with `ask.type: sql`: execution accuracy, over real HTTP to a scripted model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sql.shop_spec import Shop
from sql.sql_script import SqlScript, block

from model_server import ModelServer

COUNTRIES = "SELECT country, count(*) FROM customer GROUP BY country"
ROWS: list[dict[str, Any]] = [
    {"id": "right", "question": "Customers by country?", "sql": COUNTRIES},
    {"id": "more", "question": "Countries?", "sql": "SELECT DISTINCT country FROM customer"},
    {
        "id": "wrong",
        "question": "How many customers?",
        "sql": ["SELECT nothing", "SELECT count(*) FROM customer"],
    },
    {"id": "none", "question": "What is the weather?", "sql": None},
    {"id": "stuck", "question": "Which orders are late?", "sql": "SELECT id FROM orders"},
    {"id": "broken", "question": "Who left?", "sql": "SELECT name FROM leavers"},
]


def replied(user: str) -> str:
    if "weather" in user:
        return "CANNOT: it holds no weather"
    if "late" in user:
        return block("SELECT no_such_column FROM customer")
    return block("SELECT 7" if "How many" in user else COUNTRIES)


@pytest.fixture
def questions(shop: Shop) -> Path:
    file = shop.base / f"{shop.name}.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    return file


@pytest.fixture
def asking(shop: Shop) -> Any:
    script = SqlScript(sql=replied, repair=replied("late"))
    with ModelServer(replies=script) as server:
        shop.asks(server, answer={"provider": "none"}, rephrase={"provider": "none"})
        yield script


@pytest.mark.parametrize("parallel", ["1", "3"])
def test_rows_are_compared_with_those_of_the_questions_own_statements(
    shop: Shop, questions: Path, asking: SqlScript, parallel: str
) -> None:
    called = shop.call(
        "--queries", str(questions), "--parallel", parallel, "--format", "json", command="eval"
    )
    assert called.code == 0, called.err
    found = called.json
    by_id = {one["id"]: one for one in found["per_question"]}
    assert list(by_id) == ["right", "more", "wrong", "none", "stuck"]
    assert {name: one["metrics"]["execution_accuracy"] for name, one in by_id.items()} == {
        "right": 1, "more": 0, "wrong": 0, "none": 1, "stuck": 0,
    }  # fmt: skip
    assert by_id["more"]["metrics"]["execution_accuracy_with_more"] == 1
    assert next(iter(found["metrics"])) == "execution_accuracy"
    assert found["metrics"]["execution_accuracy"]["mean"] == pytest.approx(0.4)
    assert found["metrics"]["execution_accuracy_with_more"]["mean"] == pytest.approx(0.6)
    (excluded,) = found["excluded"]
    assert (excluded["id"], found["judgements"]["left_out"]) == ("broken", 1)
    assert "leavers" in excluded["message"]
    assert not [one for one in asking.asked if "Who left?" in str(one)]
    assert found["failures"] == []
    assert by_id["right"]["statement"].startswith("SELECT")
    assert by_id["wrong"]["expected"] == ROWS[2]["sql"]
    assert found["cost_usd"] > 0
    assert len(found["provenance"]["schema"]) == 64


def test_a_gate_a_baseline_and_what_is_kept(shop: Shop, questions: Path, asking: SqlScript) -> None:
    people = shop.call("--queries", str(questions), "--gate", "execution_accuracy>=0.9", command="eval")
    assert people.code == 7, people.err
    assert "execution_accuracy " in people.out
    assert "NOT MET: execution_accuracy>=0.9 (0.4000)" in people.out
    assert "not asked: broken: its own statement fails:" in people.out
    held = shop.call("--queries", str(questions), "--baseline", "last", "--max-drop", "0.01", command="eval")
    assert held.code == 0, held.err
    compared = shop.call("compare", "last", "last", command="runs")
    assert compared.code == 0, compared.err
    assert "execution_accuracy" in compared.out
    page = shop.base / f"{shop.name}.html"
    reported = shop.call("last", "-o", str(page), command="report")
    assert reported.code == 0, reported.err
    assert "execution_accuracy" in page.read_text(encoding="utf-8")


def test_a_question_that_the_provider_refuses_is_a_failure(shop: Shop, questions: Path) -> None:
    questions.write_text(
        "".join(f"{json.dumps({**row, 'question': row['question'] + ' REJECT-ME'})}\n" for row in ROWS[:1])
        + f"{json.dumps(ROWS[3])}\n",
        encoding="utf-8",
    )
    with ModelServer(replies=SqlScript(sql=replied)) as server:
        shop.asks(server, answer={"provider": "none"}, rephrase={"provider": "none"})
        called = shop.call("--queries", str(questions), "--format", "json", command="eval")
    assert called.code == 3, called.out
    (failure,) = called.json["failures"]
    assert failure["id"] == "right"
    assert called.json["metrics"]["execution_accuracy"]["mean"] == 0.5


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "told"),
    [
        ([ROWS[5]], [], 2, "none of the questions' own statements can be run"),
        ([ROWS[0], ROWS[0]], [], 2, "several questions have the id 'right'"),
        ([{"sql": "SELECT 1"}], [], 2, "it has no question"),
        (ROWS, ["--metric", "ndcg@10"], 2, "--metric is for documents"),
        (ROWS, ["--qrels", "x.tsv"], 2, "--qrels is for documents"),
    ],
)
def test_mistakes_are_told(
    shop: Shop, questions: Path, asking: SqlScript,
    rows: list[dict[str, Any]], arguments: list[str], code: int, told: str,
) -> None:  # fmt: skip
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    called = shop.call("--queries", str(questions), *arguments, command="eval")
    assert (called.code, called.out) == (code, ""), called.out
    assert told in called.err
    assert asking.asked == []
