"""Rows to a table by COPY in its binary form, which the caller packs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_BLOCK = 64 * 1024  # bytes that are handed over at a time: each time costs some microseconds


def copy_rows(
    connection: Connection[Any],
    table: tuple[str, str],
    columns: Sequence[str],
    rows: Iterable[bytes],
    *,
    meanwhile: Callable[[], object] | None = None,
) -> None:
    """Copies them in.

    Args:
        table: (schema, name).
        columns: in the order in which the rows have them.
        rows: one or several at a time, as COPY's binary form has them. No other statement can run on the
            connection while they are made.
        meanwhile: is called when all are on their way, before the server is waited for.
    """
    from psycopg import sql

    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(
        sql.Identifier(*table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        block, size = [_HEADER], 0
        for row in rows:
            block.append(row)
            size += len(row)
            if size >= _BLOCK:
                copy.write(b"".join(block))
                block, size = [], 0
        copy.write(b"".join([*block, _TRAILER]))
        if meanwhile is not None:
            meanwhile()
