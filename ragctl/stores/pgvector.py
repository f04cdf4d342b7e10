"""pgvector: one generation of an index, written to and searched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ragctl.conditions import Condition
from ragctl.errors import Mismatch
from ragctl.stores.pgvector_chunk_rows import CHUNK_COLUMNS, packed_rows
from ragctl.stores.pgvector_copy import copy_rows
from ragctl.stores.pgvector_dense import PgVectorDenseSearch
from ragctl.stores.pgvector_expectations import tables_expected
from ragctl.stores.pgvector_hnsw import HnswBuild, PgVectorHnsw
from ragctl.stores.pgvector_lexemes import client_encoding
from ragctl.stores.pgvector_lexical import CountedGroup
from ragctl.stores.pgvector_tables import PgVectorTables
from ragctl.stores.pgvector_upkeep import PgVectorUpkeep
from ragctl.types import EmbeddedDocument, Hit, ItemKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

    Vectors = NDArray[np.float32]

Staged = tuple[Sequence[EmbeddedDocument], Mapping[ItemKey, str]]
"""Documents, and the fingerprints of their items."""


class PgVectorStore(PgVectorTables):
    """A generation's documents and chunks: replaced and deleted whole, found by vectors and by words.

    Args:
        index_from: chunks from which on `optimize` builds an HNSW index; None: by what was measured.
        hnsw: how that index is built; as measured, if None.
        ef_search: candidates that a search of it keeps in hand, 1 to 1,000; as measured, if None.
            The others are those of `PgVectorTables`.
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
        hnsw: HnswBuild | None = None,
        ef_search: int | None = None,
    ) -> None:
        super().__init__(connection, schema=schema, prefix=prefix, dimension=dimension, language=language)
        self._hnsw = PgVectorHnsw(
            connection, schema=schema, prefix=prefix, dimension=dimension, index_from=index_from, how=hnsw
        )
        self._dense = PgVectorDenseSearch(
            connection, self._hnsw, schema=schema, prefix=prefix, ef_search=ef_search
        )
        self._upkeep = PgVectorUpkeep(
            connection, schema=schema, prefix=prefix, dimension=dimension, hnsw=hnsw
        )

    def stage(
        self, documents: Sequence[EmbeddedDocument], *, fingerprints: Mapping[ItemKey, str] | None = None
    ) -> Staged:
        """What `commit` is to write: here all is done in one transaction, so nothing is written before."""
        return documents, fingerprints or {}

    def commit(self, staged: Staged) -> None:
        """`replace` with what was staged."""
        documents, fingerprints = staged
        self.replace(documents, fingerprints=fingerprints)

    def tidy(self) -> int:
        """Nothing is left over after a transaction; the number of rows that went is 0."""
        return 0

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
            counted = self._lexical.counted(documents) if self._lexical.exists() else iter(())
            first: list[CountedGroup] = []
            # Words are counted while the server takes the chunks in.
            self._copy_chunks(documents, ids, meanwhile=lambda: first.extend(islice(counted, 1)))
            with tables_expected():
                self._lexical.write(chain(first, counted), ids)

    def _upsert_documents(
        self, documents: Sequence[EmbeddedDocument], fingerprints: Mapping[ItemKey, str]
    ) -> dict[ItemKey, int]:
        """Ids by (source, path). What there was of these documents beside their rows is gone."""
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
            RETURNING source, path, id, version
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
        ids: dict[ItemKey, int] = {}
        known: list[int] = []
        for source, path, number, version in rows:
            ids[source, path] = number
            if version > 1:
                known.append(number)
        if known:
            self._execute("DELETE FROM {chunks} WHERE document = ANY(%s)", (known,))
            with tables_expected():
                self._lexical.delete(known)
        return ids

    def note_fingerprint(self, item: ItemKey, fingerprint: str) -> None:
        """The item was looked at again and is the same: keeps the newer fingerprint beside its document.

        A document that is only a part of its item keeps the older one; it can cost one reading more
        after the ledger was lost.
        """
        self._execute(
            "UPDATE {documents} SET fingerprint = %s WHERE source = %s AND path = %s AND item = path",
            (fingerprint, *item),
        )

    def _copy_chunks(
        self,
        documents: Sequence[EmbeddedDocument],
        ids: Mapping[ItemKey, int],
        *,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        encoding = client_encoding(self._connection)
        rows = (
            row
            for one in documents
            for row in packed_rows(one, ids[one.document.source, one.document.path], encoding)
        )
        with tables_expected():
            copy_rows(self._connection, self._tables["chunks"], CHUNK_COLUMNS, rows, meanwhile=meanwhile)

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

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        """The k nearest chunks by cosine for each row of `vectors` (questions, dimension), best first.

        Exact, or by way of the HNSW index where `optimize` built one: that may pass over a chunk, but
        always brings k if there are so many. `score` is the cosine, of the vectors as they were given, in
        both cases; of equal scores the first by source, path and span comes first.

        Args:
            where: what the documents of the chunks must fulfil, all of it.

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
            return self._dense.search(vectors, k=k, where=where)

    def search_text(
        self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()
    ) -> list[list[Hit]]:
        """The k best chunks by BM25 for each question, best first; none for one of stop words alone.

        A chunk need not have all of a question's words, and a word that occurs twice in it counts twice.
        Nothing in a question is an operator. Of equal scores the first by source, path and span comes
        first. Chunks that have only words that are common in the index may be passed over, see
        `lexical_question`. How common words are was counted by `optimize`.

        Args:
            where: what the documents of the chunks must fulfil, all of it.

        Raises:
            Mismatch: `optimize` has not been called since the tables were made, or since a release
                without lexical search made them.
        """
        from ragctl.stores.pgvector_lexical_search import PgVectorLexicalSearch

        search = PgVectorLexicalSearch(self._connection, **self._lexical_of)
        return search.search(questions, k=k, where=where)

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

        Filters: makes their index, where an earlier release made the tables.

        Dense search: builds the HNSW index, if there are enough chunks for it. It is kept up by every
        write from then on. Call this outside a transaction: a build may take minutes.

        All tables: sees that the server cleans them up in time, and knows how much is in them.

        Args:
            tell: gets a sentence before a build, and for whatever it has to do without.
            exact: count words in any case. A word of several deleted chunks stays in the table of
                frequencies until then.

        Raises:
            Mismatch: the tables are gone.
        """
        from ragctl.stores.pgvector_lexical_upkeep import PgVectorLexicalUpkeep

        with tables_expected():
            self.index_metadata()
            PgVectorLexicalUpkeep(self._connection, **self._lexical_of).optimize(exact=exact)
            if self._hnsw.build(tell=tell):
                self._dense.forget()
            self._upkeep.refresh()
