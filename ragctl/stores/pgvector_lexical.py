"""The lexical side of a generation: the lexemes of each chunk, and how many chunks have each.

Two tables beside documents and chunks. `<prefix>_lexical` has a row a chunk, written in the transaction
that writes the chunk. `<prefix>_terms` has the numbers that BM25 needs of all chunks together; no store
transaction touches it, so that writers of different documents never wait for one another.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ragctl.errors import Unavailable
from ragctl.stores.pgvector_copy import copy_rows
from ragctl.stores.pgvector_lexemes import CountedText, PgVectorLexemes
from ragctl.stores.text_analysis import LANGUAGES, SNOWBALL, lexemes, words
from ragctl.types import EmbeddedDocument, ItemKey

if TYPE_CHECKING:
    from psycopg import Connection, sql

LEXICAL_KINDS = ("lexical", "terms")

# Of a row in COPY's binary form: number of columns; length and value of document, ordinal, length; the
# length of the lexemes.
_ROW = struct.Struct("!hiqiiiii")

TERMS_FILLED = 50
"""Per cent of a page of the terms' table that is filled at first.

The rest has room for the next count of the same terms: such a change needs no entry in the index, and what it
leaves is cleared away when the page is next read, without VACUUM.
"""

_GROUP = 1_000  # chunks whose counted words are in memory at a time, some 5 KB each

CountedGroup = Sequence[tuple[ItemKey, int, CountedText]]
"""Chunks by (source, path) of the document and ordinal, with their words."""


class PgVectorLexical:
    """The tables `<schema>.<prefix>_lexical` and `<schema>.<prefix>_terms`.

    Args:
        connection: in autocommit mode; every write is one transaction, or joins the caller's.
        schema, prefix: as the store's.
        language: one of `text_analysis.LANGUAGES`.

    Raises:
        ValueError: there is no such language.
    """

    def __init__(self, connection: Connection[Any], *, schema: str, prefix: str, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"unknown language {language!r}")
        self._connection = connection
        self._language = language
        self._schema = schema
        self._tables = {
            kind: (schema, f"{prefix}_{kind}") for kind in ("documents", "chunks", *LEXICAL_KINDS)
        }
        self._index = f"{prefix}_lexemes"
        self._texts = PgVectorLexemes(connection, language)
        self._seen = False

    @property
    def tables(self) -> Mapping[str, tuple[str, str]]:
        """(schema, name) of the two tables, by kind."""
        return {kind: self._tables[kind] for kind in LEXICAL_KINDS}

    def create(self) -> None:
        """Makes the tables, unless they are there.

        Raises:
            Unavailable: the database has no text search configuration for the language.
        """
        self._check_language()
        self._seen = False
        if self.exists():
            return
        from psycopg import sql

        # Rows stay in the table itself and uncompressed up to the largest that a page holds: every
        # candidate's lexemes are looked up several times. The planner needs no statistics of them.
        self._execute(
            """
            CREATE TABLE IF NOT EXISTS {lexical} (
                document bigint NOT NULL,
                ordinal  integer NOT NULL,
                id       bigint GENERATED ALWAYS AS IDENTITY,
                length   integer NOT NULL,
                lexemes  tsvector NOT NULL,
                PRIMARY KEY (document, ordinal)
            ) WITH (toast_tuple_target = 8160)
            """
        )
        self._execute("ALTER TABLE {lexical} ALTER COLUMN lexemes SET STATISTICS 0")
        self._execute(
            """
            CREATE TABLE IF NOT EXISTS {terms} (
                term        text COLLATE "C" PRIMARY KEY,
                chunks      bigint NOT NULL,
                occurrences bigint,
                last_id     bigint
            ) WITH (fillfactor = {room})
            """,
            room=sql.Literal(TERMS_FILLED),
        )

    def _check_language(self) -> None:
        if self._language not in SNOWBALL:
            return
        found = self._connection.execute(
            "SELECT 1 FROM pg_ts_config WHERE cfgname = %s AND cfgnamespace = 'pg_catalog'::regnamespace",
            (self._language,),
        ).fetchone()
        if found is None:
            raise Unavailable(
                f"the database has no text search configuration {self._language!r}",
                where="store",
                hint="it comes with PostgreSQL from version 15 on; or choose another chunk.language",
            )

    def exists(self) -> bool:
        """Are the tables there? A release without lexical search made none."""
        from psycopg import sql

        if not self._seen:
            row = self._connection.execute(
                "SELECT count(to_regclass(name)) FROM unnest(%s::text[]) name",
                ([sql.Identifier(*name).as_string(self._connection) for name in self.tables.values()],),
            ).fetchone()
            self._seen = row is not None and row[0] == len(LEXICAL_KINDS)
        return self._seen

    def counted(self, documents: Sequence[EmbeddedDocument]) -> Iterator[CountedGroup]:
        """The words of these documents' chunks, for `write`, some chunks at a time.

        Once begun it asks the server nothing, so it can go on while that is busy with this connection.
        What is analysed is the embed input: title (unless it is a file's name), headings and text, as
        far as `chunk.context` lets the model read them.
        """
        chunks = (
            ((document.document.source, document.document.path), chunk.ordinal, chunk.embed_input)
            for document in documents
            for chunk in document.chunks
        )
        while group := list(islice(chunks, _GROUP)):
            yield [(key, ordinal, self._texts.count(text)) for key, ordinal, text in group]

    def write(self, groups: Iterable[CountedGroup], ids: Mapping[ItemKey, int]) -> None:
        """The lexemes of chunks of which none are there; does nothing where the tables are not there.

        Args:
            groups: from `counted`.
            ids: of the documents, by (source, path).
        """
        if not self.exists():
            return
        for group in groups:
            vectors = self._texts.vectors([text for _, _, text in group])
            rows = (
                _ROW.pack(4, 8, ids[key], 4, ordinal, 4, vector.length, len(vector.content)) + vector.content
                for (key, ordinal, _), vector in zip(group, vectors, strict=True)
            )
            columns = ("document", "ordinal", "length", "lexemes")
            copy_rows(self._connection, self._tables["lexical"], columns, rows)

    def insert(self, texts: Iterable[tuple[int, int, str]]) -> None:
        """Lexemes of (document, ordinal, text), where there are none yet; two may do it at once."""
        rows = [(document, ordinal, self._prepared(text)) for document, ordinal, text in texts]
        if not rows:
            return
        self._execute(
            f"""
            INSERT INTO {{lexical}} (document, ordinal, length, lexemes)
            SELECT document, ordinal,
                   coalesce((SELECT sum(cardinality(positions)) FROM unnest(lexemes)), 0), lexemes
            FROM (SELECT document, ordinal, {self._analysis} AS lexemes
                  FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS t (document, ordinal, text)
                  OFFSET 0) analysed
            ON CONFLICT DO NOTHING
            """,
            tuple(map(list, zip(*rows, strict=True))),
        )

    def delete(self, documents: Iterable[int]) -> None:
        """Removes the lexemes of documents, by id. Does nothing where the tables are not there."""
        if self.exists():
            self._execute("DELETE FROM {lexical} WHERE document = ANY(%s)", (list(documents),))

    @property
    def _analysis(self) -> str:
        """SQL that makes a tsvector of the column `text`, which holds `_prepared` text."""
        if self._language in SNOWBALL:
            return f"to_tsvector('pg_catalog.{self._language}', text)"
        return "text::tsvector"

    def _prepared(self, text: str) -> str:
        return " ".join(words(text)) if self._language in SNOWBALL else lexemes(text)

    def _execute(
        self,
        statement: str,
        parameters: Sequence[object] | Mapping[str, object] = (),
        **parts: sql.Composable,
    ) -> Any:
        """Runs it with the names, and `parts`, in place of what stands in braces."""
        from psycopg import sql

        percent = "%%" if parameters else "%"  # beside placeholders, psycopg reads %% as a percent sign
        names = {
            key: sql.Identifier(*(part.replace("%", percent) for part in name))
            for key, name in self._tables.items()
        }
        index = sql.Identifier(self._index.replace("%", percent))
        composed = sql.SQL(statement).format(**names, **parts, index=index)
        return self._connection.execute(composed, parameters or None)
