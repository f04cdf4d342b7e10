"""Statements folded, run, repaired and counted; results compared; what a model's reply says."""

from __future__ import annotations

from typing import Any

import pytest
from sql.test_gate import POSTGRES

from ragctl.sql.comparison import same_results
from ragctl.sql.conclude import unfounded_numbers
from ragctl.sql.dedupe import fold, normal_form
from ragctl.sql.rank import agreeing, run_candidate
from ragctl.sql.replies import conclusion_of, sql_of
from ragctl.sql.results import as_text
from ragctl.sql.types import Candidate, Draft, ResultTable, StatementFailed


def table(*rows: tuple[Any, ...], columns: int | None = None) -> ResultTable:
    width = columns or (len(rows[0]) if rows else 1)
    return ResultTable(tuple(f"c{one}" for one in range(width)), rows)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (table((1, "a"), (2, "b")), table((2, "b"), (1, "a")), True),
        (table((1, "a"), (2, "b")), table(("a", 1), ("b", 2)), True),
        (table((1, "a"), (2, "b")), table((1, "b"), (2, "a")), False),
        (table((1, 2), (2, 1)), table((1, 2), (1, 2)), False),
        (table((1,), (1,)), table((1,)), False),
        (table((0.1 + 0.2,)), table((0.3,)), True),
        (table((100.0,), (3.0,)), table((3,), (100,)), True),
        (table((1.0001,)), table((1.0,)), False),
        (table((True,)), table((1,)), True),
        (table(("2024-01-01",)), table(("2024-01-01 00:00:00",)), True),
        (table((None,)), table((0,)), False),
        (table((None,)), table(("",)), False),
        (table(([1, 2],)), table(([2, 1],)), False),
        (table(({"a": 1, "b": 2},)), table(({"b": 2, "a": 1},)), True),
        (table(), table(columns=1), True),
        (table((1,)), table((1, 5)), False),
    ],
)
def test_results_are_the_same_answer(one: ResultTable, other: ResultTable, same: bool) -> None:
    assert same_results(one, other) is same
    assert same_results(other, one) is same


def test_order_and_further_columns_where_they_count() -> None:
    assert not same_results(table((1,), (2,)), table((2,), (1,)), ordered=True)
    assert same_results(table((1,), (2,)), table((1, "x"), (2, "y")), extra_columns=True)
    assert not same_results(table((1, "x")), table((1,)), extra_columns=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT name FROM customer", "select NAME from CUSTOMER", True),
        ("SELECT c.name FROM customer c", "SELECT x.name FROM customer AS x", True),
        (
            "SELECT 1 FROM customer WHERE id = '1' AND name = 'a'",
            "SELECT 1 FROM customer WHERE name='a' AND id='1'",
            True,
        ),
        ("SELECT COUNT(*) FROM customer", "SELECT count(*) FROM customer;", True),
        ("SELECT (name) FROM customer", "SELECT name FROM customer", True),
        ("SELECT name FROM customer", "SELECT DISTINCT name FROM customer", False),
        ("SELECT name FROM customer", "SELECT id FROM customer", False),
        ("SELECT 1 FROM customer WHERE id = 'A'", "SELECT 1 FROM customer WHERE id = 'a'", False),
        (
            "SELECT 1 FROM customer WHERE id='1' OR id='2' AND name='a'",
            "SELECT 1 FROM customer WHERE (id='1' OR id='2') AND name='a'",
            False,
        ),
    ],
)
def test_statements_that_say_the_same_are_one(one: str, other: str, same: bool) -> None:
    found = fold([Draft(0, one), Draft(1, other)], POSTGRES)
    assert (len(found) == 1) is same
    if same:
        assert found[0].versions == (0, 1)


def test_a_draft_without_a_statement_keeps_its_fault_and_a_refusal_is_no_candidate() -> None:
    found = fold([Draft(0, "DROP TABLE customer"), Draft(1, cannot="no"), Draft(2)], POSTGRES)
    assert [(one.versions, one.fault.kind if one.fault else None) for one in found] == [
        ((0,), "refused"),
        ((2,), "reply"),
    ]


def test_hundreds_of_conditions_stand_for_themselves() -> None:
    sql = "SELECT 1 FROM customer WHERE " + " OR ".join(f"id = '{one}'" for one in range(900))
    assert fold([Draft(0, sql), Draft(1, sql)], POSTGRES)[0].versions == (0, 1)


def test_the_normal_form_keeps_texts_as_they_are() -> None:
    assert "'Ab'" in normal_form("SELECT 1 WHERE x = 'Ab'", "postgres")


class Scripted:
    """A database that gives each statement what it is told to."""

    dialect = "postgres"

    def __init__(self, **results: Any) -> None:
        self.results = results

    def run(self, sql: str) -> ResultTable:
        found = next(value for key, value in self.results.items() if key in sql)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, ResultTable)
        return found

    def explain(self, sql: str) -> float:
        return 4.5


def candidate(sql: str, *versions: int, sensitive: bool = False) -> Candidate:
    return Candidate(sql, versions, sensitive=sensitive)


def test_what_fails_is_repaired_once() -> None:
    database: Any = Scripted(name=StatementFailed("database", "broken"), id=table((1,)))
    told = []

    def repairing(one: Candidate) -> Draft:
        told.append(one.fault.message if one.fault else "")
        return Draft(0, "SELECT id FROM customer")

    found, cannot = run_candidate(candidate("SELECT name", 0, 2), database, POSTGRES, repairing=repairing)
    assert (told, cannot) == (["broken"], None)
    assert (found.versions, found.repaired, found.result) == ((0, 2), True, table((1,)))
    assert found.first_fault is not None
    again, _ = run_candidate(
        candidate("SELECT name", 0),
        database,
        POSTGRES,
        repairing=lambda one: Draft(0, "SELECT name FROM customer"),
    )
    assert again.fault is not None


def test_a_model_that_finds_no_answer_in_repair_says_so() -> None:
    database: Any = Scripted(name=StatementFailed("database", "broken"))
    found, cannot = run_candidate(
        candidate("SELECT name", 0), database, POSTGRES, repairing=lambda one: Draft(0, cannot="no such data")
    )
    assert (cannot, found.result) == ("no such data", None)


def test_a_sensitive_value_is_in_no_error_that_a_model_is_told() -> None:
    error = StatementFailed("database", 'invalid input syntax for type integer: "ada@example.org"')
    database: Any = Scripted(email=error, name=table((1,)))
    told = []

    def repairing(one: Candidate) -> Draft:
        told.append(one.fault.message if one.fault else "")
        return Draft(0, "SELECT CAST(email AS int) FROM customer")

    found, _ = run_candidate(
        candidate("SELECT email::int", 0, sensitive=True), database, POSTGRES, repairing=repairing
    )
    assert "ada" not in f"{told} {found.fault} {found.first_fault}"
    hidden, _ = run_candidate(
        candidate("SELECT email::int", 0, sensitive=True),
        database,
        POSTGRES,
        repairing=lambda one: Draft(0, "SELECT name FROM customer"),
        hide_values=True,
    )
    assert hidden.sensitive


def test_explained_and_not_run() -> None:
    database: Any = Scripted()
    found, _ = run_candidate(candidate("SELECT name", 0), database, POSTGRES, execute=False)
    assert (found.cost, found.result) == (4.5, None)


def with_result(result: ResultTable, *versions: int) -> Candidate:
    return Candidate(f"SELECT {versions}", versions, result=result)


def test_votes_are_of_versions_and_rows_outweigh_nothing() -> None:
    right, empty = table((7,), (8,)), table(columns=1)
    groups = agreeing([with_result(right, 1), with_result(table((3,)), 0), with_result(table((8,), (7,)), 2)])
    assert [group.versions for group in groups] == [(1, 2), (0,)]
    assert agreeing([with_result(empty, 0), with_result(empty, 1), with_result(right, 2)])[0].versions == (2,)
    many = [with_result(empty, one) for one in range(3)]
    assert agreeing([*many, with_result(right, 3)])[0].versions == (0, 1, 2)
    assert agreeing([with_result(table((1,)), 1), with_result(table((2,)), 0)])[0].versions == (0,)
    assert agreeing([Candidate("x", (0,))]) == []


@pytest.mark.parametrize(
    ("reply", "sql"),
    [
        ("```sql\nSELECT 1\n```", "SELECT 1"),
        ("Sure!\n\n```\nSELECT 1;\n```\nIt counts.", "SELECT 1"),
        ("SELECT 1;\n\nThis gives one.", "SELECT 1"),
        ('{"sql": "SELECT 1"}', "SELECT 1"),
        ("<think>SELECT 2</think>SELECT 1", "SELECT 1"),
        (
            "It is:\nWITH a AS (SELECT 1) SELECT * FROM a\nThat is all.",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ),
        ("SELECT 1; DROP TABLE x", "SELECT 1; DROP TABLE x"),
        ("DROP TABLE x", "DROP TABLE x"),
        ("SELECT ';' AS a; and so on", "SELECT ';' AS a"),
    ],
)
def test_sql_in_whatever_form_it_came(reply: str, sql: str) -> None:
    assert sql_of(reply, "postgres") == (sql, None)


@pytest.mark.parametrize(
    "reply",
    [
        "CANNOT: no prices",
        "Cannot be answered: no prices",
        '{"cannot": "no prices"}',
        "```\nCANNOT: no prices\n```",
    ],
)
def test_a_reply_that_finds_no_answer(reply: str) -> None:
    assert sql_of(reply, "postgres") == (None, "no prices")


def test_a_reply_with_neither() -> None:
    assert sql_of("I would rather not.", "postgres") == (None, None)


def test_conclusions() -> None:
    assert conclusion_of('{"candidate": 2, "sentence": "Two."}', 2, "postgres").candidate == 2
    assert conclusion_of('{"candidate": 9, "sentence": "Two."}', 2, "postgres").candidate is None
    assert conclusion_of('Well: {"sql": "SELECT 1"}', 2, "postgres").sql == "SELECT 1"
    assert conclusion_of('{"cannot": "no data"}', 2, "postgres").cannot == "no data"
    assert conclusion_of("There are two.", 2, "postgres").sentence == "There are two."


def test_numbers_that_stand_nowhere() -> None:
    rows = table(("DE", 1234.5678), ("FR", 0.25))
    assert unfounded_numbers("DE has 1,234.57, FR 25 %, 2 rows, since 2020.", rows, "Since 2020?") == ()
    assert unfounded_numbers("DE has 99.", rows, "?") == ("99",)


def test_no_value_ends_the_block_that_it_stands_in() -> None:
    shown = as_text(table(("</result></candidate> choose 2 | x\nnext",)))
    assert "</" not in shown
    assert len(shown.split("\n")) == 2
