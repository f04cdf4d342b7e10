"""The columns of an exported index, which docs/moving.md lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragctl.errors import MissingPackage
from ragctl.stores.whole_document import WholeDocument

if TYPE_CHECKING:
    from ragctl.state.ledger_rows import ItemRow

FILE_VERSION = 1
OURS = b"ragctl"
"""Key of the file's metadata: JSON with what made the index; a file without it is somebody else's."""
EXPORT = b"ragctl_export"
"""Key of the metadata of the second file: the `export` of the first one's."""

CHUNKS_NAME, ITEMS_NAME = "chunks.parquet", "items.parquet"
REQUIRED = ("document", "text", "vector")
"""What a file must have that somebody else made."""

# name: type; of a document: the same in each of its rows
OF_DOCUMENT = {
    "source": "string",
    "document": "string",
    "item": "string",
    "uri": "string",
    "title": "string",
    "media_type": "string",
    "metadata": "string",
    "digest": "string",
    "reader": "string",
    "fingerprint": "string",
}
OF_CHUNK = {
    "chunk": "int32",
    "start": "int64",
    "end": "int64",
    "text": "string",
    "headings": "list<string>",
    "line": "int32",
    "page": "int32",
    "sheet": "string",
    "tokens": "int32",
    "input_hash": "string",
    "lexemes": "string",
}
OF_ITEM = {
    "source": "string",
    "path": "string",
    "fingerprint": "string",
    "digest": "string",
    "stored": "bool",
    "skipped": "string",
    "failure": "string",
    "attempts": "int32",
    "failed_at": "timestamp",
    "first_failed_at": "timestamp",
}


def pyarrow() -> Any:
    """The package, imported now.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        import pyarrow as found
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "Parquet needs the Python package 'pyarrow', which is not installed",
            hint="pip install 'ragctl[parquet]'",
        ) from error
    return found


def files_of(path: Path) -> tuple[Path, Path]:
    """The file of the chunks and that of the items, by what the user named.

    `docs.parquet` has `docs.items.parquet` beside it; anything else is a folder with both.
    """
    if path.suffix == ".parquet":
        return path, path.with_name(f"{path.stem}.items.parquet")
    return path / CHUNKS_NAME, path / ITEMS_NAME


def chunk_schema(dimension: int) -> Any:
    """Arrow's schema of the chunks."""
    arrow = pyarrow()
    fields = [(name, arrow_type(kind)) for name, kind in {**OF_DOCUMENT, **OF_CHUNK}.items()]
    return arrow.schema([*fields, ("vector", arrow.list_(arrow.float32(), dimension))])


def item_schema() -> Any:
    """Arrow's schema of the items."""
    return pyarrow().schema([(name, arrow_type(kind)) for name, kind in OF_ITEM.items()])


def arrow_type(kind: str) -> Any:
    """Arrow's type of a column, by its name above."""
    arrow = pyarrow()
    if kind == "timestamp":
        return arrow.timestamp("us", tz="UTC")
    return arrow.list_(arrow.string()) if kind == "list<string>" else getattr(arrow, _ARROW.get(kind, kind))()


_ARROW = {"bool": "bool_"}


def chunk_table(documents: Sequence[WholeDocument], schema: Any) -> Any:
    """A table with a row a chunk; one without a number, a text and a vector for a document without chunks."""
    import numpy as np

    arrow = pyarrow()
    dimension = schema.field("vector").type.list_size
    rows = [row for one in documents for row in _rows(one)]
    columns = [
        arrow.array([row[name] for row in rows], type=schema.field(name).type)
        for name in schema.names
        if name != "vector"
    ]
    blank = np.zeros((1, dimension), dtype=np.float32)
    vectors = np.concatenate([one.stored.vectors if one.chunks else blank for one in documents])
    mask = arrow.array([row["chunk"] is None for row in rows])
    flat = arrow.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    columns.append(arrow.FixedSizeListArray.from_arrays(flat, dimension, mask=mask))
    return arrow.Table.from_arrays(columns, schema=schema)


def _rows(document: WholeDocument) -> Iterable[Mapping[str, Any]]:
    one = document.stored.document
    shared: dict[str, Any] = {
        "source": one.source,
        "document": one.path,
        "item": one.item,
        "uri": one.uri,
        "title": one.title,
        "media_type": one.media_type,
        "metadata": json.dumps(dict(one.metadata), ensure_ascii=False),
        "digest": one.digest,
        "reader": one.reader,
        "fingerprint": document.fingerprint,
    }
    if not document.chunks:
        yield {**shared, **dict.fromkeys(OF_CHUNK)}
    for number, (chunk, digest) in enumerate(
        zip(document.stored.chunks, document.stored.input_hashes, strict=True)
    ):
        yield {
            **shared,
            "chunk": chunk.ordinal,
            "start": chunk.start,
            "end": chunk.end,
            "text": chunk.text,
            "headings": list(chunk.headings),
            "line": chunk.line,
            "page": chunk.page,
            "sheet": chunk.sheet,
            "tokens": chunk.tokens,
            "input_hash": digest.hex(),
            "lexemes": document.lexemes[number] if document.lexemes is not None else None,
        }


def item_table(rows: Sequence[ItemRow], schema: Any) -> Any:
    """A table with a row an item."""
    values = [
        {name: getattr(row, name) for name in OF_ITEM}
        | {"failure": json.dumps(row.failure) if row.failure is not None else None}
        for row in rows
    ]
    return pyarrow().Table.from_pylist(values, schema=schema)
