"""What the gate lets through, what it makes of it, and what it takes for sensitive."""

from __future__ import annotations

import pytest

from ragctl.sql.gate import pass_gate
from ragctl.sql.schema_options import assembled
from ragctl.sql.types import Column, Dialect, Schema, StatementFailed, Table


def schema_in(dialect: Dialect) -> Schema:
    place = "public" if dialect == "postgres" else "main"

    def table(name: str, *columns: str) -> Table:
        made = tuple(Column(one, "text", sensitive=one == "email") for one in columns)
        return Table(place, name, "table", made)

    return assembled(
        dialect,
        [table("customer", "id", "name", "email"), table("orders", "id", "customer_id", "total", "placed")],
    )


POSTGRES, SQLITE = schema_in("postgres"), schema_in("sqlite")

GOOD = [
    "SELECT name FROM customer",
    "SELECT c.name, sum(o.total) FROM customer AS c JOIN orders AS o ON o.customer_id = c.id GROUP BY c.name",
    "WITH big AS (SELECT * FROM orders WHERE total > 10) SELECT count(*) FROM big",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
    "SELECT name FROM customer UNION SELECT placed FROM orders ORDER BY 1 LIMIT 3",
    "SELECT name, row_number() OVER (PARTITION BY name ORDER BY id) FROM customer",
    "SELECT CASE WHEN total > 3 THEN 'a' ELSE 'b' END FROM orders",
    "SELECT name FROM customer WHERE id IN (SELECT customer_id FROM orders) AND NOT EXISTS (SELECT 1)",
    "SELECT count(DISTINCT name) FROM customer;",
    "(SELECT name FROM customer)",
    "SELECT CAST(total AS int) FROM orders -- a remark",
]
GOOD_POSTGRES = [
    "SELECT extract(year FROM placed::date), count(*) FILTER (WHERE total > '3') FROM orders GROUP BY 1",
    "SELECT name FROM customer WHERE name ILIKE 'a%' ORDER BY name DESC NULLS LAST",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id::int) FROM customer",
    "SELECT now() - interval '10 days'",
    "SELECT d.day FROM generate_series(1, 3) AS d(day)",
    "SELECT d.value, d.key FROM json_each('{}') AS d",
    "SELECT k.name FROM customer AS c, LATERAL (SELECT c.name) AS k",
    "SELECT string_agg(DISTINCT name, ',') FROM customer",
    "SELECT DISTINCT ON (name) name, id FROM customer ORDER BY name, id",
    "SELECT (SELECT max(total) FROM orders) AS most, ARRAY(SELECT name FROM customer)",
]


@pytest.mark.parametrize("sql", GOOD)
@pytest.mark.parametrize("schema", [POSTGRES, SQLITE], ids=["postgres", "sqlite"])
def test_what_only_reads_passes_and_stays_the_same_once_more(sql: str, schema: Schema) -> None:
    passed = pass_gate(sql, schema)
    assert pass_gate(passed.sql, schema) == passed


@pytest.mark.parametrize("sql", GOOD_POSTGRES)
def test_what_only_reads_passes_in_postgres(sql: str) -> None:
    assert pass_gate(pass_gate(sql, POSTGRES).sql, POSTGRES)


def test_every_table_gets_its_schema() -> None:
    passed = pass_gate("SELECT Customer.NAME FROM Customer JOIN orders USING (id)", POSTGRES)
    assert '"public"."customer"' in passed.sql
    assert passed.tables == ("public.customer", "public.orders")


def test_a_query_of_a_with_keeps_its_name_and_hides_no_table_elsewhere() -> None:
    passed = pass_gate("SELECT * FROM (WITH orders AS (SELECT 1 AS id) SELECT id FROM orders) AS q", POSTGRES)
    assert passed.tables == ()
    sql = "SELECT * FROM orders, (WITH orders AS (SELECT 1 AS id) SELECT id FROM orders) AS q"
    assert pass_gate(sql, POSTGRES).tables == ("public.orders",)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT name FROM custmer", "there is no table custmer that may be read; did you mean customer?"),
        (
            "SELECT nam FROM customer",
            "there is no column nam in the tables that are read; did you mean name?",
        ),
        ("SELECT c.xmin FROM customer AS c", "there is no column xmin"),
        ("SELECT 1; SELECT 2", "it is 2 statements"),
        ("", "there is no statement in it"),
        ("SELECT sleep(3)", "the function sleep is not among those that are allowed"),
        ("SELECT * FROM other.public.customer", "another database"),
        ("WITH pg_x AS (SELECT 1) SELECT * FROM pg_x", "the name pg_x is the database's own"),
        ("SELECT '" + "x" * 30_000 + "'", "longer than 20000 characters"),
        ("SELECT " + "(" * 26 + "1" + ")" * 26, "nested more than 25 deep"),
        ("SELECT 1 FROM customer WHERE '", "it cannot be read as SQL"),
        ("SELECT 'x'::regclass", "not allowed"),
        ("SELECT * INTO t FROM customer", "SELECT INTO is not allowed"),
    ],
)
def test_what_is_refused_and_why(sql: str, said: str) -> None:
    with pytest.raises(StatementFailed, match=said.replace("(", r"\(").replace("?", r"\?")):
        pass_gate(sql, POSTGRES)


def test_a_function_of_ones_own_is_let_through_if_it_is_named() -> None:
    with pytest.raises(StatementFailed):
        pass_gate("SELECT my_rate(total) FROM orders", POSTGRES)
    assert pass_gate("SELECT my_rate(total) FROM orders", POSTGRES, functions=["My_Rate"]).sql


@pytest.mark.parametrize(
    ("sql", "sensitive"),
    [
        ("SELECT name FROM customer", False),
        ("SELECT count(*) FROM customer", False),
        ("SELECT total AS email_count FROM orders", False),
        ("SELECT * FROM orders", False),
        ("SELECT email FROM customer", True),
        ('SELECT "email" FROM customer', True),
        ("SELECT name FROM customer WHERE email LIKE 'a%'", True),
        ("SELECT * FROM customer", True),
        ("SELECT c.* FROM customer AS c", True),
        ("SELECT c FROM customer AS c", True),
        ("SELECT to_jsonb(customer) FROM customer", True),
        ("SELECT x FROM customer AS c(a, b, x)", True),
        ("SELECT x FROM (customer AS c JOIN orders AS o ON true) AS j(a, b, x)", True),
        ("SELECT 1 FROM customer NATURAL JOIN orders", True),
        ("WITH q(a, b, x) AS (SELECT * FROM customer) SELECT x FROM q", True),
        ("WITH q(x) AS (SELECT name FROM customer) SELECT x FROM q", False),
    ],
)
def test_what_may_show_a_sensitive_column(sql: str, sensitive: bool) -> None:
    assert pass_gate(sql, POSTGRES).sensitive is sensitive


def test_whether_the_rows_have_an_order() -> None:
    assert pass_gate("SELECT name FROM customer ORDER BY name", POSTGRES).ordered
    assert not pass_gate("SELECT n FROM (SELECT name AS n FROM customer ORDER BY 1) AS q", POSTGRES).ordered
