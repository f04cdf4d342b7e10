"""Reads exported indexes, and Parquet files with documents, texts and vectors that somebody else made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ragctl.errors import MalformedDocument, Mismatch, UsageError
from ragctl.run.moving.parquet_checks import (
    dimension_of,
    fitting_columns,
    hash_of,
    metadata_of,
    span_of,
    vectors_of,
)
from ragctl.run.moving.parquet_columns import (
    EXPORT,
    FILE_VERSION,
    OF_CHUNK,
    OF_DOCUMENT,
    OURS,
    REQUIRED,
    files_of,
    pyarrow,
)
from ragctl.stages.embed import input_hash
from ragctl.state.ledger_rows import ItemRow
from ragctl.stores.whole_document import WholeDocument, likely_input
from ragctl.types import Chunk, Document, EmbeddedDocument, ItemKey

_ROWS_AT_ONCE = 1_000
_OURS_ALONE = {"chunk", "lexemes"}
"""Somebody else's count from one, or through all documents; words are made of the texts."""
Row = dict[str, Any]


class ParquetIndex:
    """The two files of an exported index, or the one file of somebody else's.

    Args:
        path: as it was named in the export.

    Attributes:
        about: what made the index; None: somebody else wrote the file.
        dimension: numbers in each vector.

    Raises:
        UsageError: it is not there, or cannot be read.
        MalformedDocument: it is no Parquet file, or lacks columns.
        Mismatch: a later ragctl wrote it, or the two files are of two exports.
        MissingPackage: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._chunks, self._items = files_of(path)
        self._file = _opened(self._chunks)
        metadata: Mapping[bytes, bytes] = self._file.schema_arrow.metadata or {}
        metadata = {**metadata, **(self._file.metadata.metadata or {})}
        self.about = _about(metadata[OURS], self._chunks) if OURS in metadata else None
        self._columns = self._checked_columns()
        with _reading(self._chunks):
            self.dimension = dimension_of(self._file, self._chunks)
        if self.about is not None:
            self._check_export(self.about)

    @property
    def bytes(self) -> int:
        """Of the files."""
        return sum(one.stat().st_size for one in (self._chunks, self._items) if one.exists())

    def documents(self, most_chunks: int, *, source: str) -> Iterator[list[WholeDocument]]:
        """Every document, some at a time: up to `most_chunks` chunks together, or one that has more.

        Args:
            source: of documents for which the file names none.

        Raises:
            MalformedDocument: the rows of a document do not stand together, or one lacks what it needs.
        """
        group: list[WholeDocument] = []
        total = 0
        for one in self._each(source):
            if group and total + one.chunks > most_chunks:
                yield group
                group, total = [], 0
            group.append(one)
            total += one.chunks
        if group:
            yield group

    def items(self, at_once: int) -> Iterator[list[ItemRow]]:
        """What the ledger of the exported index knew; nothing of somebody else's file."""
        if self.about is None:
            return
        with _reading(self._items):
            for batch in _opened(self._items).iter_batches(batch_size=at_once):
                yield [_item(row) for row in batch.to_pylist()]

    def _each(self, source: str) -> Iterator[WholeDocument]:
        rows: list[Row] = []
        key: ItemKey | None = None
        seen: set[ItemKey] = set()
        for row in self._rows():
            found = (row.get("source") or source, _text(row, "document", self._chunks))
            if found != key:
                if key is not None:
                    yield self._whole(key, rows)
                if found in seen:
                    raise MalformedDocument(
                        "the rows of this document do not stand together",
                        where=f"{self._chunks}: {':'.join(found)}",
                        hint="sort the file by source and document",
                    )
                seen.add(found)
                key, rows = found, []
            rows.append(row)
        if key is not None:
            yield self._whole(key, rows)

    def _rows(self) -> Iterator[Row]:
        with _reading(self._chunks):
            for batch in self._file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=self._columns):
                columns = fitting_columns(batch, self._chunks)
                values = [column.to_pylist() for column in columns.values()]
                vectors = vectors_of(batch.column("vector"), self.dimension, self._chunks)
                for row in zip(*values, vectors, strict=True):
                    yield dict(zip((*columns, "vector"), row, strict=True))

    def _whole(self, key: ItemKey, rows: list[Row]) -> WholeDocument:
        import numpy as np

        first = rows[0]
        if self.about is not None and len(rows) == 1 and first["chunk"] is None:
            rows = []
        document = Document(
            source=key[0],
            path=key[1],
            uri=first.get("uri") or "",
            text="",
            title=first.get("title") or "",
            media_type=first.get("media_type") or "",
            sections=(),
            item=first.get("item") or key[1],
            digest=first.get("digest") or (_digest_of(rows) if self.about is None else ""),
            reader=first.get("reader") or "",
            metadata=metadata_of(first.get("metadata"), self._chunks, key),
        )
        chunks = list(self._chunks_of(document, rows))
        vectors = np.array([row["vector"] for row in rows], dtype=np.float32).reshape(-1, self.dimension)
        if self.about is None:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            with np.errstate(invalid="ignore"):  # infinite ones are refused with the document's name
                vectors = np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        lexemes = tuple(row["lexemes"] for row in rows if row.get("lexemes") is not None)
        return WholeDocument(
            stored=EmbeddedDocument(
                document=document,
                chunks=tuple(chunks),
                vectors=vectors,
                input_hashes=tuple(
                    hash_of(row, self._chunks) or input_hash(one.embed_input)
                    for row, one in zip(rows, chunks, strict=True)
                ),
            ),
            fingerprint=first.get("fingerprint") or "",
            lexemes=lexemes if rows and len(lexemes) == len(rows) else None,
        )

    def _chunks_of(self, document: Document, rows: list[Row]) -> Iterator[Chunk]:
        """Without numbers or places, they stand one behind the other."""
        after = 0
        for number, row in enumerate(rows):
            text = _text(row, "text", self._chunks)
            headings = tuple(row.get("headings") or ())
            start, end = span_of(row, after, self._chunks)
            after = end + 1
            yield Chunk(
                ordinal=row["chunk"] if self.about is not None else number,
                start=start,
                end=end,
                text=text,
                embed_input=likely_input(document.path, document.title, headings, text),
                tokens=max(row.get("tokens") or 0, 0),
                headings=headings,
                line=row.get("line"),
                page=row.get("page"),
                sheet=row.get("sheet"),
            )

    def _checked_columns(self) -> list[str]:
        names = set(self._file.schema_arrow.names)
        lacking = [name for name in REQUIRED if name not in names]
        if lacking:
            raise MalformedDocument(
                f"it has no column {' and none '.join(lacking)}",
                where=str(self._chunks),
                hint=f"the columns {', '.join(REQUIRED)} must be there, a row a chunk",
            )
        if self.about is None:
            names -= _OURS_ALONE
        return [name for name in (*OF_DOCUMENT, *OF_CHUNK, "vector") if name in names]

    def _check_export(self, about: Mapping[str, Any]) -> None:
        if about.get("version") != FILE_VERSION:
            raise Mismatch(
                f"it has version {about.get('version')} of the format, this ragctl knows {FILE_VERSION}",
                where=str(self._chunks),
                hint="install the version of ragctl that wrote it, or a later one",
            )
        items = _opened(self._items)
        found = (items.metadata.metadata or {}).get(EXPORT, b"").decode("utf-8", "replace")
        if found != about["export"]:
            raise Mismatch(
                f"{self._items.name} is of another export than {self._chunks.name}",
                where=str(self._chunks),
                hint="export the index again; the two files belong together",
            )


def _opened(path: Path) -> Any:
    arrow = pyarrow()
    try:
        return arrow.parquet.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise UsageError("there is no such file", where=str(path)) from None
        raise UsageError(f"it cannot be read: {error.strerror or error}", where=str(path)) from error
    except arrow.ArrowException as error:
        raise MalformedDocument(f"it is no Parquet file: {_first_line(error)}", where=str(path)) from error


class _reading:  # noqa: N801  # reads as a function
    """What pyarrow finds in a damaged file, as an error for people."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pyarrow().ArrowException | OSError | UnicodeDecodeError):
            raise MalformedDocument(
                f"it is damaged: {_first_line(error)}", where=str(self._path), hint="export or copy it again"
            ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _text(row: Row, name: str, path: Path) -> str:
    value = row[name]
    if not isinstance(value, str) or (name == "document" and not value):
        raise MalformedDocument(f"a row has no {name}", where=str(path))
    return value


def _digest_of(rows: list[Row]) -> str:
    """Of a document whose file is not known: by its texts, and never that of a file's bytes."""
    digest = hashlib.sha256(b"imported texts\0")
    for row in rows:
        digest.update((row["text"] or "").encode("utf-8") + b"\0")
    return digest.hexdigest()


def _about(text: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise MalformedDocument(
            f"its metadata under {OURS.decode()!r} is not what an export writes",
            where=str(path),
            hint="export the index again; or, if another program made the file, take that key out",
        )
    return found


def _item(row: Row) -> ItemRow:
    failure = row.pop("failure")
    return ItemRow(**row, failure=None if failure is None else json.loads(failure))
