"""query, its first half: the tables that the models are shown: all if they fit, else those that matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ragctl.errors import UsageError
from ragctl.sql.schema_text import Counting, schema_text
from ragctl.sql.types import Schema, Table

if TYPE_CHECKING:
    from ragctl.ports import PassageEmbedder, QueryEmbedder, Vectors

    class TableEmbedder(PassageEmbedder, QueryEmbedder, Protocol):
        """What finds tables."""


def choose_tables(
    schema: Schema,
    versions: Sequence[str],
    count: Counting,
    *,
    budget: int,
    embedder: TableEmbedder | None,
    vectors: Vectors | None = None,
) -> list[str]:
    """Full names of the tables to be shown, in the schema's order.

    The nearest table of any version of the question comes first, with the tables that its foreign keys lead
    to and that lead to it, then the next one, as long as they fit. The first always does.

    Args:
        budget: tokens of the schema's text.
        vectors: of `embed_tables`, where they are kept for the schema's fingerprint.

    Raises:
        UsageError: not all fit, and there is no embedder to choose with.
    """
    names = [one.full_name for one in schema.tables]
    if count(schema_text(schema)) <= budget or len(names) < 2:
        return names
    if embedder is None:
        raise UsageError(
            f"the schema has {len(names)} tables, more than fit into {budget} tokens",
            hint="name the tables to be read, allow more tokens, or an embedding model to choose with",
        )
    kept = embed_tables(schema, embedder) if vectors is None else vectors
    nearest = (embedder.embed_queries(list(versions)) @ kept.T).max(axis=0)
    order = sorted(range(len(names)), key=lambda place: (-float(nearest[place]), place))
    chosen: set[str] = set()
    for place in order:
        for name in (names[place], *_neighbours(schema, schema.tables[place])):
            fits = not chosen or count(schema_text(schema, chosen | {name})) <= budget
            if name not in chosen and fits:
                chosen.add(name)
    return [name for name in names if name in chosen]


def embed_tables(schema: Schema, embedder: TableEmbedder) -> Vectors:
    """One vector a table, shape (tables, dimension): of its name, comment and columns."""
    import numpy as np

    texts = [_words(one) for one in schema.tables]
    vectors = np.zeros((len(texts), embedder.dimension), dtype=np.float32)
    for batch in embedder.embed(texts):
        vectors[list(batch.positions)] = batch.vectors
    return vectors


def _words(table: Table) -> str:
    """What a table is about, short enough for any model: its columns' types and keys say little."""
    columns = ", ".join(
        f"{one.name.replace('_', ' ')}{f' ({one.comment})' if one.comment else ''}" for one in table.columns
    )
    return f"{table.name.replace('_', ' ')}. {table.comment} {columns}"[:1_000]


def _neighbours(schema: Schema, table: Table) -> list[str]:
    there = [key.table for key in table.foreign_keys]
    back = [
        one.full_name
        for one in schema.tables
        if any(key.table == table.full_name for key in one.foreign_keys)
    ]
    return [name for name in dict.fromkeys([*there, *back]) if name != table.full_name]
