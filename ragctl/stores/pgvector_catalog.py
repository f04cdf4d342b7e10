"""Which generations' tables lie in a database, and the note that each carries of what made it.

The note is the comment of the documents table: it is written in the transaction of whoever writes
it, goes into every dump of the table and disappears with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_KINDS = ("documents", "chunks")


@dataclass(frozen=True, slots=True)
class FoundGeneration:
    """What of a generation's tables is there. `note` is empty if it carries none of ours."""

    number: int
    documents: bool
    chunks: bool
    note: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Are both tables there?"""
        return self.documents and self.chunks


class PgVectorCatalog:
    """The generation tables of a schema."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection = connection
        self._schema = schema

    def found(self, index: str) -> list[FoundGeneration]:
        """Every generation of an index that has a table, by number, whatever the state says of it."""
        rows = self._connection.execute(
            """
            SELECT c.relname, obj_description(c.oid, 'pg_class')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname ~ %s
            """,
            (self._schema, f"^{re.escape(index)}_g[0-9]{{1,9}}_({'|'.join(_KINDS)})$"),
        )
        tables: dict[int, dict[str, str | None]] = {}
        for name, comment in rows:
            number, kind = name[len(index) + 2 :].split("_")
            tables.setdefault(int(number), {})[kind] = comment
        return [
            FoundGeneration(number, "documents" in kinds, "chunks" in kinds, _note(kinds.get("documents")))
            for number, kinds in sorted(tables.items())
        ]

    def write_note(self, prefix: str, note: Mapping[str, Any]) -> None:
        """Puts a note on the table `<prefix>_documents`, instead of any that it has."""
        from psycopg import sql

        self._connection.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(
                sql.Identifier(self._schema, f"{prefix}_documents"), sql.Literal(json.dumps(dict(note)))
            )
        )


def _note(comment: str | None) -> Mapping[str, Any]:
    """A comment that is not ours, or that somebody has edited, counts as none."""
    try:
        note = json.loads(comment or "")
    except ValueError:
        return {}
    return note if isinstance(note, dict) and "ragctl" in note else {}
