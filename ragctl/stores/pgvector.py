"""pgvector: one generation of an index as two tables, documents and chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.stores.pgvector_dense import PgVectorDenseSearch
from ragctl.stores.pgvector_expectations import make_extension, tables_expected
from ragctl.stores.pgvector_hnsw import PgVectorHnsw
from ragctl.stores.pgvector_lexical import PgVectorLexical
from ragctl.stores.pgvector_rows import CHUNK_COLUMNS, chunk_rows
from ragctl.types import EmbeddedDocument, Hit, ItemKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection, sql

    Vectors = NDArray[np.float32]

_NAME_BYTES = 63  # of an identifier: PostgreSQL's NAMEDATALEN - 1; it cuts longer ones without an error
# Of the documents table, since the second release: with the digest, what the ledger can be made from again.
_RECORD = ("item", "reader", "fingerprint")


class PgVectorStore:
    """The tables `<schema>.<prefix>_documents` and `<schema>.<prefix>_chunks`.

    Chunks carry what a search result shows and the hash of their embed input; documents carry
    their identity and the digest of their bytes, so that the state could be made again from them.

    Args:
        connection: in autocommit mode; every write is one transaction, or joins the caller's.
        schema, prefix: any names whose UTF-8 fits an identifier; they are quoted.
        dimension: of the vectors.
        language: of the text, as `chunk.language` names it; words are stemmed by it.
        index_from: chunks from which on `optimize` builds an HNSW index; None: by what was measured.

    Raises:
        ValueError: a name is too long, or the language unknown.
    """

    def __init__(
        self,
        connection: Connection[Any],
        *,
        schema: str,
        prefix: str,
        dimension: int,
        language: str = "english",
        index_from: int | None = None,
    ) -> None:
        from pgvector.psycopg import register_vector
        from psycopg.types import TypeInfo

        names = (schema, f"{prefix}_documents", f"{prefix}_chunks")
        too_long = [name for name in names if len(name.encode()) > _NAME_BYTES]
        if too_long:
            raise ValueError(f"the name {too_long[0]!r} is longer than {_NAME_BYTES} bytes")
        self._connection = connection
        self._dimension = dimension
        self._inputs = f"{prefix}_inputs"
        self._tables = {"documents": (schema, names[1]), "chunks": (schema, names[2])}
        self._lexical_of = {"schema": schema, "prefix": prefix, "language": language}
        self._lexical = PgVectorLexical(connection, **self._lexical_of)
        self._hnsw = PgVectorHnsw(
            connection, schema=schema, prefix=prefix, dimension=dimension, index_from=index_from
        )
        self._dense = PgVectorDenseSearch(connection, self._hnsw, schema=schema, prefix=prefix)
        self._has_type = TypeInfo.fetch(connection, "vector") is not None
        if self._has_type:  # else `create` brings it
            register_vector(connection)

    def create(self) -> None:
        """Makes the tables, and the extension in the database, unless they are there.

        Raises:
            Unavailable: the server has no such extension, or no configuration for the language.
            Mismatch: there are tables, and their vectors are gone.
        """
        make_extension(self._connection)
        self._has_type = True
        self._execute(
            """
            CREATE TABLE IF NOT EXISTS {documents} (
                id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                source     text NOT NULL,
                path       text NOT NULL,
                uri        text NOT NULL,
                title      text NOT NULL,
                media_type text NOT NULL,
                digest     text NOT NULL,
                version    bigint NOT NULL DEFAULT 1,
                metadata   jsonb NOT NULL DEFAULT '{{}}',
                UNIQUE (source, path)
            )
            """
        )
        if not self.has_records():
            added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} text NOT NULL DEFAULT ''" for name in _RECORD)
            self._execute(f"ALTER TABLE {{documents}} {added}")
        # Vectors stay in the rows, up to the largest that a page holds: an exact search reads them all, and
        # takes 2.5 times as long where each is to be fetched from another table.
        self._execute(
            """
            CREATE TABLE IF NOT EXISTS {chunks} (
                document   bigint NOT NULL,
                ordinal    integer NOT NULL,
                span_start integer NOT NULL,
                span_end   integer NOT NULL,
                text       text NOT NULL,
                headings   text[] NOT NULL,
                line       integer,
                page       integer,
                sheet      text,
                tokens     integer NOT NULL,
                input_hash bytea NOT NULL,
                embedding  vector({dimension}) NOT NULL,
                PRIMARY KEY (document, ordinal)
            ) WITH (toast_tuple_target = 8160)
            """
        )
        self._execute("SELECT embedding FROM {chunks} LIMIT 0")  # DROP EXTENSION CASCADE takes the column
        self.index_inputs()
        self._lexical.create()

    def has_records(self) -> bool:
        """Has the documents table the columns item, reader and fingerprint? The first release's has not.

        Asked first, because ALTER TABLE waits for every reader, also where it has nothing to add.
        """
        from psycopg import sql

        row = self._connection.execute(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = ANY(%s)",
            (sql.Identifier(*self._tables["documents"]).as_string(self._connection), list(_RECORD)),
        ).fetchone()
        return row is not None and row[0] == len(_RECORD)

    @property
    def chunk_table(self) -> tuple[str, str]:
        """(schema, name) of the table whose columns `input_hash` and `embedding` serve as a vector cache."""
        return self._tables["chunks"]

    def index_inputs(self) -> None:
        """Makes the index by which vectors are found by their embed input, unless it is there.

        Tables that an earlier release made have none.
        """
        self._execute("CREATE INDEX IF NOT EXISTS {inputs} ON {chunks} (input_hash)")

    def size_bytes(self) -> int:
        """Bytes on disk of the tables with their indexes; 0 if they are gone."""
        from psycopg import sql

        tables = [*self._tables.values(), *self._lexical.tables.values()]
        row = self._connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) FROM unnest(%s::text[]) name",
            ([sql.Identifier(*name).as_string(self._connection) for name in tables],),
        ).fetchone()
        return int(row[0]) if row else 0

    def drop(self) -> None:
        """Removes the tables and all that is in them."""
        self._execute("DROP TABLE IF EXISTS {chunks}, {documents}, {lexical}, {terms}")

    def replace(
        self, documents: Sequence[EmbeddedDocument], *, fingerprints: Mapping[ItemKey, str] | None = None
    ) -> None:
        """Each document's chunks are those given, and no others; readers see old or new, whole.

        Args:
            fingerprints: of the items, by (source, path), to be kept beside their documents.

        Raises:
            Mismatch: a vector has another dimension, or the tables are gone; nothing was written.
        """
        for document in documents:
            if document.vectors.shape[1] != self._dimension:
                raise Mismatch(
                    f"its vectors have {document.vectors.shape[1]} dimensions, the index has "
                    f"{self._dimension}",
                    where=f"{document.document.source}:{document.document.path}",
                )
        with self._connection.transaction():
            ids = self._upsert_documents(documents, fingerprints or {})
            self._execute("DELETE FROM {chunks} WHERE document = ANY(%s)", (list(ids.values()),))
            self._copy_chunks(documents, ids)
            with tables_expected():
                self._lexical.write(documents, ids)

    def _upsert_documents(
        self, documents: Sequence[EmbeddedDocument], fingerprints: Mapping[ItemKey, str]
    ) -> dict[ItemKey, int]:
        rows = self._execute(
            """
            INSERT INTO {documents} AS d
                (source, path, uri, title, media_type, digest, metadata, item, reader, fingerprint)
            SELECT source, path, uri, title, media_type, digest, metadata::jsonb, item, reader, fingerprint
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                        %s::text[], %s::text[], %s::text[])
                 AS t (source, path, uri, title, media_type, digest, metadata, item, reader, fingerprint)
            ON CONFLICT (source, path) DO UPDATE SET
                uri = excluded.uri, title = excluded.title, media_type = excluded.media_type,
                digest = excluded.digest, metadata = excluded.metadata, version = d.version + 1,
                item = excluded.item, reader = excluded.reader, fingerprint = excluded.fingerprint
            RETURNING source, path, id
            """,
            (
                [one.document.source for one in documents],
                [one.document.path for one in documents],
                [one.document.uri for one in documents],
                [one.document.title for one in documents],
                [one.document.media_type for one in documents],
                [one.document.digest for one in documents],
                [json.dumps(dict(one.document.metadata)) for one in documents],
                [one.document.item for one in documents],
                [one.document.reader for one in documents],
                [fingerprints.get((one.document.source, one.document.item), "") for one in documents],
            ),
        )
        return {(source, path): number for source, path, number in rows}

    def note_fingerprint(self, item: ItemKey, fingerprint: str) -> None:
        """The item was looked at again and is the same: keeps the newer fingerprint beside its document.

        A document that is only a part of its item keeps the older one; it can cost one reading more
        after the ledger was lost.
        """
        self._execute(
            "UPDATE {documents} SET fingerprint = %s WHERE source = %s AND path = %s AND item = path",
            (fingerprint, *item),
        )

    def _copy_chunks(self, documents: Sequence[EmbeddedDocument], ids: dict[ItemKey, int]) -> None:
        from psycopg import sql

        columns = sql.SQL(", ").join(sql.Identifier(name) for name, _ in CHUNK_COLUMNS)
        statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(
            sql.Identifier(*self._tables["chunks"]), columns
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([kind for _, kind in CHUNK_COLUMNS])
            for document in documents:
                number = ids[document.document.source, document.document.path]
                for row in chunk_rows(document):
                    copy.write_row((number, *row))

    def delete(self, documents: Sequence[tuple[str, str]]) -> int:
        """Removes documents by (source, path); returns how many chunks went."""
        with self._connection.transaction():
            ids = [
                row[0]
                for row in self._execute(
                    "DELETE FROM {documents} WHERE (source, path) IN "
                    "(SELECT * FROM unnest(%s::text[], %s::text[])) RETURNING id",
                    ([source for source, _ in documents], [path for _, path in documents]),
                )
            ]
            self._lexical.delete(ids)
            return int(self._execute("DELETE FROM {chunks} WHERE document = ANY(%s)", (ids,)).rowcount)

    def input_hashes(self, documents: Sequence[tuple[str, str]]) -> set[bytes]:
        """Hashes of the embed inputs of all chunks of these documents, given by (source, path)."""
        rows = self._execute(
            """
            SELECT DISTINCT c.input_hash FROM {chunks} c JOIN {documents} d ON d.id = c.document
            WHERE (d.source, d.path) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
            """,
            ([source for source, _ in documents], [path for _, path in documents]),
        )
        return {row[0] for row in rows}

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Searches inside it see the index as it was at the first of them. For reading only."""
        from psycopg import IsolationLevel

        before = self._connection.isolation_level
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with self._connection.transaction():
                yield
        finally:
            self._connection.isolation_level = before

    def search(self, vectors: Vectors, *, k: int) -> list[list[Hit]]:
        """The k nearest chunks by cosine for each row of `vectors` (questions, dimension), best first.

        Exact, or by way of the HNSW index where `optimize` built one: that may pass over a chunk, but
        always brings k if there are so many. `score` is the cosine, of the vectors as they were given, in
        both cases; of equal scores the first by source, path and span comes first.

        Raises:
            Mismatch: the vectors have another dimension, or the tables are gone.
        """
        if vectors.shape[1] != self._dimension:
            raise Mismatch(
                f"the question's vector has {vectors.shape[1]} dimensions, the index has {self._dimension}"
            )
        if not self._has_type:
            raise Mismatch(
                "the database's extension `vector` is gone, and with it the vectors",
                where="store",
                hint="`ragctl doctor SPEC` says how to mend it",
            )
        with tables_expected():
            return self._dense.search(vectors, k=k)

    def search_text(self, questions: Sequence[str], *, k: int) -> list[list[Hit]]:
        """The k best chunks by BM25 for each question, best first; none for one of stop words alone.

        A chunk need not have all of a question's words, and a word that occurs twice in it counts twice.
        Nothing in a question is an operator. Of equal scores the first by source, path and span comes
        first. Chunks that have only words that are common in the index may be passed over, see
        `lexical_question`. How common words are was counted by `optimize`.

        Raises:
            Mismatch: `optimize` has not been called since the tables were made, or since a release
                without lexical search made them.
        """
        from ragctl.stores.pgvector_lexical_search import PgVectorLexicalSearch

        return PgVectorLexicalSearch(self._connection, **self._lexical_of).search(questions, k=k)

    def has_text_index(self) -> bool:
        """Would `search_text` find what is stored? Not before the first `optimize`."""
        from ragctl.stores.pgvector_lexical_search import PgVectorLexicalSearch

        return PgVectorLexicalSearch(self._connection, **self._lexical_of).ready()

    def has_vector_index(self) -> bool:
        """Has it the HNSW index that it should have? True too where there are too few chunks for one."""
        with tables_expected():
            return not self._hnsw.due()

    def optimize(self, *, exact: bool = False, tell: Callable[[str], None] | None = None) -> None:
        """Brings up to date what searches rest on and writers leave alone. For the end of an ingest.

        Lexical search: adds what it needs for chunks of a release that knew none, makes its index, and
        counts in how many chunks each word is, unless at most 2 % of the chunks came or went since that
        was counted last. In between, a word's frequency may be off by that much, and new words count
        as rare, whatever an unfinished ingest has added; what is found is always what is stored.

        Dense search: builds the HNSW index, if there are enough chunks for it. It is kept up by every
        write from then on. Call this outside a transaction: a build may take minutes.

        Args:
            tell: gets a sentence before a build, and for whatever it has to do without.
            exact: count words in any case. A word of several deleted chunks stays in the table of
                frequencies until then.

        Raises:
            Mismatch: the tables are gone.
        """
        from ragctl.stores.pgvector_lexical_upkeep import PgVectorLexicalUpkeep

        with tables_expected():
            PgVectorLexicalUpkeep(self._connection, **self._lexical_of).optimize(exact=exact)
            if self._hnsw.build(tell=tell):
                self._dense.forget()

    def counts(self) -> tuple[int, int]:
        """(documents, chunks) in the tables; (0, 0) if the tables are gone."""
        if not self.exists():
            return 0, 0
        row = self._execute(
            "SELECT (SELECT count(*) FROM {documents}), (SELECT count(*) FROM {chunks})"
        ).fetchone()
        return int(row[0]), int(row[1])

    def exists(self) -> bool:
        """Are the tables there?"""
        from psycopg import sql

        row = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND to_regclass(%s) IS NOT NULL",
            [sql.Identifier(*name).as_string(self._connection) for name in self._tables.values()],
        ).fetchone()
        return bool(row and row[0])

    def documents(self) -> set[tuple[str, str]]:
        """(source, path) of every document in the tables."""
        return {(source, path) for source, path in self._execute("SELECT source, path FROM {documents}")}

    def chunks_of(self, source: str, path: str) -> list[dict[str, Any]]:
        """A document's chunks in order: ordinal, start, end, line, page, sheet, headings, tokens, text."""
        from psycopg.rows import dict_row

        with tables_expected(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                self._sql(
                    """
                    SELECT c.ordinal, c.span_start AS start, c.span_end AS end, c.line, c.page, c.sheet,
                           c.headings, c.tokens, c.text
                    FROM {chunks} c JOIN {documents} d ON d.id = c.document
                    WHERE d.source = %s AND d.path = %s ORDER BY c.ordinal
                    """,
                    beside_placeholders=True,
                ),
                (source, path),
            ).fetchall()

    def _execute(self, statement: str, parameters: Sequence[object] = (), *, binary: bool = False) -> Any:
        composed = self._sql(statement, beside_placeholders=bool(parameters))
        with tables_expected():
            return self._connection.execute(composed, parameters or None, binary=binary)

    def _sql(self, statement: str, *, beside_placeholders: bool) -> sql.Composed:
        """The statement with the names in it; beside placeholders, psycopg reads %% as a percent sign."""
        from psycopg import sql

        percent = "%%" if beside_placeholders else "%"
        names = {
            key: sql.Identifier(*(part.replace("%", percent) for part in name))
            for key, name in {**self._tables, **self._lexical.tables}.items()
        }
        inputs = sql.Identifier(self._inputs.replace("%", percent))
        return sql.SQL(statement).format(**names, inputs=inputs, dimension=sql.Literal(self._dimension))
