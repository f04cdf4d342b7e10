"""What came of each question of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.state.json_text import json_text

if TYPE_CHECKING:
    from psycopg import Connection


def keep_questions(connection: Connection[Any], run: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Keeps the entries of a run in their order, all or none; those of before go."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM evaluation_questions WHERE run = %s", (run,))
        cursor.executemany(
            "INSERT INTO evaluation_questions (run, position, entry) VALUES (%s, %s, %s)",
            [(run, position, json_text(entry)) for position, entry in enumerate(entries)],
        )


def questions_of(connection: Connection[Any], run: str) -> list[dict[str, Any]]:
    """The entries of a run, in their order; none if it kept none."""
    rows = connection.execute(
        "SELECT entry FROM evaluation_questions WHERE run = %s ORDER BY position", (run,)
    ).fetchall()
    return [dict(entry) for (entry,) in rows]
