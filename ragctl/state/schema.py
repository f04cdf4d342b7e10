"""The schema of a database in which an index and its state lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection, sql

SCHEMA = "ragctl"
"""Where nothing else is said; the first releases knew no other."""


def enter_schema(connection: Connection[Any], schema: str = SCHEMA) -> None:
    """Puts it first on the session's search path: the state's tables are named without it.

    What was on the path stays there, and the schema of the extension `vector` comes last, so that its type
    and operators are found wherever an administrator put them. Once in a session; the schema need not be
    there yet.
    """
    connection.execute(
        """
        SELECT set_config('search_path', concat_ws(', ', quote_ident(%s),
            nullif(current_setting('search_path'), ''),
            (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
             WHERE e.extname = 'vector')), false)
        """,
        (schema,),
    )


def beside_placeholders(table: tuple[str, str]) -> sql.Identifier:
    """(schema, name), quoted, in a statement with parameters: there, %% stands for a percent sign."""
    from psycopg import sql

    return sql.Identifier(*(part.replace("%", "%%") for part in table))


def schema_exists(connection: Connection[Any], schema: str) -> bool:
    """Is it there? CREATE SCHEMA IF NOT EXISTS asks for more rights than one needs who has got it."""
    return connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is not None
