"""What the end of an ingest does for lexical search: what is missing is added, and terms are counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ragctl.stores.pgvector_lexical import PgVectorLexical

STALE_SHARE = 0.02
"""Terms are counted anew when more than this share of the chunks came or went since they were."""

_COUNTING = 0x7274  # "rt": keeps this advisory lock apart from others
_BATCH = 1000  # chunks that are filled in at a time


class PgVectorLexicalUpkeep(PgVectorLexical):
    """The upkeep of a generation's lexical tables."""

    def optimize(self, *, exact: bool = False) -> None:
        """See `PgVectorStore.optimize`."""
        self._add_missing()
        self._remove_orphans()
        if not self._has_index():
            with self._connection.transaction():
                # Of two that build at the same time the second waits, and finds it built.
                self._execute("LOCK TABLE {lexical} IN SHARE ROW EXCLUSIVE MODE")
                self._execute("CREATE INDEX IF NOT EXISTS {index} ON {lexical} USING gin (lexemes)")
        else:
            self._merge_pending()
        self._count_terms(exact=exact)

    def _add_missing(self) -> None:
        """Lexemes of chunks that were written by a release without them; batch by batch, each for good.

        A chunk that is being replaced meanwhile is waited for, and is not missing any more then.
        """
        while True:
            with self._connection.transaction():
                rows = self._execute(
                    """
                    SELECT c.document, c.ordinal, c.text, c.headings, d.title, d.path
                    FROM {chunks} c JOIN {documents} d ON d.id = c.document
                    WHERE NOT EXISTS (SELECT FROM {lexical} l
                                      WHERE l.document = c.document AND l.ordinal = c.ordinal)
                    ORDER BY c.document, c.ordinal LIMIT %s FOR KEY SHARE OF c
                    """,
                    (_BATCH,),
                ).fetchall()
                self.insert((row[0], row[1], _earlier_input(*row[2:])) for row in rows)
            if len(rows) < _BATCH:
                return

    def _remove_orphans(self) -> None:
        """Lexemes of chunks that somebody removed past this code; no search would show them."""
        self._execute(
            """
            DELETE FROM {lexical} l WHERE NOT EXISTS
                (SELECT FROM {chunks} c WHERE c.document = l.document AND c.ordinal = l.ordinal)
            """
        )

    def _index_name(self) -> str:
        from psycopg import sql

        return sql.Identifier(self._schema, self._index).as_string(self._connection)

    def _has_index(self) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s) IS NOT NULL", (self._index_name(),)).fetchone()
        return bool(row and row[0])

    def _merge_pending(self) -> None:
        """What writers left in the index's list of new entries, which every search reads through."""
        self._connection.execute("SELECT gin_clean_pending_list(%s::regclass)", (self._index_name(),))

    def _count_terms(self, *, exact: bool) -> None:
        """Counts, in one transaction, unless little has changed since it was done last.

        Terms of a single chunk are most of all and are left out: what is not in the table counts as one.
        """
        from psycopg import sql

        lexical = sql.Identifier(*self._tables["lexical"]).as_string(self._connection)
        with self._connection.transaction():
            # Of two that count at the same time the second waits. A lock on the table would break an
            # autovacuum of it off.
            terms = sql.Identifier(*self._tables["terms"]).as_string(self._connection)
            self._connection.execute(
                "SELECT pg_advisory_xact_lock(%s, to_regclass(%s)::oid::integer)", (_COUNTING, terms)
            )
            if not exact and not self._stale():
                return
            self._execute(
                """
                INSERT INTO {terms} (term, chunks, occurrences, last_id)
                SELECT '', count(*), coalesce(sum(length), 0), coalesce(max(id), 0) FROM {lexical}
                ON CONFLICT (term) DO UPDATE SET
                    chunks = excluded.chunks, occurrences = excluded.occurrences, last_id = excluded.last_id
                """
            )
            # Only what is another number than before is written, or each count would leave as many dead rows
            # as there are terms.
            self._execute(
                """
                WITH counted AS MATERIALIZED (SELECT word, ndoc FROM ts_stat(%s) WHERE ndoc > 1),
                gone AS (
                    DELETE FROM {terms} t
                    WHERE t.term <> '' AND NOT EXISTS (SELECT FROM counted c WHERE c.word = t.term)
                )
                INSERT INTO {terms} AS t (term, chunks)
                SELECT word, ndoc FROM counted c
                WHERE NOT EXISTS (SELECT FROM {terms} u WHERE u.term = c.word AND u.chunks = c.ndoc)
                ON CONFLICT (term) DO UPDATE SET chunks = excluded.chunks
                """,
                (f"SELECT lexemes FROM {lexical}",),
            )

    def _stale(self) -> bool:
        row = self._execute("SELECT chunks, last_id FROM {terms} WHERE term = ''").fetchone()
        if row is None:
            return True
        counted, last = row
        now, came = self._execute(
            "SELECT count(*), count(*) FILTER (WHERE id > %s) FROM {lexical}", (last,)
        ).fetchone()
        went = counted + came - now
        return bool(came + went > STALE_SHARE * counted)


def _earlier_input(text: str, headings: Sequence[str], title: str, path: str) -> str:
    """The embed input of a chunk as far as its row tells: a title that is the file's name does not count."""
    named = "" if title in (path, PurePosixPath(path).stem) else title
    return "\n".join([named, *headings, text])
