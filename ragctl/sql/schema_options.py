"""What is read of a schema, and how its parts are put together. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ragctl.sql.types import Dialect, Schema, Table
from ragctl.stages.prompt import plain

LONGEST_COMMENT = 200
LONGEST_SAMPLE = 40
SAMPLED_ROWS = 1_000
"""Rows of a table that are looked through for sample values."""
MOST_COUNTED = 100_000
"""Rows that are counted; of a table with more the database's own estimate is taken."""


@dataclass(frozen=True, slots=True)
class SchemaOptions:
    """What is read.

    Attributes:
        schemas: of PostgreSQL, in the order in which a bare name is looked up; empty: all but the database's
            own, `public` first.
        include, exclude: patterns such as `sales_*` or `public.log`, of a table's name or full name; without
            `include`, all. What is left out cannot be read.
        sensitive: patterns of columns: `email`, `customer.email`, `public.customer.*`.
        samples: values of each text column that are read, 0 to 10.
        foreign_tables: tables of other servers too (PostgreSQL).
    """

    schemas: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    samples: int = 0
    foreign_tables: bool = False

    def takes(self, schema: str, name: str) -> bool:
        """May this table be read?"""
        names = (name, f"{schema}.{name}")
        return (not self.include or matches(self.include, names)) and not matches(self.exclude, names)

    def is_sensitive(self, schema: str, table: str, column: str) -> bool:
        """Are this column's values to be shown to no model?"""
        return matches(self.sensitive, (column, f"{table}.{column}", f"{schema}.{table}.{column}"))


def matches(patterns: Sequence[str], names: Iterable[str]) -> bool:
    """Does a name fit a pattern, whatever the case?"""
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in names for pattern in patterns)


def assembled(dialect: Dialect, tables: Sequence[Table]) -> Schema:
    """A schema with its fingerprint."""
    known = [
        {
            "name": one.full_name,
            "kind": one.kind,
            "comment": one.comment,
            "columns": [[c.name, c.type, c.nullable, c.comment, c.values] for c in one.columns],
            "keys": [one.primary_key, one.unique],
            "foreign": [[key.columns, key.table, key.referred] for key in one.foreign_keys],
        }
        for one in tables
    ]
    text = json.dumps([dialect, known], sort_keys=True, ensure_ascii=False)
    return Schema(dialect, tuple(tables), hashlib.sha256(text.encode("utf-8")).hexdigest())


def comment_text(comment: str | None) -> str:
    """A comment on one line, as a model is shown it."""
    text = " ".join(plain(comment or "").split())
    return text if len(text) <= LONGEST_COMMENT else text[: LONGEST_COMMENT - 1] + "…"


def sample_texts(values: Iterable[object], most: int) -> tuple[str, ...]:
    """Of the values those that are short, as text."""
    texts = (" ".join(plain(str(one)).split()) for one in values)
    return tuple(one for one in texts if one and len(one) <= LONGEST_SAMPLE)[:most]
