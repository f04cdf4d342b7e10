"""What an index holds, how two of them differ, and whether one agrees with itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

LEAST_COSINE = 0.9999


@dataclass(frozen=True, slots=True)
class Contents:
    """The active generation of an index.

    Attributes:
        state: its recipe; rows of items and documents without times, fingerprints and runs.
        chunks: place and text of every chunk, with its vector of unit length.
    """

    state: frozenset[tuple[Any, ...]]
    chunks: dict[tuple[Any, ...], np.ndarray[Any, Any]]


def contents(connection: psycopg.Connection[Any], name: str) -> Contents:
    """What the index `name` holds."""
    from pgvector.psycopg import register_vector

    register_vector(connection)
    active = connection.execute(
        "SELECT g.id, g.number, g.recipe FROM ragctl.indexes i JOIN ragctl.generations g ON g.id = i.active "
        "WHERE i.name = %s",
        (name,),
    ).fetchone()
    assert active is not None, "nothing was published"
    identity, number, recipe = active
    items = connection.execute(
        "SELECT 'item', source, path, digest, stored, skipped, failure->>'error', failure->>'stage' "
        "FROM ragctl.items WHERE generation = %s",
        (identity,),
    ).fetchall()
    documents = connection.execute(
        "SELECT 'document', source, path, item, digest, reader, chunks FROM ragctl.documents "
        "WHERE generation = %s",
        (identity,),
    ).fetchall()
    rows = connection.execute(
        "SELECT d.source, d.path, d.title, d.media_type, d.digest, c.ordinal, c.span_start, c.span_end, "
        "c.text, c.headings, c.line, c.tokens, c.input_hash, c.embedding "
        f"FROM ragctl.{name}_g{number}_chunks c JOIN ragctl.{name}_g{number}_documents d ON d.id = c.document"
    ).fetchall()
    chunks = {
        (*row[:9], tuple(row[9]), *row[10:-1]): np.asarray(row[-1].to_numpy(), np.float32) for row in rows
    }
    assert len(chunks) == len(rows)
    return Contents(frozenset([("recipe", recipe), *items, *documents]), chunks)


def differences(one: Contents, other: Contents) -> list[str]:
    """Every item, document and chunk that only one of them has, and every vector that is not the same."""
    found = [f"state: {row}" for row in sorted(one.state ^ other.state, key=repr)]
    found += [f"chunk: {key[:8]}" for key in sorted(one.chunks.keys() ^ other.chunks.keys(), key=repr)]
    for key in one.chunks.keys() & other.chunks.keys():
        cosine = float(np.dot(one.chunks[key], other.chunks[key]))
        if not cosine >= LEAST_COSINE:
            found.append(f"vector: {key[:8]}: cosine {cosine:.6f}")
    return found


def inconsistencies(connection: psycopg.Connection[Any], name: str, *, ended: bool = True) -> Iterator[str]:
    """Where state and store contradict one another: halves of documents, orphans, lost tables.

    Args:
        ended: the last run ended well, so that none may be noted as running or half-built.
    """
    if connection.execute("SELECT to_regclass('ragctl.generations')").fetchone() == (None,):
        return  # killed before the state was made
    generations = connection.execute(
        "SELECT id, number, status FROM ragctl.generations WHERE index_name = %s AND status <> 'dropped'",
        (name,),
    ).fetchall()
    tables = {
        table
        for (table,) in connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ragctl' AND tablename LIKE %s",
            (f"{name}\\_g%",),
        )
    }
    for identity, number, status in generations:
        prefix = f"{name}_g{number}"
        own = {f"{prefix}_{kind}" for kind in ("documents", "chunks", "lexical", "terms")}
        there = own <= tables
        tables -= own
        if there:
            for row in _disagreements(connection, identity, prefix):
                yield f"generation {number}: {row}"
        elif status != "building":
            yield f"generation {number} is {status} and has no tables"
        if ended and status == "building":
            yield f"generation {number} was left half-built"
    if ended:
        yield from (f"table without a generation: {table}" for table in sorted(tables))
        for (run,) in connection.execute(
            "SELECT id FROM ragctl.runs WHERE status = 'running' AND index_name = %s", (name,)
        ):
            yield f"run still noted as running: {run}"


def _disagreements(
    connection: psycopg.Connection[Any], generation: int, prefix: str
) -> list[tuple[Any, ...]]:
    """Documents whose version or number of chunks is not what the ledger says; chunks of no document."""
    return connection.execute(
        f"""
        WITH held AS (
            SELECT d.id, d.source, d.path, d.digest FROM ragctl.{prefix}_documents d
        ), counted AS (
            SELECT document, count(*) AS chunks, max(ordinal) + 1 AS ordinals
            FROM ragctl.{prefix}_chunks GROUP BY document
        ), ledger AS (
            SELECT source, path, digest, chunks FROM ragctl.documents WHERE generation = %s
        )
        SELECT coalesce(h.path, l.path), h.digest, l.digest, c.chunks, c.ordinals, l.chunks
        FROM held h FULL JOIN counted c ON c.document = h.id
        FULL JOIN ledger l ON (l.source, l.path) = (h.source, h.path)
        WHERE (h.digest, c.chunks, c.ordinals) IS DISTINCT FROM (l.digest, l.chunks::bigint, l.chunks)
        """,
        (generation,),
    ).fetchall()
