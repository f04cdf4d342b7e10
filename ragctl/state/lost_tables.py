"""State tables that are gone, and how they come back without losing what is left of the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from ragctl.state.migrations import MIGRATIONS, SCHEMA, lock_migrations, migrate, schema_version

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
    "document_versions": "generations",
    "stale_versions": "generations",
    "evaluation_questions": "runs",
}
# Whose sequences go on after the highest number that is left. A store that has higher versions says so.
_COUNTED = {"generations": "id", "embedders": "id", "reservations": "id", "document_versions": "version"}
# Counted anew by the triggers of the table `vectors`, and pointed at anew when generations are back.
_MADE_ANEW = {"embedders": {"entries", "vector_bytes"}, "indexes": {"active"}}


def state_tables(version: int = len(MIGRATIONS)) -> list[str]:
    """The tables of a schema version, in the order in which they are made."""
    return [
        name for step in MIGRATIONS[:version] for name in re.findall(rf"CREATE TABLE {SCHEMA}\.(\w+)", step)
    ]


def missing_tables(connection: Connection[Any], schema: str = SCHEMA) -> list[str]:
    """Tables that the state must have and has not; none if there is no state at all."""
    if not _seen_missing(connection, schema):
        return []
    # Another process may have made them between one look and the next: seen again when it is done.
    with connection.transaction():
        lock_migrations(connection)
        return _seen_missing(connection, schema)


def _seen_missing(connection: Connection[Any], schema: str) -> list[str]:
    """Several looks, which see different moments while another process makes the tables."""
    state = _State(connection, schema)
    there = state.there()
    version = schema_version(connection, schema)
    if version == 0 and not there and not state.functions():
        return []
    missing = [name for name in state_tables(version or len(MIGRATIONS)) if name not in there]
    return missing if version else ["schema_version", *missing]


def restore_tables(connection: Connection[Any], schema: str = SCHEMA) -> list[str]:
    """Makes what `missing_tables` names; rows of the other tables stay. Returns the names.

    One transaction: the tables that are left are set aside, all are made anew, and what was left
    is copied into them. The database user must be allowed to make a schema.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        missing = missing_tables(connection, schema)
        if missing:
            state = _State(connection, schema)
            left = state.set_aside()
            migrate(connection, schema)
            state.bring_back(left)
            state.drop_what_was_left(left)
    return missing


@dataclass(frozen=True, slots=True)
class _State:
    """What there is of the state's tables, here and in the schema that they are set aside in."""

    connection: Connection[Any]
    schema: str

    def there(self) -> set[str]:
        names = self.connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename = ANY(%s)",
            (self.schema, state_tables()),
        )
        return {name for (name,) in names}

    def functions(self) -> list[str]:
        """Those of the state. The schema may hold pgvector's too, where an administrator put it there."""
        ours = [
            name for step in MIGRATIONS for name in re.findall(rf"CREATE FUNCTION {SCHEMA}\.(\w+)\(", step)
        ]
        names = self.connection.execute(
            "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = %s AND proname = ANY(%s)",
            (self.schema, ours),
        )
        return [name for (name,) in names]

    def set_aside(self) -> list[str]:
        self._run("CREATE SCHEMA {aside}")
        there = self.there()
        left = [name for name in state_tables() if name in there]
        for name in left:
            self._run("ALTER TABLE {schema}.{name} SET SCHEMA {aside}", name)
        for name in self.functions():
            self._run("ALTER FUNCTION {schema}.{name} SET SCHEMA {aside}", name)
        self._run("DROP TABLE IF EXISTS {schema}.schema_version")
        return left

    def bring_back(self, left: list[str]) -> None:
        from psycopg import sql

        kept = [name for name in left if _can_be_kept(name, left)]
        for name in kept:
            columns = sql.SQL(", ").join(map(sql.Identifier, self._common_columns(name)))
            self._run(
                "INSERT INTO {schema}.{name} ({columns}) OVERRIDING SYSTEM VALUE "
                "SELECT {columns} FROM {aside}.{name}",
                name,
                columns=columns,
            )
            if counted := _COUNTED.get(name):
                table = sql.Literal(sql.Identifier(self.schema, name).as_string(self.connection))
                self._run(
                    "SELECT setval(pg_get_serial_sequence({table}, {column}), greatest(max({counted}), 1)) "
                    "FROM {schema}.{name}",
                    name,
                    table=table,
                    column=sql.Literal(counted),
                    counted=sql.Identifier(counted),
                )
        if "generations" in kept:
            self._run(
                "UPDATE {schema}.indexes i SET active = g.id FROM {schema}.generations g "
                "WHERE g.index_name = i.name AND g.status = 'active'"
            )

    def drop_what_was_left(self, tables: list[str]) -> None:
        """Only what was set aside; were there anything else, the server would refuse."""
        from psycopg import sql

        if tables:
            names = sql.SQL(", ").join(sql.Identifier(_SALVAGE, name) for name in tables)
            self._run("DROP TABLE {names}", names=names)
        functions = self.connection.execute(
            "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = %s",
            (_SALVAGE,),
        ).fetchall()
        for (name,) in functions:
            self._run("DROP FUNCTION {aside}.{name}", name)
        self._run("DROP SCHEMA {aside}")

    def _common_columns(self, name: str) -> list[str]:
        rows = self.connection.execute(
            "SELECT n.column_name FROM information_schema.columns n JOIN information_schema.columns o "
            "ON o.table_name = n.table_name AND o.column_name = n.column_name "
            "WHERE n.table_name = %s AND n.table_schema = %s AND o.table_schema = %s "
            "ORDER BY n.ordinal_position",
            (name, self.schema, _SALVAGE),
        )
        return [column for (column,) in rows if column not in _MADE_ANEW.get(name, set())]

    def _run(self, statement: LiteralString, name: str = "", **parts: Any) -> None:
        from psycopg import sql

        self.connection.execute(
            sql.SQL(statement).format(
                schema=sql.Identifier(self.schema),
                aside=sql.Identifier(_SALVAGE),
                **({"name": sql.Identifier(name)} if name else {}),
                **parts,
            )
        )


def _can_be_kept(name: str, left: list[str]) -> bool:
    needed = _NEEDS.get(name)
    return needed is None or (needed in left and _can_be_kept(needed, left))
