"""What the tasks of a DAG hand on, as bytes: JSON Lines, gzipped, and NumPy's own format for vectors.

Nothing is pickled: whoever can write to the work directory cannot make a worker run code. The same
content gives the same bytes.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import IO, Any

from ragctl.run.ingesting.reading import InParts
from ragctl.types import (
    Anchor,
    Block,
    Chunk,
    ChunkedDocument,
    Document,
    EmbeddedDocument,
    Hit,
    Item,
    Section,
)

COMPRESSION = 1  # the files live for minutes


def write_lines(file: IO[bytes], lines: Iterable[Any]) -> None:
    """JSON values, one a line, gzipped."""
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0, filename="") as packed:
        for line in lines:
            packed.write(json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n")


def read_lines(content: bytes) -> Iterator[Any]:
    """What `write_lines` wrote, line by line."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
        for line in unpacked:
            yield json.loads(line)


def item_of(entry: dict[str, Any]) -> Item:
    return Item(**{**entry, "metadata": _tuples(entry["metadata"])})


def document_of(entry: dict[str, Any]) -> Document:
    """The inverse of `asdict` on a document, after JSON."""
    sections = tuple(Section(one["start"], one["end"], tuple(one["headings"])) for one in entry["sections"])
    anchors = tuple(Anchor(**one) for one in entry["anchors"])
    blocks = tuple(Block(**one) for one in entry["blocks"])
    metadata = _tuples(entry["metadata"])
    parts = {"sections": sections, "anchors": anchors, "blocks": blocks, "metadata": metadata}
    return Document(**{**entry, **parts})


def parts_entry(parts: InParts) -> dict[str, Any]:
    return {
        "item": asdict(parts.item),
        "digest": parts.digest,
        "documents": sorted(parts.documents),
        "failed": sorted(parts.failed),
    }


def parts_of(entry: dict[str, Any]) -> InParts:
    return InParts(item_of(entry["item"]), entry["digest"], set(entry["documents"]), set(entry["failed"]))


def chunked_entry(chunked: ChunkedDocument) -> dict[str, Any]:
    return {"document": asdict(chunked.document), "chunks": [asdict(one) for one in chunked.chunks]}


def chunked_of(entry: dict[str, Any]) -> ChunkedDocument:
    chunks = tuple(Chunk(**{**one, "headings": tuple(one["headings"])}) for one in entry["chunks"])
    return ChunkedDocument(document_of(entry["document"]), chunks)


def hit_of(entry: dict[str, Any]) -> Hit:
    return Hit(
        **{
            **entry,
            "headings": tuple(entry["headings"]),
            "duplicates": tuple(entry["duplicates"]),
            "metadata": _tuples(entry["metadata"]),
        }
    )


def write_vectors(file: IO[bytes], documents: Sequence[EmbeddedDocument]) -> None:
    """Vectors, hashes and counts of the documents, in their order: NumPy's zip of arrays.

    Arrays: `vectors` float32 (chunks, dimension), `hashes` uint8 (chunks, 32), `counts` int64
    (documents, 4): chunks, embedded, cached, tokens.
    """
    import numpy as np

    counts = [[len(one.chunks), one.embedded, one.cached, one.tokens] for one in documents]
    hashes = b"".join(key for one in documents for key in one.input_hashes)
    np.savez(
        file,
        vectors=np.concatenate([one.vectors for one in documents]).astype("<f4")
        if documents
        else np.zeros((0, 0), "<f4"),
        hashes=np.frombuffer(hashes, dtype=np.uint8).reshape(-1, 32),
        counts=np.asarray(counts, dtype="<i8").reshape(-1, 4),
    )


def embedded_of(content: bytes, chunked: Iterable[ChunkedDocument]) -> Iterator[EmbeddedDocument]:
    """The chunked documents with the vectors that `write_vectors` wrote for them."""
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        vectors, hashes, counts = arrays["vectors"], arrays["hashes"], arrays["counts"]
    start = 0
    for document, (chunks, embedded, cached, tokens) in zip(chunked, counts.tolist(), strict=True):
        end = start + chunks
        yield EmbeddedDocument(
            document=document.document,
            chunks=document.chunks,
            vectors=vectors[start:end],
            input_hashes=tuple(row.tobytes() for row in hashes[start:end]),
            embedded=embedded,
            cached=cached,
            tokens=tokens,
        )
        start = end


def _tuples(metadata: dict[str, Any]) -> dict[str, Any]:
    """A spec's lists are tuples, JSON's are not."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
