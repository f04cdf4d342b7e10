"""Documents as they lie in a generation's tables, read as a whole and written as they were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragctl.stores.pgvector import PgVectorStore
from ragctl.stores.pgvector_expectations import tables_expected
from ragctl.stores.whole_document import WholeDocument, grouped, likely_input
from ragctl.types import Chunk, Document, EmbeddedDocument, ItemKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAGE = 500
_SENT_HEADER = 4  # of a vector in pgvector's binary form: its dimension, and nothing
_CHUNK = (
    "c.document, c.ordinal, c.span_start, c.span_end, c.text, c.headings, c.line, c.page, c.sheet, "
    "c.tokens, c.input_hash, vector_send(c.embedding)"
)


class PgVectorWhole(PgVectorStore):
    """A generation's tables, from which documents are carried elsewhere, or which they are carried to."""

    def whole_documents(self, most_chunks: int) -> Iterator[list[WholeDocument]]:
        """Every document, some at a time: up to `most_chunks` chunks together, or one that has more.

        Nothing is held open between two of them: whoever calls this sees to it that nobody writes.

        Raises:
            Mismatch: the tables are gone.
        """
        for ids in grouped(self._sizes(), most_chunks):
            yield self._wholes(ids)

    def whole_of(self, documents: Sequence[ItemKey]) -> list[WholeDocument]:
        """Those of these documents that are there."""
        rows = self._execute(
            "SELECT id FROM {documents} WHERE (source, path) IN "
            "(SELECT * FROM unnest(%s::text[], %s::text[]))",
            ([source for source, _ in documents], [path for _, path in documents]),
        )
        return self._wholes([number for (number,) in rows])

    def stage_whole(self, documents: Sequence[WholeDocument]) -> Sequence[WholeDocument]:
        """What `commit_whole` is to write: here all is done in one transaction."""
        return documents

    def commit_whole(self, staged: Sequence[WholeDocument]) -> None:
        """The documents in place of what there is of them, with the lexemes that they bring.

        Where they bring none, `optimize` makes them of what is stored.
        """
        documents = [one.stored for one in staged]
        fingerprints = {one.item: one.fingerprint for one in staged}
        with self._connection.transaction():
            ids = self._upsert_documents(documents, fingerprints)
            self._copy_chunks(documents, ids)
            with tables_expected():
                self._put_lexemes(staged, ids)

    def _sizes(self) -> Iterator[tuple[int, int]]:
        last = 0
        while True:
            rows = self._execute(
                "SELECT d.id, (SELECT count(*) FROM {chunks} c WHERE c.document = d.id) "
                "FROM {documents} d WHERE d.id > %s ORDER BY d.id LIMIT %s",
                (last, _PAGE),
            ).fetchall()
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def _wholes(self, ids: Sequence[int]) -> list[WholeDocument]:
        record = "item, reader, fingerprint" if self.has_records() else "'', '', ''"
        documents = self._execute(
            f"SELECT id, source, path, uri, title, media_type, digest, metadata, {record} "
            "FROM {documents} WHERE id = ANY(%s) ORDER BY id",
            (list(ids),),
        ).fetchall()
        chunks: dict[int, list[tuple[Any, ...]]] = {number: [] for number in ids}
        for row in self._chunk_rows(ids):
            chunks[row[0]].append(row[1:])
        return [self._whole(row[1:], chunks[row[0]]) for row in documents]

    def _chunk_rows(self, ids: Sequence[int]) -> Any:
        if self._lexical.exists():
            lexemes, join = (
                "l.lexemes::text",
                ("LEFT JOIN {lexical} l ON l.document = c.document AND l.ordinal = c.ordinal"),
            )
        else:
            lexemes, join = "NULL::text", ""
        return self._execute(
            f"SELECT {_CHUNK}, {lexemes} FROM {{chunks}} c {join} "
            "WHERE c.document = ANY(%s) ORDER BY c.document, c.ordinal",
            (list(ids),),
            binary=True,
        )

    def _whole(self, row: Sequence[Any], chunks: Sequence[tuple[Any, ...]]) -> WholeDocument:
        source, path, uri, title, media_type, digest, metadata, item, reader, fingerprint = row
        document = Document(
            source=source,
            path=path,
            uri=uri,
            text="",
            title=title,
            media_type=media_type,
            sections=(),
            item=item or path,
            digest=digest,
            reader=reader,
            metadata=metadata,
        )
        lexemes = tuple(one[-1] for one in chunks)
        return WholeDocument(
            stored=EmbeddedDocument(
                document=document,
                chunks=tuple(_chunk(document, one) for one in chunks),
                vectors=self._vectors([one[-2] for one in chunks]),
                input_hashes=tuple(bytes(one[-3]) for one in chunks),
            ),
            fingerprint=fingerprint,
            lexemes=None if None in lexemes else lexemes,
        )

    def _vectors(self, rows: Sequence[bytes]) -> NDArray[np.float32]:
        import numpy as np

        if not rows:
            return np.zeros((0, self._dimension), dtype=np.float32)
        return np.stack([np.frombuffer(one, dtype=">f4", offset=_SENT_HEADER) for one in rows]).astype("<f4")

    def _put_lexemes(self, documents: Sequence[WholeDocument], ids: Mapping[ItemKey, int]) -> None:
        rows = [
            (ids[one.key], chunk.ordinal, lexemes)
            for one in documents
            if one.lexemes is not None
            for chunk, lexemes in zip(one.stored.chunks, one.lexemes, strict=True)
        ]
        if not rows or not self._lexical.exists():
            return
        self._execute(
            """
            INSERT INTO {lexical} (document, ordinal, length, lexemes)
            SELECT document, ordinal,
                   coalesce((SELECT sum(cardinality(positions)) FROM unnest(lexemes)), 0), lexemes
            FROM (SELECT document, ordinal, text::tsvector AS lexemes
                  FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS t (document, ordinal, text)
                  OFFSET 0) given
            """,
            tuple(map(list, zip(*rows, strict=True))),
        )


def _chunk(document: Document, row: Sequence[Any]) -> Chunk:
    ordinal, start, end, text, headings, line, page, sheet, tokens = row[:9]
    return Chunk(
        ordinal=ordinal,
        start=start,
        end=end,
        text=text,
        embed_input=likely_input(document.path, document.title, headings, text),
        tokens=tokens,
        headings=tuple(headings),
        line=line,
        page=page,
        sheet=sheet,
    )
