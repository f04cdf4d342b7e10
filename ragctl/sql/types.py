"""The values that travel between the SQL assistant's stages: frozen, and JSON-serialisable by `wire`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ragctl.errors import ExitCode, RagctlError
from ragctl.types import Usage

Dialect = Literal["postgres", "sqlite"]
Value = Any
"""A cell: None, bool, int, float, text, or a list or an object of them; see `results.plain_value`."""

FaultKind = Literal["reply", "parse", "refused", "unknown_name", "cost", "time", "size", "database"]
"""Why a statement gave no result: no SQL in the reply, not SQL, not allowed, a table or column that is not
there, too dear by its plan, too long, too much, or another error of the database."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a statement gave no result, in a sentence that a person and a model can read."""

    kind: FaultKind
    message: str


class StatementFailed(RagctlError):
    """A statement was refused or stopped; `fault` says why. The next one may do better."""

    kind = "sql"
    exit_code = ExitCode.REFUSED

    def __init__(self, kind: FaultKind, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fault = Fault(kind, message)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view.

    Attributes:
        type: as the database names it.
        values: labels of its enumerated type, in their order.
        samples: values that it has, as text; never of a sensitive column.
        sensitive: its values are shown to no model.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str = ""
    values: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` refer to `referred` of `table` (its full name), in the same order."""

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view.

    Attributes:
        rows: how many; None if that is not known. Exact unless `rows_estimated`.
    """

    schema: str
    name: str
    kind: Literal["table", "view"]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str = ""
    rows: int | None = None
    rows_estimated: bool = False

    @property
    def full_name(self) -> str:
        """`schema.name`; unique in a `Schema`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Schema:
    """What a statement may read: these tables and no others.

    Attributes:
        tables: a name without a schema means the first table of that name.
        fingerprint: of names, types, keys and comments, not of counts and samples; 64 hexadecimal digits.
    """

    dialect: Dialect
    tables: tuple[Table, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may take.

    Attributes:
        timeout_s: seconds for it, the reading of its rows among them.
        lock_timeout_s: seconds that it waits for a lock (PostgreSQL).
        max_rows: rows that are read; the result is marked as cut off if there are more.
        max_bytes: of all values as text; more is an error.
        max_value_bytes: of one value; more is an error.
        max_cost: the planner's total cost (PostgreSQL); more is not run.
        memory_bytes: of SQLite, and four times that of the process that it runs in.
    """

    timeout_s: float = 15.0
    lock_timeout_s: float = 2.0
    max_rows: int = 1_000
    max_bytes: int = 4 * 1024 * 1024
    max_value_bytes: int = 256 * 1024
    max_cost: float = 10_000_000.0
    memory_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows of a statement. `truncated`: there are more than were read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    truncated: bool = False
    seconds: float = 0.0

    @property
    def says_nothing(self) -> bool:
        """No row, or one of nothing but NULL and zero: what a wrong filter gives as well."""
        return not self.rows or (len(self.rows) == 1 and not any(self.rows[0]))


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model wrote for one version of the question: SQL, or why it cannot be answered, or neither."""

    version: int
    sql: str | None = None
    cannot: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement and what came of it.

    Attributes:
        sql: as it is run: written anew from the checked tree; as the model wrote it if it was refused.
        versions: of the question that led to it; 0 is the question itself.
        tables: full names of those that it reads.
        sensitive: it reads a sensitive column, so that no model is shown its rows.
        repaired: the model wrote it after it was told an error.
        first_fault: that error.
        cost: by the planner's estimate, in its units; None if that is not known.
    """

    sql: str
    versions: tuple[int, ...]
    tables: tuple[str, ...] = ()
    sensitive: bool = False
    result: ResultTable | None = None
    fault: Fault | None = None
    repaired: bool = False
    first_fault: Fault | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates with equal results, by position, and the versions of the question that led to them."""

    candidates: tuple[int, ...]
    versions: tuple[int, ...]


Status = Literal["answered", "unanswerable", "failed", "not_executed"]


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """An answer from a database.

    Attributes:
        sql: the statement that gave `rows`, on several lines; empty if there is none.
        sentence: the answer in words; empty if no model wrote one.
        status: `unanswerable`: the database does not hold it, `failed`: no statement could be run; `reason`
            says why. `not_executed`: only the SQL was asked for.
        agreement: versions of the question with this result, of all versions: (2, 3).
        tables: full names of those that were read.
        schema_tables: of those that the models were shown.
        unfounded: numbers in the sentence that are neither in the rows nor in the question.
        warnings: what a person should know, such as a role that could write.
        timings: seconds by stage.
    """

    question: str
    status: Status
    sql: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    truncated: bool = False
    sentence: str = ""
    reason: str = ""
    agreement: tuple[int, int] = (0, 0)
    tables: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    schema_tables: tuple[str, ...] = ()
    fingerprint: str = ""
    unfounded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Mapping[str, float] = field(default_factory=dict)
