"""query: questions → one list of hits for each."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.ports import Embedder, VectorStore
from ragctl.types import Hit


def query(texts: Sequence[str], embedder: Embedder, store: VectorStore, *, k: int) -> list[list[Hit]]:
    """The k nearest chunks for each text, best first; the trail says by which search they came."""
    return store.search(embedder.embed_queries(texts), k=k)
