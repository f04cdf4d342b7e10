"""No statement changes anything, reads what it may not, or goes on for long: by the gate, and without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_server import OwnServer
from sql.hostile import POSTGRES, SQLITE, Hostile
from sql.hostile_runs import alone, bare, through_the_gate
from sql.shop import postgres_digest, sqlite_digest

from ragctl.sql.postgres import PostgresDatabase
from ragctl.sql.sqlite import SqliteDatabase
from ragctl.sql.types import Schema


def _name(one: Hostile) -> str:
    return one.what


def test_there_are_many() -> None:
    assert len(POSTGRES) >= 100
    assert len(SQLITE) >= 50


@pytest.mark.parametrize("one", POSTGRES, ids=_name)
def test_postgres(
    one: Hostile, postgres_shop: PostgresDatabase, postgres_schema: Schema, shop_server: OwnServer
) -> None:
    with shop_server.connect() as owner:
        before = postgres_digest(owner)
        gated, why = through_the_gate(one.sql, postgres_shop, postgres_schema)
        assert gated == "gate" if one.gate == "refused" else gated in one.alone, why
        if gated == "gate":  # what passes it has just been run
            kind, message = alone(one.sql, postgres_shop)
            assert kind in one.alone, message
            bare(one.sql, postgres_shop)
        assert alone("SELECT count(*) FROM public.customer", postgres_shop) == ("runs", "1 rows")
        assert postgres_digest(owner) == before


@pytest.mark.parametrize("one", SQLITE, ids=_name)
def test_sqlite(one: Hostile, sqlite_shop: SqliteDatabase, shop_file: Path) -> None:
    before = sqlite_digest(shop_file)
    gated, why = through_the_gate(one.sql, sqlite_shop, sqlite_shop.schema())
    assert gated == "gate" if one.gate == "refused" else gated in one.alone, why
    if gated == "gate":
        kind, message = alone(one.sql, sqlite_shop)
        assert kind in one.alone, message
    assert sqlite_digest(shop_file) == before


def test_the_page_shows_them_all() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
    for one in (*POSTGRES, *SQLITE):
        assert f"| {one.what} |" in page, "python tests/sql_hostile_table.py writes the table anew"
