"""Which generations' tables lie in a database, and the note that each carries of what made it.

The note is the comment of the documents table: it is written in the transaction of whoever writes
it, goes into every dump of the table and disappears with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragctl.stores.found_generation import FoundGeneration, note_of_text

if TYPE_CHECKING:
    from psycopg import Connection

_KINDS = ("documents", "chunks")


class PgVectorCatalog:
    """The generation tables of a schema.

    Args:
        prefix: what the names of an index's tables begin with; the index's name if None.
    """

    def __init__(self, connection: Connection[Any], schema: str, prefix: str | None = None) -> None:
        self._connection = connection
        self._schema = schema
        self._prefix = prefix

    def found(self, index: str) -> list[FoundGeneration]:
        """Every generation of an index that has a table, by number, whatever the state says of it."""
        prefix = self._prefix or index
        rows = self._connection.execute(
            """
            SELECT c.relname, obj_description(c.oid, 'pg_class')
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname ~ %s
            """,
            (self._schema, f"^{re.escape(prefix)}_g[0-9]{{1,9}}_({'|'.join(_KINDS)})$"),
        )
        tables: dict[int, dict[str, str | None]] = {}
        for name, comment in rows:
            number, kind = name[len(prefix) + 2 :].split("_")
            tables.setdefault(int(number), {})[kind] = comment
        return [
            FoundGeneration(
                number, "documents" in kinds, "chunks" in kinds, note_of_text(kinds.get("documents"))
            )
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
