"""State tables that are gone, and how they come back without losing what is left of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ragctl.state.migrations import MIGRATIONS, SCHEMA, migrate, schema_version

if TYPE_CHECKING:
    from psycopg import Connection

_SALVAGE = "ragctl_salvage"
_LOCK_KEY = 0x7261_6763_746D  # "ragctm", next to the migrations' own: two processes must not do this at once
# What refers to rows of another table can only be kept together with those.
_NEEDS = {
    "vectors": "embedders",
    "generations": "indexes",
    "items": "generations",
    "documents": "generations",
    "reservations": "budgets",
    "answers": "generations",
}
# Counted anew by the triggers of the table `vectors`, and pointed at anew when generations are back.
_MADE_ANEW = {"embedders": {"entries", "vector_bytes"}, "indexes": {"active"}}


def state_tables(version: int = len(MIGRATIONS)) -> list[str]:
    """The tables of a schema version, in the order in which they are made."""
    return [
        name for step in MIGRATIONS[:version] for name in re.findall(rf"CREATE TABLE {SCHEMA}\.(\w+)", step)
    ]


def missing_tables(connection: Connection[Any]) -> list[str]:
    """Tables that the state must have and has not; none if there is no state at all."""
    there = _there(connection)
    version = schema_version(connection)
    if version == 0 and not there and not _functions(connection):
        return []
    missing = [name for name in state_tables(version or len(MIGRATIONS)) if name not in there]
    return missing if version else ["schema_version", *missing]


def restore_tables(connection: Connection[Any]) -> list[str]:
    """Makes what `missing_tables` names; rows of the other tables stay. Returns the names.

    One transaction: the tables that are left are set aside, all are made anew, and what was left
    is copied into them.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        missing = missing_tables(connection)
        if missing:
            left = _set_aside(connection)
            migrate(connection)
            _bring_back(connection, left)
            _drop_what_was_left(connection, left)
    return missing


def _there(connection: Connection[Any]) -> set[str]:
    names = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename = ANY(%s)",
        (SCHEMA, state_tables()),
    )
    return {name for (name,) in names}


def _functions(connection: Connection[Any]) -> list[str]:
    """Those of the state. The schema may hold pgvector's too, where it is the first on the search path."""
    ours = [name for step in MIGRATIONS for name in re.findall(rf"CREATE FUNCTION {SCHEMA}\.(\w+)\(", step)]
    names = connection.execute(
        "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = %s AND proname = ANY(%s)",
        (SCHEMA, ours),
    )
    return [name for (name,) in names]


def _drop_what_was_left(connection: Connection[Any], tables: list[str]) -> None:
    """Only what was set aside; were there anything else, the server would refuse."""
    if tables:
        names = ", ".join(f"{_SALVAGE}.{name}" for name in tables)
        connection.execute(f"DROP TABLE {names}")
    functions = connection.execute(
        "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s",
        (_SALVAGE,),
    ).fetchall()
    for (name,) in functions:
        connection.execute(f"DROP FUNCTION {_SALVAGE}.{name}")
    connection.execute(f"DROP SCHEMA {_SALVAGE}")


def _set_aside(connection: Connection[Any]) -> list[str]:
    connection.execute(f"CREATE SCHEMA {_SALVAGE}")
    there = _there(connection)
    left = [name for name in state_tables() if name in there]
    for name in left:
        connection.execute(f"ALTER TABLE {SCHEMA}.{name} SET SCHEMA {_SALVAGE}")
    for name in _functions(connection):
        connection.execute(f"ALTER FUNCTION {SCHEMA}.{name} SET SCHEMA {_SALVAGE}")
    connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.schema_version")
    return left


def _bring_back(connection: Connection[Any], left: list[str]) -> None:
    kept = [name for name in left if _can_be_kept(name, left)]
    for name in kept:
        columns = ", ".join(f'"{column}"' for column in _common_columns(connection, name))
        connection.execute(
            f"INSERT INTO {SCHEMA}.{name} ({columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT {columns} FROM {_SALVAGE}.{name}"
        )
        if name in ("generations", "embedders", "reservations"):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{SCHEMA}.{name}', 'id'), greatest(max(id), 1)) "
                f"FROM {SCHEMA}.{name}"
            )
    if "generations" in kept:
        connection.execute(
            f"UPDATE {SCHEMA}.indexes i SET active = g.id FROM {SCHEMA}.generations g "
            "WHERE g.index_name = i.name AND g.status = 'active'"
        )


def _can_be_kept(name: str, left: list[str]) -> bool:
    needed = _NEEDS.get(name)
    return needed is None or (needed in left and _can_be_kept(needed, left))


def _common_columns(connection: Connection[Any], name: str) -> list[str]:
    rows = connection.execute(
        "SELECT n.column_name FROM information_schema.columns n "
        "JOIN information_schema.columns o ON o.table_name = n.table_name AND o.column_name = n.column_name "
        "WHERE n.table_name = %s AND n.table_schema = %s AND o.table_schema = %s "
        "ORDER BY n.ordinal_position",
        (name, SCHEMA, _SALVAGE),
    )
    return [column for (column,) in rows if column not in _MADE_ANEW.get(name, set())]
