"""The tables of one generation: made, looked at, dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragctl.errors import Mismatch
from ragctl.stores.pgvector_expectations import make_extension, tables_expected
from ragctl.stores.pgvector_lexical import PgVectorLexical

if TYPE_CHECKING:
    from psycopg import Connection, sql

MOST_DIMENSIONS = 16_000
"""pgvector's limit for a vector. With more than `pgvector_hnsw.MOST_DIMENSIONS`, every search is exact."""
_NAME_BYTES = 63  # of an identifier: PostgreSQL's NAMEDATALEN - 1; it cuts longer ones without an error
# Of the documents table, since the second release: with the digest, what the ledger can be made from again.
_RECORD = ("item", "reader", "fingerprint")


class PgVectorTables:
    """The tables `<schema>.<prefix>_documents` and `<schema>.<prefix>_chunks`, and those of the words.

    Chunks carry what a search result shows and the hash of their embed input; documents carry
    their identity and the digest of their bytes, so that the state could be made again from them.

    Args:
        connection: in autocommit mode; every write is one transaction, or joins the caller's.
        schema, prefix: any names whose UTF-8 fits an identifier; they are quoted.
        dimension: of the vectors.
        language: of the text, as `chunk.language` names it; words are stemmed by it.

    Raises:
        ValueError: a name is too long, or the language unknown.
    """

    def __init__(
        self, connection: Connection[Any], *, schema: str, prefix: str, dimension: int, language: str
    ) -> None:
        from pgvector.psycopg import register_vector
        from psycopg.types import TypeInfo

        names = (schema, f"{prefix}_documents", f"{prefix}_chunks")
        too_long = [name for name in names if len(name.encode()) > _NAME_BYTES]
        if too_long:
            raise ValueError(f"the name {too_long[0]!r} is longer than {_NAME_BYTES} bytes")
        self._connection = connection
        self._dimension = dimension
        self._indexes = {kind: (schema, f"{prefix}_{kind}") for kind in ("inputs", "metadata")}
        self._tables = {"documents": (schema, names[1]), "chunks": (schema, names[2])}
        self._lexical_of = {"schema": schema, "prefix": prefix, "language": language}
        self._lexical = PgVectorLexical(connection, **self._lexical_of)
        self._has_type = TypeInfo.fetch(connection, "vector") is not None
        if self._has_type:  # else `create` brings it
            register_vector(connection)

    def create(self) -> None:
        """Makes the tables, and the extension in the database, unless they are there.

        Raises:
            Unavailable: the server has no such extension, or too old a one, or no configuration for the
                language.
            Mismatch: there are tables, and their vectors are gone; or no table can hold such vectors.
        """
        if self._dimension > MOST_DIMENSIONS:
            raise Mismatch(
                f"the vectors have {self._dimension:,} dimensions, and pgvector stores at most "
                f"{MOST_DIMENSIONS:,}",
                where="embed",
                hint="name a model, or a number of dimensions, with fewer",
            )
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
        self.index_metadata()
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

        Tables that an earlier release made have none. Looked up first, because even to find it there
        CREATE INDEX waits for writers, and breaks an autovacuum off.
        """
        if not self._has_index("inputs"):
            self._execute("CREATE INDEX IF NOT EXISTS {inputs} ON {chunks} (input_hash)")

    def index_metadata(self) -> None:
        """Makes the index by which filters find documents by metadata, unless it is there.

        Tables that an earlier release made have none. Looked up first, because to make one waits for writers.
        """
        if self._has_index("metadata"):
            return
        with self._connection.transaction():
            # Of two that build at the same time the second waits, and finds it built.
            self._execute("LOCK TABLE {documents} IN SHARE ROW EXCLUSIVE MODE")
            # No list of new entries, as every search would read through it.
            self._execute(
                "CREATE INDEX IF NOT EXISTS {metadata} ON {documents} USING gin (metadata jsonb_path_ops) "
                "WITH (fastupdate = off)"
            )

    def _has_index(self, kind: str) -> bool:
        from psycopg import sql

        name = sql.Identifier(*self._indexes[kind]).as_string(self._connection)
        row = self._connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
        return bool(row and row[0])

    def drop(self) -> None:
        """Removes the tables and all that is in them."""
        self._execute("DROP TABLE IF EXISTS {chunks}, {documents}, {lexical}, {terms}")

    def exists(self) -> bool:
        """Are the tables there?"""
        from psycopg import sql

        row = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL AND to_regclass(%s) IS NOT NULL",
            [sql.Identifier(*name).as_string(self._connection) for name in self._tables.values()],
        ).fetchone()
        return bool(row and row[0])

    def size_bytes(self) -> int:
        """Bytes on disk of the tables with their indexes; 0 if they are gone."""
        from psycopg import sql

        tables = [*self._tables.values(), *self._lexical.tables.values()]
        row = self._connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) FROM unnest(%s::text[]) name",
            ([sql.Identifier(*name).as_string(self._connection) for name in tables],),
        ).fetchone()
        return int(row[0]) if row else 0

    def counts(self) -> tuple[int, int]:
        """(documents, chunks) in the tables; (0, 0) if the tables are gone."""
        if not self.exists():
            return 0, 0
        row = self._execute(
            "SELECT (SELECT count(*) FROM {documents}), (SELECT count(*) FROM {chunks})"
        ).fetchone()
        return int(row[0]), int(row[1])

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
        indexes = {
            key: sql.Identifier(name.replace("%", percent)) for key, (_, name) in self._indexes.items()
        }
        return sql.SQL(statement).format(**names, **indexes, dimension=sql.Literal(self._dimension))
