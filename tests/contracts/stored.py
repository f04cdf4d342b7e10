"""Documents with vectors for the checks of stores and of the state, and what a store must offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ragctl.ports import VectorStore
from ragctl.types import Chunk, Document, EmbeddedDocument, Hit

DIMENSION = 8
Key = tuple[str, str]


def unit(vector: Sequence[float] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A vector of unit length, float32, padded with zeros to DIMENSION."""
    padded = np.zeros(DIMENSION, dtype=np.float64)
    padded[: len(vector)] = vector
    return (padded / np.linalg.norm(padded)).astype(np.float32)


def random_vectors(count: int, seed: int) -> np.ndarray[Any, Any]:
    """Shape (count, DIMENSION), float32, unit length; the same for the same seed."""
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def embedded(
    path: str,
    texts: Sequence[str],
    vectors: np.ndarray[Any, Any] | None = None,
    *,
    source: str = "docs",
    headings: tuple[str, ...] = (),
    **attributes: Any,
) -> EmbeddedDocument:
    """A document that is its chunks' texts one after another.

    Args:
        vectors: one a text; drawn at random, the same for the same path, if left out.
        attributes: of the `Document`.
    """
    ends = np.cumsum([len(text) for text in texts]).tolist()
    chunks = tuple(
        Chunk(
            ordinal=number,
            start=end - len(text),
            end=end,
            text=text,
            embed_input=text,
            tokens=len(text) + 2,
            headings=headings,
            line=number + 1,
        )
        for number, (text, end) in enumerate(zip(texts, ends, strict=True))
    )
    known = {
        "uri": f"file:///{path}",
        "title": path.upper(),
        "media_type": "text/plain",
        "sections": (),
        "item": path,
        "digest": "d" * 64,
        "reader": "plain_text@1",
    }
    return EmbeddedDocument(
        document=Document(source=source, path=path, text="".join(texts), **{**known, **attributes}),
        chunks=chunks,
        vectors=random_vectors(len(texts), seed=len(path)) if vectors is None else vectors,
        input_hashes=tuple(f"{path}#{number}".encode() for number in range(len(texts))),
    )


class StoreUnderTest(VectorStore, Protocol):
    """The port, and what the runner and the commands use of a store besides."""

    def create(self) -> None: ...
    def drop(self) -> None: ...
    def exists(self) -> bool: ...
    def counts(self) -> tuple[int, int]: ...
    def documents(self) -> set[Key]: ...
    def chunks_of(self, source: str, path: str) -> list[dict[str, Any]]: ...


Opener = Callable[..., StoreUnderTest]


def texts_of(store: StoreUnderTest, path: str, source: str = "docs") -> list[str]:
    return [chunk["text"] for chunk in store.chunks_of(source, path)]


def places(hits: Sequence[Hit]) -> list[tuple[str, str, int]]:
    return [(hit.source, hit.document, hit.start) for hit in hits]
