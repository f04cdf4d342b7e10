"""What is wrong in a generation's tables, and what of it can be put right there."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.stores.pgvector_whole import PgVectorWhole
from ragctl.stores.unit_length import LENGTH_TOLERANCE
from ragctl.types import DocumentRecord, ItemKey

_WRONG = (
    "(c.embedding IS NULL OR vector_dims(c.embedding) <> {dimension} "
    f"OR NOT abs(vector_norm(c.embedding) - 1) <= {LENGTH_TOLERANCE})"
)


class PgVectorSurvey(PgVectorWhole):
    """A generation's tables, looked at as a whole."""

    def column_dimension(self) -> int | None:
        """Numbers in each vector, as the column's type says; 0 if it says none, None if it is gone."""
        from psycopg import sql

        row = self._connection.execute(
            "SELECT a.atttypmod FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            "WHERE a.attrelid = to_regclass(%s) AND a.attname = 'embedding' AND t.typname = 'vector' "
            "AND NOT a.attisdropped",
            (sql.Identifier(*self.chunk_table).as_string(self._connection),),
        ).fetchone()
        return max(int(row[0]), 0) if row else None

    def holds_vectors(self) -> bool:
        """Is there a column that can hold this generation's vectors?"""
        return self.column_dimension() in (0, self._dimension)

    def records(self) -> dict[ItemKey, DocumentRecord]:
        """Every document with what lies beside its vectors, and how many chunks it has."""
        beside = "d.item, d.reader, d.fingerprint" if self.has_records() else "'', '', ''"
        rows = self._execute(
            f"""
            SELECT d.source, d.path, {beside}, d.digest, coalesce(c.chunks, 0)
            FROM {{documents}} d
            LEFT JOIN (SELECT document, count(*)::int AS chunks FROM {{chunks}} GROUP BY document) c
              ON c.document = d.id
            """
        )
        return {
            (source, path): DocumentRecord(
                source=source,
                path=path,
                item=item or path,
                reader=reader,
                fingerprint=fingerprint,
                digest=digest,
                chunks=chunks,
            )
            for source, path, item, reader, fingerprint, digest, chunks in rows
        }

    def without_record(self) -> int:
        """Documents that an earlier release wrote, without item, reader and fingerprint."""
        if not self.has_records():
            return self.counts()[0]
        return int(self._execute("SELECT count(*) FROM {documents} WHERE item = ''").fetchone()[0])

    def recall(self) -> int:
        """Nothing is noted in the state of which documents are to be seen: those that are there."""
        return 0

    def orphan_chunks(self) -> int:
        """Chunks whose document is not there; no search finds them."""
        return int(
            self._execute(
                "SELECT count(*) FROM {chunks} c "
                "WHERE NOT EXISTS (SELECT 1 FROM {documents} d WHERE d.id = c.document)"
            ).fetchone()[0]
        )

    def delete_orphan_chunks(self) -> int:
        """Removes what `orphan_chunks` counts."""
        return int(
            self._execute(
                "DELETE FROM {chunks} c "
                "WHERE NOT EXISTS (SELECT 1 FROM {documents} d WHERE d.id = c.document)"
            ).rowcount
        )

    def wrong_vectors(self) -> dict[ItemKey, int]:
        """Documents with chunks whose vector is missing, zero, NaN or not of unit length; how many.

        Or of another dimension, where the column allows it.
        """
        rows = self._execute(
            f"""
            SELECT d.source, d.path, count(*) FROM {{chunks}} c JOIN {{documents}} d ON d.id = c.document
            WHERE {_WRONG} GROUP BY d.source, d.path
            """
        )
        return {(source, path): count for source, path, count in rows}

    def disown_wrong_vectors(self) -> list[bytes]:
        """Sees that no embed input leads to a wrong vector any more; returns the hashes of those inputs."""
        rows = self._execute(
            f"""
            WITH wrong AS (SELECT c.document, c.ordinal, c.input_hash FROM {{chunks}} c
                           WHERE {_WRONG} AND c.input_hash <> '')
            UPDATE {{chunks}} c SET input_hash = '' FROM wrong w
            WHERE c.document = w.document AND c.ordinal = w.ordinal RETURNING w.input_hash
            """
        )
        return [row[0] for row in rows]

    def describe(self, records: Sequence[DocumentRecord]) -> int:
        """Writes item, reader and fingerprint beside documents that have none; returns how many."""
        return int(
            self._execute(
                """
                UPDATE {documents} d SET item = t.item, reader = t.reader, fingerprint = t.fingerprint
                FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                     AS t (source, path, item, reader, fingerprint)
                WHERE d.source = t.source AND d.path = t.path AND d.item = ''
                """,
                tuple(
                    [getattr(one, name) for one in records]
                    for name in ("source", "path", "item", "reader", "fingerprint")
                ),
            ).rowcount
        )
