"""query: a question's versions → ranked lists of hits, by vectors, by words, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from ragctl.ports import QueryEmbedder
from ragctl.types import Hit

if TYPE_CHECKING:
    from ragctl.ports import Vectors

Mode = Literal["dense", "lexical", "hybrid"]


class Searched(Protocol):
    """The part of a store that is asked."""

    def search(self, vectors: Vectors, *, k: int) -> list[list[Hit]]: ...

    def search_text(self, questions: Sequence[str], *, k: int) -> list[list[Hit]]: ...


def query(
    texts: Sequence[str], embedder: QueryEmbedder, store: Searched, *, k: int, mode: Mode = "dense"
) -> list[list[Hit]]:
    """The k best chunks for each text, best first, once for each search; the trail says by which.

    With `hybrid`, the lists of the vectors come first, in the order of the texts, then those of the words.
    """
    lists: list[list[Hit]] = []
    if mode != "lexical":
        lists += store.search(embedder.embed_queries(texts), k=k)
    if mode != "dense":
        lists += store.search_text(texts, k=k)
    return lists
