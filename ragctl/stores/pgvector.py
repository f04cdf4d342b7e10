"""pgvector: one generation of an index as two tables, documents and chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.types import EmbeddedDocument, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection, sql

    Vectors = NDArray[np.float32]

_CHUNK_COLUMNS = (
    ("document", "int8"),
    ("ordinal", "int4"),
    ("span_start", "int4"),
    ("span_end", "int4"),
    ("text", "text"),
    ("headings", "text[]"),
    ("line", "int4"),
    ("page", "int4"),
    ("sheet", "text"),
    ("tokens", "int4"),
    ("input_hash", "bytea"),
    ("embedding", "vector"),
)


class PgVectorStore:
    """The tables `<schema>.<prefix>_documents` and `<schema>.<prefix>_chunks`.

    Chunks carry what a search result shows and the hash of their embed input; documents carry
    their identity and the digest of their bytes, so that the state could be made again from them.

    Args:
        connection: in autocommit mode; every write is one transaction, or joins the caller's.
        schema, prefix: any names; they are quoted.
        dimension: of the vectors.
    """

    def __init__(self, connection: Connection[Any], *, schema: str, prefix: str, dimension: int) -> None:
        from pgvector.psycopg import register_vector
        from psycopg import sql

        register_vector(connection)
        self._connection = connection
        self._dimension = dimension
        self._documents = sql.Identifier(schema, f"{prefix}_documents")
        self._chunks = sql.Identifier(schema, f"{prefix}_chunks")

    def create(self) -> None:
        """Makes the tables unless they are there."""
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
            )
            """
        )

    def drop(self) -> None:
        """Removes the tables and all that is in them."""
        self._execute("DROP TABLE IF EXISTS {chunks}, {documents}")

    def replace(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Each document's chunks are those given, and no others; readers see old or new, whole."""
        with self._connection.transaction():
            ids = self._upsert_documents(documents)
            self._execute("DELETE FROM {chunks} WHERE document = ANY(%s)", (list(ids.values()),))
            self._copy_chunks(documents, ids)

    def _upsert_documents(self, documents: Sequence[EmbeddedDocument]) -> dict[tuple[str, str], int]:
        rows = self._execute(
            """
            INSERT INTO {documents} AS d (source, path, uri, title, media_type, digest, metadata)
            SELECT source, path, uri, title, media_type, digest, metadata::jsonb
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                 AS t (source, path, uri, title, media_type, digest, metadata)
            ON CONFLICT (source, path) DO UPDATE SET
                uri = excluded.uri, title = excluded.title, media_type = excluded.media_type,
                digest = excluded.digest, metadata = excluded.metadata, version = d.version + 1
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
            ),
        )
        return {(source, path): number for source, path, number in rows}

    def _copy_chunks(self, documents: Sequence[EmbeddedDocument], ids: dict[tuple[str, str], int]) -> None:
        from psycopg import sql

        columns = sql.SQL(", ").join(sql.Identifier(name) for name, _ in _CHUNK_COLUMNS)
        statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(self._chunks, columns)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([kind for _, kind in _CHUNK_COLUMNS])
            for document in documents:
                number = ids[document.document.source, document.document.path]
                for row in _rows(document):
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
            return int(self._execute("DELETE FROM {chunks} WHERE document = ANY(%s)", (ids,)).rowcount)

    def search(self, vectors: Vectors, *, k: int) -> list[list[Hit]]:
        """The k nearest chunks by cosine for each row of `vectors` (questions, dimension), best first.

        Exact; of equal scores the earlier document and span comes first. `score` is the cosine.
        """
        if vectors.shape[1] != self._dimension:
            raise Mismatch(
                f"the question's vector has {vectors.shape[1]} dimensions, the index has {self._dimension}"
            )
        return [self._search_one(vector, k) for vector in vectors]

    def _search_one(self, vector: Vectors, k: int) -> list[Hit]:
        rows = self._execute(
            """
            SELECT 1 - n.distance, d.source, d.path, d.uri, d.title, d.metadata, n.span_start, n.span_end,
                   n.text, n.headings, n.line, n.page, n.sheet
            FROM (SELECT *, embedding <=> %s AS distance FROM {chunks} ORDER BY distance LIMIT %s) n
            JOIN {documents} d ON d.id = n.document
            ORDER BY n.distance, d.source, d.path, n.ordinal
            """,
            (vector, k),
            binary=True,
        )
        return [_hit(number, row) for number, row in enumerate(rows, start=1)]

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
        row = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND to_regclass(%s) IS NOT NULL",
            (self._chunks.as_string(self._connection), self._documents.as_string(self._connection)),
        ).fetchone()
        return bool(row and row[0])

    def documents(self) -> set[tuple[str, str]]:
        """(source, path) of every document in the tables."""
        return {(source, path) for source, path in self._execute("SELECT source, path FROM {documents}")}

    def chunks_of(self, source: str, path: str) -> list[dict[str, Any]]:
        """A document's chunks in order: ordinal, start, end, line, page, sheet, headings, tokens, text."""
        from psycopg.rows import dict_row

        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                self._sql(
                    """
                    SELECT c.ordinal, c.span_start AS start, c.span_end AS end, c.line, c.page, c.sheet,
                           c.headings, c.tokens, c.text
                    FROM {chunks} c JOIN {documents} d ON d.id = c.document
                    WHERE d.source = %s AND d.path = %s ORDER BY c.ordinal
                    """
                ),
                (source, path),
            ).fetchall()

    def _execute(self, statement: str, parameters: Sequence[object] = (), *, binary: bool = False) -> Any:
        return self._connection.execute(self._sql(statement), parameters or None, binary=binary)

    def _sql(self, statement: str) -> sql.Composed:
        from psycopg import sql

        return sql.SQL(statement).format(
            documents=self._documents, chunks=self._chunks, dimension=sql.Literal(self._dimension)
        )


def _rows(document: EmbeddedDocument) -> Iterator[tuple[Any, ...]]:
    for chunk, vector, digest in zip(document.chunks, document.vectors, document.input_hashes, strict=True):
        yield (
            chunk.ordinal,
            chunk.start,
            chunk.end,
            chunk.text,
            list(chunk.headings),
            chunk.line,
            chunk.page,
            chunk.sheet,
            chunk.tokens,
            digest,
            vector,
        )


def _hit(number: int, row: tuple[Any, ...]) -> Hit:
    score, source, path, uri, title, metadata, start, end, text, headings, line, page, sheet = row
    return Hit(
        score=float(score),
        source=source,
        document=path,
        uri=uri,
        title=title,
        start=start,
        end=end,
        text=text,
        headings=tuple(headings),
        line=line,
        page=page,
        sheet=sheet,
        metadata=metadata,
        trail={"dense": {"rank": number, "score": float(score)}},
    )
