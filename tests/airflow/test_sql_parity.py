"""Command line and DAG give the same SQL, rows and sentence."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_runs import RunOutcome
from sql.shop import fill_sqlite
from sql.sql_script import SqlScript, block, chat

from model_server import ModelServer
from workspace import call

if TYPE_CHECKING:
    from airflow.sdk import DAG

pytest.importorskip("openai", reason="the environment with Airflow has no openai")
pytest.importorskip("sqlglot", reason="the environment with Airflow has no sqlglot")

QUESTION = "How many customers has each country?"


def _sql(user: str) -> str:
    if "Buyers" in user:  # repaired: there is no such table
        return block("SELECT country, count(*) FROM customers GROUP BY country")
    if "clients" in user:
        return block("SELECT c.country, count(*) AS n FROM customer AS c GROUP BY c.country")
    return block("SELECT country, count(*) AS n FROM customer GROUP BY country")


SCRIPT: dict[str, Any] = {
    "rephrase": "1. Buyers by country?\n2. The number of clients for each country?",
    "sql": _sql,
    "repair": block("SELECT country, count(id) FROM customer GROUP BY country"),
    "conclude": json.dumps({"candidate": 1, "sentence": "Each of the 5 countries has 1 customer."}),
}


def same(document: Any) -> Any:
    """Without times; of what was used, how often models were asked."""
    counts = {stage: one["requests"] for stage, one in document["usage"]["stages"].items()}
    candidates = [{**one, "seconds": None} for one in document["sql"]["candidates"]]
    sql = {**document["sql"], "candidates": candidates}
    return {**document, "timings": None, "usage": counts, "sql": sql}


@pytest.mark.parametrize("layout", ["stages", "fused"])
def test_an_answer_is_the_same(
    layout: str,
    tmp_path: Path,
    dags_folder: Path,
    dag_of: Callable[[Path], DAG],
    run_dag: Callable[..., RunOutcome],
) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    fill_sqlite(connection)
    connection.close()
    spec, file = tmp_path / "shop.yaml", dags_folder / "sql_answers.py"
    with ModelServer(replies=SqlScript(**SCRIPT)) as server:
        ask = {"type": "sql", "database": {"sqlite": str(tmp_path / "shop.db")}, "query": chat(server)}
        given = {"name": "shop", "ask": ask, "airflow": {"single_host": True}}
        spec.write_text(json.dumps(given), encoding="utf-8")
        called = call("ask", str(spec), QUESTION, "--format", "json")
        assert called.code == 0, called.err
        options = ("--kind", "ask", "--layout", layout, "--embed-spec")
        exported = call("export-dag", str(spec), "-o", str(file), *options)
        assert exported.code == 0, exported.err
        outcome = run_dag(dag_of(file), {"question": QUESTION})
        refused = run_dag(dag_of(file), {"question": QUESTION, "where": ["source=docs"]})
    assert outcome.state == "success", outcome.xcoms
    local = json.loads(called.out.splitlines()[-1])  # Airflow's log of this process goes to stdout too
    assert same(outcome.result) == same(local)
    assert local["sql"]["agreement"] == {"versions": 3, "of": 3}
    assert local["answer"]["text"] == "Each of the 5 countries has 1 customer."
    assert refused.state == "failed"
