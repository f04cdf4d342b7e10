"""What the SQL assistant needs of a database: a Protocol that `postgres` and `sqlite` implement."""

from __future__ import annotations

from typing import Protocol

from ragctl.sql.types import Dialect, Limits, ResultTable, Schema


class Database(Protocol):
    """A database that is only read. Close it when done; one thread at a time uses it."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of how safely it is opened."""
        ...

    def schema(self) -> Schema:
        """Its tables, read now.

        Raises:
            Unavailable: it cannot be reached.
            GuardRefused: it is opened in a way that could change it, and that is not allowed.
        """
        ...

    def explain(self, sql: str) -> float | None:
        """What the planner thinks that a statement costs, in its units; None if it does not say.

        Raises:
            StatementFailed: the database does not take the statement, or it is too dear.
        """
        ...

    def run(self, sql: str) -> ResultTable:
        """A statement's rows, within the limits, in a transaction that is rolled back.

        Raises:
            StatementFailed: it is too dear, was stopped or refused, or has an error.
            Unavailable: the database cannot be reached.
        """
        ...

    def close(self) -> None: ...
