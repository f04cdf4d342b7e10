"""A statement's rows as both databases give them, and how a session stays as new."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from own_server import OwnServer
from sql.shop import READER, sqlite_digest

from ragctl.errors import Unavailable
from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import Limits, StatementFailed


def test_postgres_values_are_those_of_json(postgres_shop: PostgresDatabase) -> None:
    sql = (
        "SELECT 1 AS a, 1.50::numeric, 2::numeric, 'x', NULL, true, '2024-01-31'::date, 'NaN'::float8,"
        " ARRAY[1, 2], '{\"k\": 1}'::jsonb, interval '1 day 2 hours', 12345678901234567890.5::numeric,"
        " '\\x00ff'::bytea, 'infinity'::date, '0044-03-15 BC'::date"
    )
    (row,) = postgres_shop.run(sql).rows
    assert row[:8] == (1, 1.5, 2, "x", None, True, "2024-01-31", "nan")
    assert row[8:12] == ([1, 2], {"k": 1}, "P1DT2H", "12345678901234567890.5")
    assert row[12:] == ("\\x00ff", "infinity", "0044-03-15 BC")


def test_columns_of_one_name_and_of_none(postgres_shop: PostgresDatabase) -> None:
    found = postgres_shop.run("SELECT 1 AS a, 2 AS a, 3")
    assert (found.columns, found.rows) == (("a", "a", "?column?"), ((1, 2, 3),))


def test_rows_keep_their_order_and_are_cut_off(postgres_shop: PostgresDatabase) -> None:
    found = postgres_shop.run("SELECT g FROM generate_series(1, 200) AS g ORDER BY g DESC")
    assert (len(found.rows), found.truncated, found.rows[0]) == (50, True, (200,))
    whole = postgres_shop.run("SELECT g FROM generate_series(1, 50) AS g")
    assert (len(whole.rows), whole.truncated) == (50, False)


def test_sqlite_rows_are_cut_off(sqlite_shop: SqliteDatabase) -> None:
    found = sqlite_shop.run("SELECT id FROM orders ORDER BY id DESC")
    assert (len(found.rows), found.truncated, found.rows[0]) == (50, True, (60,))
    assert sqlite_shop.run("SELECT NULL, 1.5, 'Käthe'").rows == ((None, 1.5, "Käthe"),)


def test_json_tables_of_sqlite(sqlite_shop: SqliteDatabase) -> None:
    assert sqlite_shop.run("SELECT e.value FROM json_each('[3, 4]') AS e").rows == ((3,), (4,))


def test_a_view_is_read_and_what_lies_under_it_alone_is_not(sqlite_shop: SqliteDatabase) -> None:
    assert sqlite_shop.run('SELECT * FROM "main"."spending"').rows
    with pytest.raises(StatementFailed) as found:
        sqlite_shop.run("SELECT * FROM salary")
    assert found.value.fault.kind == "refused"


def test_the_environment_is_not_handed_to_the_process(
    sqlite_shop: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor is a module of the working directory taken for one of ragctl's or Python's."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert sqlite_shop.run("SELECT 1").rows == ((1,),)


def test_a_database_with_a_write_ahead_log_stays_as_it_is(
    sqlite_shop: SqliteDatabase, shop_file: Path
) -> None:
    before = sqlite_digest(shop_file)
    assert sqlite_shop.run("SELECT count(*) FROM orders").rows == ((60,),)
    assert sqlite_digest(shop_file) == before


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1 / 0", "database"),
        ("SELECT 'x'::int", "database"),
        ("SELECT nothing FROM public.orders", "unknown_name"),
        ("SELECT pg_sleep(9)", "time"),
        ("SELECT count(*) FROM generate_series(1, 1000000000) g", "cost"),
        ("SELECT repeat('x', 30000)", "size"),
        ("SELECT FROM WHERE", "parse"),
    ],
)
def test_faults_by_kind(postgres_shop: PostgresDatabase, sql: str, kind: str) -> None:
    with pytest.raises(StatementFailed) as found:
        postgres_shop.run(sql)
    assert found.value.fault.kind == kind


def test_a_locked_table_is_not_waited_for(postgres_shop: PostgresDatabase, shop_server: OwnServer) -> None:
    with shop_server.connect() as owner, owner.transaction():
        owner.execute("LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StatementFailed) as found:
            postgres_shop.run("SELECT * FROM public.orders")
    assert found.value.fault.kind == "time"


def test_a_session_that_is_ended_is_opened_anew(shop_server: OwnServer) -> None:
    database = PostgresDatabase(shop_server.dsn(*READER), limits=Limits(timeout_s=5))
    assert database.run("SELECT 1").rows == ((1,),)
    with shop_server.connect() as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (READER[0],)
        )
    with pytest.raises(Unavailable):
        database.run("SELECT 1")
    assert database.run("SELECT 1").rows == ((1,),)
    database.close()


def test_each_thread_has_a_database_of_its_own(shop_server: OwnServer) -> None:
    found: list[int] = []

    def ask(number: int) -> None:
        database = PostgresDatabase(shop_server.dsn(*READER))
        found.append(database.run(f"SELECT {number}").rows[0][0])
        database.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("limits", [Limits(timeout_s=0), Limits(max_rows=0)])
def test_a_limit_of_nothing_is_none(limits: Limits) -> None:
    with pytest.raises(ValueError, match="above 0"):
        PostgresDatabase("", limits=limits)
    with pytest.raises(ValueError, match="above 0"):
        SqliteDatabase(Path("x"), limits=limits)
