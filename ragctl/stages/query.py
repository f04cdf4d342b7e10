"""query: vectors of a question's versions → one list of hits for each."""

from __future__ import annotations

from collections.abc import Sequence

from ragctl.ports import QueryEmbedder, VectorStore
from ragctl.types import Hit


def query(texts: Sequence[str], embedder: QueryEmbedder, store: VectorStore, *, k: int) -> list[list[Hit]]:
    """The k nearest chunks for each text, best first; the trail says by which search."""
    return store.search(embedder.embed_queries(texts), k=k)
