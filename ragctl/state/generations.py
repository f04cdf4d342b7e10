"""Generations of an index: which table is built by which recipe, and which one is active."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch, RunInProgress

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = (
    "id, index_name, number, recipe, recipe_parts, embedder, dimension, status, "
    "settings, created_at, published_at, store, tables"
)


@dataclass(frozen=True, slots=True)
class Generation:
    """One physical table, built by one recipe.

    Attributes:
        status: building, active, kept, trial (an experiment's, apart from those) or dropped.
        settings: the spec's sections extract, chunk and embed that made it; empty if they were not
            recorded (by the first release).
        published_at: when it last became the active one.
        store: the kind of store that it lies in.
        tables: what the names of its tables begin with; None: its index and number.
    """

    id: int
    index: str
    number: int
    recipe: str
    recipe_parts: Mapping[str, str]
    embedder: str
    dimension: int
    status: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = field(default=None, compare=False)
    published_at: datetime | None = field(default=None, compare=False)
    store: str = "pgvector"
    tables: str | None = None

    @property
    def table_prefix(self) -> str:
        return self.tables or f"{self.index}_g{self.number}"


class Generations:
    """The generations of one index.

    Args:
        table_prefix: what the names of the tables of new generations begin with; the index's name if None.
    """

    def __init__(self, connection: Connection[Any], index: str, table_prefix: str | None = None) -> None:
        self._connection = connection
        self.index = index
        self._table_prefix = None if table_prefix == index else table_prefix

    def check_owner(self, pipeline: str) -> None:
        """Sees that the index is this pipeline's, or nobody's.

        Raises:
            Mismatch: it belongs to another pipeline.
        """
        row = self._connection.execute(
            "SELECT pipeline FROM indexes WHERE name = %s", (self.index,)
        ).fetchone()
        if row is not None and row[0] != pipeline:
            raise Mismatch(
                f"the index {self.index!r} belongs to the pipeline {row[0]!r}, not to {pipeline!r}",
                where="store.index",
                hint="give this spec an index of its own (store.index) or the other pipeline's name",
            )

    def claim_index(self, pipeline: str) -> None:
        """Makes the index this pipeline's, unless it is somebody's already."""
        self._connection.execute(
            "INSERT INTO indexes (name, pipeline) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self.index, pipeline),
        )

    def all(self) -> list[Generation]:
        """Every generation that has a table, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM generations "
            "WHERE index_name = %s AND status <> 'dropped' ORDER BY number",
            (self.index,),
        ).fetchall()
        return [Generation(*row) for row in rows]

    def active(self) -> Generation | None:
        """The one that is queried, if any was published."""
        return next((one for one in self.all() if one.status == "active"), None)

    def newer_published(self, than: Generation) -> list[Generation]:
        """What a rollback went back from: those of higher numbers that were active once, dropped ones too."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM generations "
            "WHERE index_name = %s AND number > %s AND published_at IS NOT NULL ORDER BY number",
            (self.index, than.number),
        ).fetchall()
        return [Generation(*row) for row in rows]

    def behind(self, older: Generation, newer: Generation) -> list[tuple[str, str]]:
        """(source, path) of documents of `newer` that `older` lacks or has in another version."""
        return self._connection.execute(
            """
            SELECT n.source, n.path FROM documents n
            LEFT JOIN documents o ON o.generation = %s AND o.source = n.source AND o.path = n.path
            WHERE n.generation = %s AND o.digest IS DISTINCT FROM n.digest
            ORDER BY n.source, n.path
            """,
            (older.id, newer.id),
        ).fetchall()

    def documents_digest(self, generation: Generation) -> str:
        """SHA-256 (hex) over source, path and digest of its documents: equal where it holds the same ones."""
        row = self._connection.execute(
            """
            SELECT encode(sha256(convert_to(coalesce(string_agg(
                source || E'\\t' || path || E'\\t' || digest, E'\\n'
                ORDER BY source COLLATE "C", path COLLATE "C"), ''), 'UTF8')), 'hex')
            FROM documents WHERE generation = %s
            """,
            (generation.id,),
        ).fetchone()
        assert row is not None  # an aggregate gives one row
        return str(row[0])

    def create(
        self,
        *,
        recipe: str,
        recipe_parts: Mapping[str, str],
        embedder: str,
        dimension: int,
        settings: Mapping[str, Any] | None = None,
        store: str = "pgvector",
        trial: bool = False,
    ) -> Generation:
        """A new generation in status `building`, or `trial`; its tables are the store's to make."""
        parts, made_by = json.dumps(dict(recipe_parts)), json.dumps(dict(settings or {}))
        row = self._connection.execute(
            "INSERT INTO generations "
            "(index_name, number, recipe, recipe_parts, embedder, dimension, settings, store, tables, "
            "status) "
            "SELECT %s, coalesce(max(number), 0) + 1, %s, %s, %s, %s, %s, %s, "
            "%s || '_g' || coalesce(max(number), 0) + 1, %s "
            f"FROM generations WHERE index_name = %s RETURNING {_COLUMNS}",
            (
                *(self.index, recipe, parts, embedder, dimension, made_by, store),
                *(self._table_prefix, "trial" if trial else "building", self.index),
            ),
        ).fetchone()
        assert row is not None  # INSERT … SELECT of an aggregate gives one row
        return Generation(*row)

    def dropped(self) -> list[Generation]:
        """Those that have no table any more, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM generations "
            "WHERE index_name = %s AND status = 'dropped' ORDER BY number",
            (self.index,),
        ).fetchall()
        return [Generation(*row) for row in rows]

    def restore(self, lost: Generation) -> Generation:
        """Makes the row of a generation again whose tables are there; its `id` will be another.

        If it was active, and no other one is, the pointer goes back to it.
        """
        status = "kept" if lost.status == "active" and self.active() is not None else lost.status
        row = self._connection.execute(
            "INSERT INTO generations (index_name, number, recipe, recipe_parts, embedder, dimension, "
            "settings, status, created_at, published_at, store, tables) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s, now()), %s, %s, %s) "
            f"RETURNING {_COLUMNS}",
            (
                self.index,
                lost.number,
                lost.recipe,
                json.dumps(dict(lost.recipe_parts)),
                lost.embedder,
                lost.dimension,
                json.dumps(dict(lost.settings)),
                status,
                lost.created_at,
                lost.published_at,
                lost.store,
                self._table_prefix and f"{self._table_prefix}_g{lost.number}",
            ),
        ).fetchone()
        assert row is not None  # an INSERT returns its row
        if status == "active":
            self._connection.execute("UPDATE indexes SET active = %s WHERE name = %s", (row[0], self.index))
        return Generation(*row)

    def publish(self, generation: Generation, *, instead_of: Generation | None) -> None:
        """Flips the pointer from `instead_of` to `generation`, if nobody has moved it meanwhile.

        Raises:
            RunInProgress: somebody has, or `generation` was dropped.
        """
        with self._connection.transaction():
            moved = self._connection.execute(
                "UPDATE indexes SET active = %s WHERE name = %s AND active IS NOT DISTINCT FROM %s",
                (generation.id, self.index, instead_of.id if instead_of else None),
            ).rowcount
            if moved != 1:
                if self._is_active(generation):
                    return  # its answer was lost, and it is asked for again
                raise RunInProgress(f"another run has published a generation of {self.index!r} meanwhile")
            self._connection.execute(
                "UPDATE generations SET status = 'kept' WHERE index_name = %s AND status = 'active'",
                (self.index,),
            )
            made_active = self._connection.execute(
                "UPDATE generations SET status = 'active', published_at = now() "
                "WHERE id = %s AND status <> 'dropped'",
                (generation.id,),
            ).rowcount
            if made_active != 1:
                raise RunInProgress(
                    f"another run has dropped generation {generation.number} of {self.index!r} meanwhile"
                )

    def correct_dimension(self, generation: Generation, dimension: int) -> None:
        """For a state that says another one than the tables and their note."""
        self._connection.execute(
            "UPDATE generations SET dimension = %s WHERE id = %s", (dimension, generation.id)
        )

    def refuse_other_store(self, kind: str) -> None:
        """Sees that the index lies in this kind of store, as far as there is anything of it.

        Raises:
            Mismatch: it lies in another one.
        """
        other = next((one.store for one in self.all() if one.store != kind), None)
        if other is not None:
            raise Mismatch(
                f"the index {self.index!r} lies in {other}, and the spec names {kind}",
                where="store.type",
                hint="name the store that it lies in, or give the spec an index of its own (store.index)",
            )

    def _is_active(self, generation: Generation) -> bool:
        row = self._connection.execute(
            "SELECT active = %s FROM indexes WHERE name = %s", (generation.id, self.index)
        ).fetchone()
        return bool(row and row[0])

    def refuse_other_tables(self) -> None:
        """Sees that the index's tables are called as its spec says, and that no other index has such names.

        Raises:
            Mismatch: they are called otherwise, or another one has.
        """
        prefix = self._table_prefix or self.index
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM generations WHERE status <> 'dropped' AND store = 'pgvector' AND "
            "(index_name = %s OR starts_with(coalesce(tables, index_name || '_g' || number), %s || '_g'))",
            (self.index, prefix),
        ).fetchall()
        for one in (Generation(*row) for row in rows):
            named = one.table_prefix.removesuffix(f"_g{one.number}")
            if one.index == self.index and named != prefix:
                raise Mismatch(
                    f"the tables of the index {self.index!r} begin with {named!r}, the spec says {prefix!r}",
                    where="store.table_prefix",
                    hint="name that one, or give the spec an index of its own (store.index)",
                )
            if one.index != self.index and named == prefix:
                raise Mismatch(
                    f"the tables that begin with {prefix!r} are those of the index {one.index!r}",
                    where="store.table_prefix",
                    hint="name another prefix, or another schema (store.schema)",
                )

    def mark_dropped(self, generation: Generation) -> None:
        """Its ledger goes, its row stays as history. Its tables are the store's to drop."""
        with self._connection.transaction():
            for table in ("items", "documents"):
                self._connection.execute(f"DELETE FROM {table} WHERE generation = %s", (generation.id,))
            self._connection.execute(
                "UPDATE generations SET status = 'dropped' WHERE id = %s", (generation.id,)
            )


def known_numbers(connection: Connection[Any], index: str) -> set[int]:
    """The numbers of all generations that the index ever had, dropped ones too."""
    rows = connection.execute("SELECT number FROM generations WHERE index_name = %s", (index,))
    return {number for (number,) in rows}


def every_generation(connection: Connection[Any]) -> list[Generation]:
    """Those of all indexes in the database that have a table, newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM generations WHERE status <> 'dropped' ORDER BY id DESC"
    ).fetchall()
    return [Generation(*row) for row in rows]
