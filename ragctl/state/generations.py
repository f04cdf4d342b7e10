"""Generations of an index: which table is built by which recipe, and which one is active."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch, RunInProgress

if TYPE_CHECKING:
    from psycopg import Connection

_COLUMNS = "id, index_name, number, recipe, recipe_parts, embedder, dimension, status"


@dataclass(frozen=True, slots=True)
class Generation:
    """One physical table, built by one recipe. `status`: building, active, kept or dropped."""

    id: int
    index: str
    number: int
    recipe: str
    recipe_parts: Mapping[str, str]
    embedder: str
    dimension: int
    status: str

    @property
    def table_prefix(self) -> str:
        return f"{self.index}_g{self.number}"


class Generations:
    """The generations of one index."""

    def __init__(self, connection: Connection[Any], index: str) -> None:
        self._connection = connection
        self.index = index

    def check_owner(self, pipeline: str) -> None:
        """Sees that the index is this pipeline's, or nobody's.

        Raises:
            Mismatch: it belongs to another pipeline.
        """
        row = self._connection.execute(
            "SELECT pipeline FROM ragctl.indexes WHERE name = %s", (self.index,)
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
            "INSERT INTO ragctl.indexes (name, pipeline) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self.index, pipeline),
        )

    def all(self) -> list[Generation]:
        """Every generation that has a table, oldest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM ragctl.generations "
            "WHERE index_name = %s AND status <> 'dropped' ORDER BY number",
            (self.index,),
        ).fetchall()
        return [Generation(*row) for row in rows]

    def active(self) -> Generation | None:
        """The one that is queried, if any was published."""
        return next((one for one in self.all() if one.status == "active"), None)

    def create(
        self, *, recipe: str, recipe_parts: Mapping[str, str], embedder: str, dimension: int
    ) -> Generation:
        """A new generation in status `building`; its tables are the store's to make."""
        row = self._connection.execute(
            "INSERT INTO ragctl.generations "
            "(index_name, number, recipe, recipe_parts, embedder, dimension, status) "
            "SELECT %s, coalesce(max(number), 0) + 1, %s, %s, %s, %s, 'building' "
            f"FROM ragctl.generations WHERE index_name = %s RETURNING {_COLUMNS}",
            (self.index, recipe, json.dumps(dict(recipe_parts)), embedder, dimension, self.index),
        ).fetchone()
        assert row is not None  # INSERT … SELECT of an aggregate gives one row
        return Generation(*row)

    def publish(self, generation: Generation, *, instead_of: Generation | None) -> None:
        """Flips the pointer from `instead_of` to `generation`, if nobody has moved it meanwhile.

        Raises:
            RunInProgress: somebody has, or `generation` was dropped.
        """
        with self._connection.transaction():
            moved = self._connection.execute(
                "UPDATE ragctl.indexes SET active = %s WHERE name = %s AND active IS NOT DISTINCT FROM %s",
                (generation.id, self.index, instead_of.id if instead_of else None),
            ).rowcount
            if moved != 1:
                raise RunInProgress(f"another run has published a generation of {self.index!r} meanwhile")
            self._connection.execute(
                "UPDATE ragctl.generations SET status = 'kept' WHERE index_name = %s AND status = 'active'",
                (self.index,),
            )
            made_active = self._connection.execute(
                "UPDATE ragctl.generations SET status = 'active', published_at = now() "
                "WHERE id = %s AND status <> 'dropped'",
                (generation.id,),
            ).rowcount
            if made_active != 1:
                raise RunInProgress(
                    f"another run has dropped generation {generation.number} of {self.index!r} meanwhile"
                )

    def mark_dropped(self, generation: Generation) -> None:
        """Its ledger goes, its row stays as history. Its tables are the store's to drop."""
        with self._connection.transaction():
            for table in ("items", "documents"):
                self._connection.execute(
                    f"DELETE FROM ragctl.{table} WHERE generation = %s", (generation.id,)
                )
            self._connection.execute(
                "UPDATE ragctl.generations SET status = 'dropped' WHERE id = %s", (generation.id,)
            )
