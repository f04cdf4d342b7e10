"""embed: documents with chunks → documents with vectors, asking the model only for what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragctl.errors import DocumentError, RejectedInputs, Unavailable
from ragctl.ports import PassageEmbedder, VectorCache
from ragctl.stages.failures import MESSAGE_LIMIT, FailureHandler, StageFailure, failure_of, reraise
from ragctl.types import ChunkedDocument, Document, EmbeddedBatch, EmbeddedDocument

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
    allow: Callable[[Document], None] = lambda document: None,
    window: int = WINDOW_CHUNKS,
    on_failure: FailureHandler = reraise,
) -> Iterator[EmbeddedDocument]:
    """Gives every chunk its vector, in the order of the documents.

    Each distinct embed input is asked for once; those that `cache` knows are not asked for at all,
    and every batch is kept in it as it returns. Documents are taken in windows of at least
    `window` chunks, which bounds the memory by a window or by the largest document.

    Args:
        allow: called with each document that the model is to read something of, before it reads anything
            of the window; what it raises ends the embedding.
        on_failure: told of each document with an embed input that the embedder refuses for itself
            (`RejectedInputs`); the others go on.

    Raises:
        Unavailable: the embedder broke its contract (count, dimension, NaN, a zero vector).
    """
    for group in windows(documents, window):
        yield from _embed_group(group, embedder, cache, allow, on_failure)


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
    group: Sequence[ChunkedDocument],
    embedder: PassageEmbedder,
    cache: VectorCache | None,
    allow: Callable[[Document], None],
    on_failure: FailureHandler,
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
    for document, keys in zip(group, hashes, strict=True):
        if not fresh.isdisjoint(keys):
            allow(document.document)
    refused: Mapping[bytes, DocumentError] = {}
    if missing:
        made, refused = _ask(missing, [inputs[key] for key in missing], embedder, cache)
        vectors.update(made)
    for document, keys in zip(group, hashes, strict=True):
        failure = _failure(document, keys, refused)
        if failure is None:
            yield _assemble(document, keys, vectors, fresh)
        else:
            on_failure(failure)


def _ask(
    keys: Sequence[bytes], inputs: Sequence[str], embedder: PassageEmbedder, cache: VectorCache | None
) -> tuple[dict[bytes, Vector], dict[bytes, DocumentError]]:
    """The vectors, and why there is none for some of the inputs."""
    import numpy as np

    found: dict[bytes, Vector] = {}
    refused: dict[bytes, DocumentError] = {}
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
    except RejectedInputs as error:
        refused = {keys[position]: why for position, why in error.refused.items()}
    finally:
        # Also when the model fails or the run is interrupted: these vectors have been paid for.
        keep()
    if len(found) + len(refused) != len(keys):
        raise Unavailable(
            f"the embedder returned {len(found)} vectors for {len(keys) - len(refused)} texts",
            where=embedder.identity,
        )
    return found, refused


def _failure(
    document: ChunkedDocument, keys: Sequence[bytes], refused: Mapping[bytes, DocumentError]
) -> StageFailure | None:
    """Of the document's first chunk that was refused."""
    for chunk, key in zip(document.chunks, keys, strict=True):
        if key in refused:
            failed = failure_of(document.document.source, document.document.path, "embed", refused[key])
            place = f"chunk {chunk.ordinal + 1} of {len(keys)}: "
            message = (place + failed.failure.message)[:MESSAGE_LIMIT]
            named = StageFailure(replace(failed.failure, message=message))
            named.__cause__ = refused[key]
            return named
    return None


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
