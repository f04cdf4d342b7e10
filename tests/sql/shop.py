"""A small shop: customers, orders, and what nobody who asks may see or do."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import psycopg

READER = ("reader", "only reads")

_TABLES = """
CREATE TABLE customer (id {serial} PRIMARY KEY, name text NOT NULL, email text, country text);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer (id),
                     total {money} NOT NULL, placed {day} NOT NULL, status {status} NOT NULL);
CREATE VIEW spending AS SELECT c.name, sum(o.total) AS spent
    FROM customer c JOIN orders o ON o.customer_id = c.id GROUP BY c.name;
"""
_CUSTOMERS = [
    ("Ada", "ada@example.org", "UK"),
    ("Grace", "grace@example.org", "US"),
    ("Linus", None, "FI"),
    ("Käthe", "k@example.org", "DE"),
    ("O'Brien; DROP TABLE customer", "x@example.org", "IE"),
]
_STATUS = ("new", "paid", "sent")


def _orders() -> list[tuple[int, int, float, str, str]]:
    return [
        (i, 1 + i % 4, round(10 + 7.3 * i % 90, 2), f"2024-{1 + i % 12:02}-{1 + i % 28:02}", _STATUS[i % 3])
        for i in range(1, 61)
    ]


def fill_postgres(owner: psycopg.Connection[Any]) -> None:
    """As the server's owner; makes the role that only reads, and traps."""
    parts = {"serial": "serial", "money": "numeric(10,2)", "day": "date", "status": "order_status"}
    owner.execute("CREATE TYPE order_status AS ENUM ('new', 'paid', 'sent')")
    owner.execute(_TABLES.format(**parts))
    with owner.cursor() as cursor:
        cursor.executemany("INSERT INTO customer (name, email, country) VALUES (%s, %s, %s)", _CUSTOMERS)
        cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", _orders())
    owner.execute(f"""
        COMMENT ON TABLE customer IS 'people who bought something';
        COMMENT ON COLUMN orders.total IS 'in euro, taxes included';
        CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM orders;
        CREATE SCHEMA secret; CREATE TABLE secret.salary (who text, amount integer);
        INSERT INTO secret.salary VALUES ('boss', 1);
        CREATE EXTENSION dblink;
        CREATE FUNCTION wipe() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
            AS 'BEGIN DELETE FROM public.orders; RETURN 1; END';
        CREATE FUNCTION wiped(customer) RETURNS integer LANGUAGE sql AS 'SELECT public.wipe()';
        CREATE FUNCTION wiping(integer, integer) RETURNS integer LANGUAGE sql AS 'SELECT public.wipe()';
        CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = wiping);
        CREATE PROCEDURE wipe_all() LANGUAGE sql AS 'DELETE FROM public.orders';
        CREATE DOMAIN odd AS text CHECK (public.wipe() > length(VALUE));
        CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT public.wipe()::text';
        CREATE ROLE {READER[0]} LOGIN PASSWORD '{READER[1]}';
        GRANT SELECT ON customer, orders, spending, totals TO {READER[0]};
    """)


def fill_sqlite(connection: sqlite3.Connection) -> None:
    """The same tables, and one that is left out by the options of the tests."""
    parts = {"serial": "integer", "money": "numeric(10,2)", "day": "date", "status": "text"}
    connection.executescript(_TABLES.format(**parts))
    connection.executemany("INSERT INTO customer (name, email, country) VALUES (?, ?, ?)", _CUSTOMERS)
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", _orders())
    connection.executescript(
        "CREATE TABLE salary (who text, amount integer); INSERT INTO salary VALUES ('boss', 1)"
    )
    connection.commit()


_KEPT = """
SELECT (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM customer t),
       (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM orders t),
       (SELECT string_agg(t::text, '|') FROM secret.salary t), (SELECT n FROM totals),
       (SELECT last_value::text || is_called::text FROM customer_id_seq),
       (SELECT md5(string_agg(oid::text || relname || relkind::text || coalesce(relacl::text, ''), '|'
                               ORDER BY oid))
        FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_toast'),
       (SELECT md5(string_agg(oid::text || proname, '|' ORDER BY oid)) FROM pg_proc),
       (SELECT md5(string_agg(rolname || rolsuper || coalesce(rolpassword, ''), '|' ORDER BY oid))
        FROM pg_authid),
       (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_extension),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_replication_slots),
       (SELECT md5(string_agg(name || setting, '|' ORDER BY name))
        FROM pg_settings WHERE source = 'configuration file')
"""


def postgres_digest(owner: psycopg.Connection[Any]) -> tuple[Any, ...]:
    """Rows, sequence, catalog, roles, large objects, advisory locks, settings."""
    row = owner.execute(_KEPT).fetchone()
    assert row is not None
    return tuple(row)


def sqlite_digest(path: Path) -> tuple[str, list[str]]:
    """The file's bytes, and what lies beside it."""
    data = hashlib.sha256(path.read_bytes()).hexdigest()
    return data, sorted(one.name for one in path.parent.iterdir())
