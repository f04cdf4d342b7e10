"""Which embed inputs lie in an index: as tables, also where they lie outside of the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.composition import Composition
    from ragctl.state.generations import Generation
    from ragctl.state.vector_cache import ChunkTable

_COPIED_AT_ONCE = 10_000


@contextmanager
def tables_with_inputs(
    composition: Composition, generations: Sequence[Generation], *, name: str = "kept_inputs"
) -> Iterator[list[ChunkTable]]:
    """Tables that have the hash of every chunk of these generations, in a column `input_hash`.

    What lies outside of the database is read as a whole and copied into a temporary table `name`, which is
    there inside of the `with`.

    Raises:
        Unavailable: a store cannot be reached.
    """
    from psycopg import sql
    from psycopg.pq import TransactionStatus

    connection = composition.connect()
    tables = _present(connection, composition.stores.chunk_tables(generations, connection))
    if not composition.stores.apart:
        yield tables
        return
    table = ("pg_temp", name)
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (input_hash bytea NOT NULL)").format(sql.Identifier(name))
    )
    try:
        _copy(connection, table, composition.stores.kept_hashes(generations, connection))
        yield [*tables, table]
    finally:
        # What a failed transaction has made goes with it.
        if connection.info.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*table)))


def _copy(connection: Connection[Any], table: ChunkTable, hashes: Iterable[bytes]) -> None:
    from psycopg import sql

    insert = sql.SQL("INSERT INTO {} SELECT DISTINCT * FROM unnest(%s::bytea[])").format(
        sql.Identifier(*table)
    )
    remaining = iter(hashes)
    while some := list(islice(remaining, _COPIED_AT_ONCE)):
        connection.execute(insert, (some,))


def _present(connection: Connection[Any], tables: Sequence[ChunkTable]) -> list[ChunkTable]:
    """Those that are there: some may have been dropped."""
    rows = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE (schemaname, tablename) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
        ([schema for schema, _ in tables], [name for _, name in tables]),
    )
    return [(schema, name) for schema, name in rows]
