"""embed: documents with chunks → documents with vectors, asking the model only for what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragctl.errors import Unavailable
from ragctl.ports import PassageEmbedder, VectorCache
from ragctl.types import ChunkedDocument, EmbeddedBatch, EmbeddedDocument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

# Chunks looked at together. Larger sorts better by length, smaller holds fewer documents in hand
# when the run is stopped.
WINDOW_CHUNKS = 512
# Vectors made durable together: what a kill can cost at most, besides what the model has in flight.
KEEP_VECTORS = 64


def embed(
    documents: Iterable[ChunkedDocument],
    embedder: PassageEmbedder,
    *,
    cache: VectorCache | None = None,
    window: int = WINDOW_CHUNKS,
) -> Iterator[EmbeddedDocument]:
    """Gives every chunk its vector, in the order of the documents.

    Each distinct embed input is asked for once; those that `cache` knows are not asked for at all,
    and every batch is kept in it as it returns. Documents are taken in windows of at least
    `window` chunks, which bounds the memory by a window or by the largest document.

    Raises:
        Unavailable: the embedder broke its contract (count, dimension, NaN, a zero vector).
    """
    for group in windows(documents, window):
        yield from _embed_group(group, embedder, cache)


def input_hash(embed_input: str) -> bytes:
    """SHA-256 of what the model reads: the key of a cached vector."""
    return hashlib.sha256(embed_input.encode("utf-8")).digest()


def windows(documents: Iterable[ChunkedDocument], window: int) -> Iterator[list[ChunkedDocument]]:
    """The documents in groups of at least `window` chunks; the last group may have fewer."""
    group: list[ChunkedDocument] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.chunks)
        if size >= window:
            yield group
            group, size = [], 0
    if group:
        yield group


def _embed_group(
    group: Sequence[ChunkedDocument], embedder: PassageEmbedder, cache: VectorCache | None
) -> Iterator[EmbeddedDocument]:
    hashes = [tuple(input_hash(chunk.embed_input) for chunk in document.chunks) for document in group]
    inputs = {
        key: chunk.embed_input
        for document, keys in zip(group, hashes, strict=True)
        for key, chunk in zip(keys, document.chunks, strict=True)
    }
    vectors: dict[bytes, Vector] = cache.find(inputs) if cache else {}
    missing = [key for key in inputs if key not in vectors]
    fresh = set(missing)
    if missing:
        vectors.update(_ask(missing, [inputs[key] for key in missing], embedder, cache))
    for document, keys in zip(group, hashes, strict=True):
        yield _assemble(document, keys, vectors, fresh)


def _ask(
    keys: Sequence[bytes], inputs: Sequence[str], embedder: PassageEmbedder, cache: VectorCache | None
) -> dict[bytes, Vector]:
    import numpy as np

    found: dict[bytes, Vector] = {}
    unkept: list[bytes] = []

    def keep() -> None:
        if cache and unkept:
            cache.keep(unkept, np.stack([found[key] for key in unkept]))
        unkept.clear()

    try:
        for batch in embedder.embed(inputs):
            _check(batch, embedder)
            for position, vector in zip(batch.positions, batch.vectors, strict=True):
                found[keys[position]] = vector
                unkept.append(keys[position])
            if len(unkept) >= KEEP_VECTORS:
                keep()
    finally:
        # Also when the model fails or the run is interrupted: these vectors have been paid for.
        keep()
    if len(found) != len(keys):
        raise Unavailable(
            f"the embedder returned {len(found)} vectors for {len(keys)} texts", where=embedder.identity
        )
    return found


def _check(batch: EmbeddedBatch, embedder: PassageEmbedder) -> None:
    import numpy as np

    vectors = batch.vectors
    if vectors.shape != (len(batch.positions), embedder.dimension):
        raise Unavailable(
            f"the embedder returned an array of shape {vectors.shape} where "
            f"{(len(batch.positions), embedder.dimension)} was expected",
            where=embedder.identity,
        )
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise Unavailable(
            "the embedder returned a vector of zeros or with NaN in it", where=embedder.identity
        )


def _assemble(
    document: ChunkedDocument, keys: tuple[bytes, ...], vectors: dict[bytes, Vector], fresh: set[bytes]
) -> EmbeddedDocument:
    import numpy as np

    embedded = tokens = 0
    for key, chunk in zip(keys, document.chunks, strict=True):
        if key in fresh:
            fresh.discard(key)  # a second chunk with the same input costs nothing
            embedded += 1
            tokens += chunk.tokens
    return EmbeddedDocument(
        document=document.document,
        chunks=document.chunks,
        vectors=np.stack([vectors[key] for key in keys]),
        input_hashes=keys,
        embedded=embedded,
        cached=len(keys) - embedded,
        tokens=tokens,
    )
