"""What becomes of a statement, with the gate and without."""

from __future__ import annotations

from ragctl.errors import RagctlError, Unavailable
from ragctl.sql.database import Database
from ragctl.sql.gate import pass_gate
from ragctl.sql.postgres import PostgresDatabase, _alone
from ragctl.sql.types import Schema, StatementFailed


def through_the_gate(sql: str, database: Database, schema: Schema) -> tuple[str, str]:
    """("gate", why it was refused), else as `alone` of what the gate made of it."""
    try:
        passed = pass_gate(sql, schema)
    except StatementFailed as error:
        return "gate", error.fault.message
    return alone(passed.sql, database)


def alone(sql: str, database: Database) -> tuple[str, str]:
    """The kind of fault and its message; ("runs", how many rows), ("lost", ...) if the connection was."""
    try:
        result = database.run(sql)
    except StatementFailed as error:
        return error.fault.kind, error.fault.message
    except Unavailable as error:
        return "lost", error.message
    return "runs", f"{len(result.rows)} rows{', cut off' * result.truncated}"


def bare(sql: str, database: PostgresDatabase) -> tuple[str, str]:
    """As `alone`, of the statement itself: no plan is looked at, and no cursor stands around it.

    What is left are the role, the transaction that only reads and is rolled back, and the limits of time.
    """
    try:
        with database._transaction() as connection:
            _alone(connection, sql)
    except StatementFailed as error:
        return error.fault.kind, error.fault.message
    except RagctlError as error:
        return "lost", error.message
    return "runs", "leaves nothing"
