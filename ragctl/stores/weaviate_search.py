"""Searches of a collection: more is fetched than asked for, and what is not current is left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_objects import HIT_PROPERTIES, VECTOR, hit_of, is_current, key_of
from ragctl.stores.weaviate_reading import MOST_RESULTS
from ragctl.stores.weaviate_schema import UNSPACED, searched_properties
from ragctl.stores.weaviate_versions import CurrentVersions, settled
from ragctl.types import Hit, ItemKey

if TYPE_CHECKING:
    from weaviate.collections import Collection as Objects

Scored = tuple[float, dict[str, Any]]
"""A score that grows with relevance, and an object's properties."""

# How much more is asked for where too little of an answer was current.
_GROWTH = 4


class WeaviateSearch:
    """Searches of one generation.

    Args:
        collection: with its tenant and its consistency level.
        versions: of the generation's documents.
        language: as the collection was made for.
    """

    def __init__(self, collection: Objects[Any, Any], versions: CurrentVersions, *, language: str) -> None:
        self._collection = collection
        self._versions = versions
        self._language = language
        self._pinned: dict[ItemKey, int] | None = None

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Of a document that one search inside it has met, the others show no other version."""
        self._pinned = {}
        try:
            yield
        finally:
            self._pinned = None

    def by_vector(self, vector: Sequence[float], *, k: int) -> list[Hit]:
        """The k nearest by cosine, as Weaviate's HNSW index finds them."""
        from weaviate.classes.query import MetadataQuery

        def ask(limit: int) -> list[Scored]:
            answer = self._collection.query.near_vector(
                near_vector=list(vector),
                target_vector=VECTOR,
                limit=limit,
                return_metadata=MetadataQuery(distance=True),
                return_properties=HIT_PROPERTIES,
            )
            return [(1.0 - (one.metadata.distance or 0.0), dict(one.properties)) for one in answer.objects]

        return self._hits("dense", ask, k)

    def by_words(self, question: str, *, k: int) -> list[Hit]:
        """The k best by BM25; none where the question has no word that is looked for."""
        from weaviate.classes.query import MetadataQuery

        from ragctl.stores.text_analysis import words

        asked = words(question)
        if not asked:
            return []
        query = " ".join(asked) if self._language in UNSPACED else question

        def ask(limit: int) -> list[Scored]:
            answer = self._collection.query.bm25(
                query=query,
                query_properties=searched_properties(self._language),
                limit=limit,
                return_metadata=MetadataQuery(score=True),
                return_properties=HIT_PROPERTIES,
            )
            return [(one.metadata.score or 0.0, dict(one.properties)) for one in answer.objects]

        return self._hits("lexical", ask, k)

    def _hits(self, kind: str, ask: Callable[[int], list[Scored]], k: int) -> list[Hit]:
        """Of equal scores the first by source, path and place."""

        def read() -> tuple[list[Scored], Collection[ItemKey]]:
            limit = min(k + max(10, k // 10), MOST_RESULTS)
            while True:
                with weaviate_errors():
                    found = ask(limit)
                documents = {key_of(values) for _, values in found}
                allowed = self._allowed(self._versions.current(documents))
                if len(found) < limit or limit == MOST_RESULTS or _is_enough(found, allowed, k):
                    return found, documents
                limit = min(limit * _GROWTH, MOST_RESULTS)

        found, current = settled(self._versions, read)
        allowed = self._allowed(current)
        if self._pinned is not None:
            self._pinned.update(allowed)
        best = sorted(
            (one for one in found if is_current(one[1], allowed)),
            key=lambda one: (-one[0], *key_of(one[1]), one[1]["ordinal"]),
        )
        return [hit_of(kind, number, *one) for number, one in enumerate(best[:k], start=1)]

    def _allowed(self, current: dict[ItemKey, int]) -> dict[ItemKey, int]:
        if not self._pinned:
            return current
        return {**current, **{key: self._pinned[key] for key in current.keys() & self._pinned.keys()}}


def _is_enough(found: list[Scored], allowed: dict[ItemKey, int], k: int) -> bool:
    """Are there k to show, and none left out that is as good as the last of them?"""
    shown = [score for score, values in found if is_current(values, allowed)]
    return len(shown) >= k and found[-1][0] < shown[k - 1]
