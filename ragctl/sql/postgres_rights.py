"""What a PostgreSQL role could do besides reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_ATTRIBUTES = {
    "rolsuper": "is a superuser",
    "rolcreaterole": "may create roles",
    "rolcreatedb": "may create databases",
    "rolreplication": "may replicate",
}
_ROLES = """
SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_catalog.pg_roles
WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER')
"""
_POWERFUL = frozenset(
    """pg_execute_server_program pg_write_server_files pg_read_server_files pg_signal_backend
    pg_write_all_data pg_maintain pg_checkpoint pg_create_subscription pg_use_reserved_connections
    pg_database_owner""".split()
)
_WRITABLE = """
WITH mine AS (SELECT oid FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER'))
SELECT n.nspname::text || '.' || c.relname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
AND EXISTS (SELECT 1 FROM mine WHERE CASE WHEN c.relkind = 'S'
    THEN pg_catalog.has_sequence_privilege(mine.oid, c.oid, 'USAGE, UPDATE')
    ELSE pg_catalog.has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
      OR pg_catalog.has_any_column_privilege(mine.oid, c.oid, 'INSERT, UPDATE') END)
ORDER BY 1 LIMIT 4
"""
_CREATES = """
SELECT n.nspname::text FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(session_user, n.oid, 'CREATE')
ORDER BY 1 LIMIT 4
"""
_IN_DATABASE = """
SELECT pg_catalog.has_database_privilege(session_user, pg_catalog.current_database(), 'CREATE')
"""


def more_than_reading(connection: Connection[Any]) -> tuple[str, ...]:
    """What the role, or one that it may become, could do besides reading; empty if nothing was found."""
    found = list(_of_roles(connection.execute(_ROLES).fetchall()))
    if highest := [one for one in found if "superuser" in one]:
        return tuple(highest)  # who may do anything; the rest is no news
    found += _listed("may write to", connection.execute(_WRITABLE).fetchall())
    found += _listed("may create objects in schema", connection.execute(_CREATES).fetchall())
    row = connection.execute(_IN_DATABASE).fetchone()
    if row is not None and row[0]:
        found.append("may create schemas in the database")
    return tuple(found)


def _of_roles(rows: Sequence[Sequence[Any]]) -> list[str]:
    found = []
    for name, *flags in rows:
        found += [f"{text} ({name})" for text, set_ in zip(_ATTRIBUTES.values(), flags, strict=True) if set_]
        if name in _POWERFUL:
            found.append(f"is a member of {name}")
    return found


def _listed(what: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    names = [str(row[0]) for row in rows]
    return [f"{what} {', '.join(names[:3])}{' and others' * (len(names) > 3)}"] if names else []
