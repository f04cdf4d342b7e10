"""Conditions on documents as SQL: what of a generation a filtered search looks at, and how much that is.

Nothing of a condition becomes part of a statement: keys and values are parameters, whatever is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.conditions import DOCUMENT_KEYS, Condition

if TYPE_CHECKING:
    from psycopg import Connection, sql

# `d` is a row of the documents table. NULL, for a key that is not there, is no match.
# The GIN index serves @>. A list contains [value], a value alone equals value; both are asked for.
_EQUAL = "d.metadata @> ANY({values}::jsonb[])"
_UNEQUAL = "NOT d.metadata @> ANY({values}::jsonb[])"
# A path in lax mode: a list's elements in turn, or what is no list. Values of different types have no order,
# and texts are compared by code point, whatever the database's collation.
_ORDERED = "jsonb_path_exists(d.metadata -> {key}::text, '$[*] ? (@ %s $value)', {values}::jsonb)"

_COLUMN_EQUAL = "{column} = ANY({values}::text[])"
_COLUMN_UNEQUAL = "{column} <> ALL({values}::text[])"
_COLUMN_ORDERED = '{column} COLLATE "C" %s {values}::text'

# By this, whatever the planner expects, the documents are found first, and then the chunks of each.
_CHUNKS_OF_DOCUMENTS = "document = ANY(ARRAY(SELECT d.id FROM {documents} d WHERE {condition}))"
# By this, the chunks are found first, and then the document of each looked at: no join, so no other order.
_DOCUMENT_OF_CHUNK = "(SELECT {condition} FROM {documents} d WHERE d.id = f.document)"

_COUNTED = "SELECT count(*) FROM (SELECT FROM {chunks} f WHERE {kept} LIMIT {at_most}) counted"


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Conditions, composed.

    Attributes:
        condition: true of a row `d` of the documents table that fulfils them all.
        parameters: that it refers to, by name; none of a name that does not begin with `where_`.
        documents: the table, as it stands beside placeholders.
    """

    condition: sql.Composed
    parameters: Mapping[str, object]
    documents: sql.Identifier

    def documents_first(self) -> sql.Composed:
        """True of a row with a column `document` whose document fulfils them. For few chunks of many."""
        return self._of(_CHUNKS_OF_DOCUMENTS)

    def chunks_first(self) -> sql.Composed:
        """The same of a row `f`, for where another condition or order leads to the chunks."""
        return self._of(_DOCUMENT_OF_CHUNK)

    def _of(self, template: str) -> sql.Composed:
        from psycopg import sql

        return sql.SQL(template).format(documents=self.documents, condition=self.condition)


def document_filter(where: Sequence[Condition], documents: tuple[str, str]) -> DocumentFilter:
    """All of these conditions, at least one, on the table `documents`: (schema, name)."""
    from psycopg import sql

    composed: list[sql.Composable] = []
    parameters: dict[str, object] = {}
    for number, condition in enumerate(where):
        key, values = f"where_{number}_key", f"where_{number}_values"
        composing = _column if condition.key in DOCUMENT_KEYS else _metadata
        template, parameters[values] = composing(condition)
        parts = {"values": sql.Placeholder(values)}
        if "{key}" in template:
            parameters[key] = condition.key
            parts["key"] = sql.Placeholder(key)
        composed.append(sql.SQL(template).format(**parts, column=sql.Identifier("d", condition.key)))
    both = sql.SQL("({})").format(sql.SQL(" AND ").join(composed))
    return DocumentFilter(both, parameters, unformatted(documents))


def unformatted(name: tuple[str, str]) -> sql.Identifier:
    """A name as it is written beside placeholders, where psycopg reads %% as a percent sign."""
    from psycopg import sql

    return sql.Identifier(*(part.replace("%", "%%") for part in name))


def count_kept(
    connection: Connection[Any], kept: DocumentFilter, chunks: tuple[str, str], *, at_most: int | None = None
) -> int:
    """How many chunks a filter keeps; more than `at_most` are not counted, and `at_most + 1` returned."""
    from psycopg import sql

    statement = sql.SQL(_COUNTED).format(
        chunks=unformatted(chunks),
        kept=kept.documents_first(),
        at_most=sql.Literal(None if at_most is None else at_most + 1),
    )
    row = connection.execute(statement, kept.parameters).fetchone()
    return int(row[0]) if row else 0


def _metadata(condition: Condition) -> tuple[str, object]:
    """A template, and the parameter `values` for it."""
    if condition.operator in ("=", "in", "!="):
        wanted = [json.dumps({condition.key: one}) for value in condition.values for one in (value, [value])]
        return _UNEQUAL if condition.operator == "!=" else _EQUAL, wanted
    return _ORDERED % condition.operator, json.dumps({"value": condition.value})


def _column(condition: Condition) -> tuple[str, object]:
    """The same for a column of texts, which equals no value of another type and has no order among them."""
    texts = [value for value in condition.values if isinstance(value, str)]
    if condition.operator in ("=", "in"):
        return _COLUMN_EQUAL, texts
    if condition.operator == "!=":
        return _COLUMN_UNEQUAL, texts
    return _COLUMN_ORDERED % condition.operator, texts[0] if texts else None
