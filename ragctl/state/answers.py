"""Results of questions, kept for an identical question on the same contents of the same generation."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text

if TYPE_CHECKING:
    from psycopg import Connection

MOST_KEPT = 10_000
"""Results of one generation; the oldest go first."""


def answer_key(parts: Any) -> bytes:
    """SHA-256 of what a result depends on, as JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).digest()


def contents_of(connection: Connection[Any], generation: int) -> str:
    """What every change of a generation's documents changes: how many there are, and when each was stored."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(extract(epoch FROM stored_at)), 0) FROM documents "
        "WHERE generation = %s",
        (generation,),
    ).fetchone()
    return f"{row[0]} {row[1]}" if row else ""


class Answers:
    """Those of one generation, as its contents are now. The connection is in autocommit mode.

    Attributes:
        contents: taken when it was made: what is kept later is of those contents.
    """

    def __init__(self, connection: Connection[Any], generation: int) -> None:
        self._connection = connection
        self._generation = generation
        self.contents = contents_of(connection, generation)

    def find(self, key: bytes) -> dict[str, Any] | None:
        """The JSON document of the result; None if there is none."""
        row = self._connection.execute(
            "SELECT result FROM answers WHERE generation = %s AND key = %s AND contents = %s",
            (self._generation, key, self.contents),
        ).fetchone()
        return dict(row[0]) if row else None

    def keep(self, key: bytes, result: dict[str, Any]) -> None:
        """Keeps a result, unless the documents have changed meanwhile; those of older contents go."""
        if contents_of(self._connection, self._generation) != self.contents:
            return
        self._connection.execute(
            """
            INSERT INTO answers (generation, key, contents, result) VALUES (%s, %s, %s, %s)
            ON CONFLICT (generation, key) DO UPDATE
            SET contents = excluded.contents, result = excluded.result, asked_at = now()
            """,
            (self._generation, key, self.contents, json_text(result)),
        )
        self._connection.execute(
            """
            DELETE FROM answers WHERE generation = %(generation)s AND (
                contents <> %(contents)s
                OR asked_at < (SELECT asked_at FROM answers WHERE generation = %(generation)s
                               ORDER BY asked_at DESC OFFSET %(most)s LIMIT 1))
            """,
            {"generation": self._generation, "contents": self.contents, "most": MOST_KEPT},
        )


def forget_answers(connection: Connection[Any], index: str) -> int:
    """Removes all of an index's: any may quote any document. Returns how many went."""
    return connection.execute(
        "DELETE FROM answers WHERE generation IN (SELECT id FROM generations WHERE index_name = %s)",
        (index,),
    ).rowcount
