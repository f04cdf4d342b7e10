"""Searches of a collection: more is fetched than asked for, and what is not current is left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragctl.conditions import Condition
from ragctl.stores.weaviate_faults import weaviate_errors
from ragctl.stores.weaviate_filter import WeaviateFilter
from ragctl.stores.weaviate_objects import HIT_PROPERTIES, VECTOR, hit_of, is_current, key_of
from ragctl.stores.weaviate_reading import MOST_RESULTS
from ragctl.stores.weaviate_schema import UNSPACED, searched_properties
from ragctl.stores.weaviate_versions import CurrentVersions, settled
from ragctl.types import Hit, ItemKey

if TYPE_CHECKING:
    from weaviate.collections import Collection as Objects
    from weaviate.collections.classes.filters import _Filters

Scored = tuple[float, dict[str, Any]]
"""A score that grows with relevance, and an object's properties."""

Ask = Callable[[int, "_Filters | None"], list[Scored]]
"""Given a limit and a filter."""

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

    def by_vector(self, vector: Sequence[float], *, k: int, where: Sequence[Condition] = ()) -> list[Hit]:
        """The k nearest by cosine, as Weaviate's HNSW index finds them."""
        from weaviate.classes.query import MetadataQuery

        def ask(limit: int, filters: _Filters | None) -> list[Scored]:
            answer = self._collection.query.near_vector(
                near_vector=list(vector),
                target_vector=VECTOR,
                limit=limit,
                filters=filters,
                return_metadata=MetadataQuery(distance=True),
                return_properties=HIT_PROPERTIES,
            )
            return [(1.0 - (one.metadata.distance or 0.0), dict(one.properties)) for one in answer.objects]

        return self._hits("dense", ask, k, WeaviateFilter(where))

    def by_words(self, question: str, *, k: int, where: Sequence[Condition] = ()) -> list[Hit]:
        """The k best by BM25; none where the question has no word that is looked for."""
        from weaviate.classes.query import MetadataQuery

        from ragctl.stores.text_analysis import words

        asked = words(question)
        if not asked:
            return []
        query = " ".join(asked) if self._language in UNSPACED else question

        def ask(limit: int, filters: _Filters | None) -> list[Scored]:
            answer = self._collection.query.bm25(
                query=query,
                query_properties=searched_properties(self._language),
                limit=limit,
                filters=filters,
                return_metadata=MetadataQuery(score=True),
                return_properties=HIT_PROPERTIES,
            )
            return [(one.metadata.score or 0.0, dict(one.properties)) for one in answer.objects]

        return self._hits("lexical", ask, k, WeaviateFilter(where))

    def _hits(self, kind: str, ask: Ask, k: int, where: WeaviateFilter) -> list[Hit]:
        """Of equal scores the first by source, path and place."""

        def read() -> tuple[list[Scored], Collection[ItemKey]]:
            found, enough = self._enough(ask, k, where, where.for_server())
            if not enough and not where.decided_by_server:
                with weaviate_errors():
                    groups = list(where.of_documents(self._collection))
                found = [one for group in groups for one in self._enough(ask, k, where, group)[0]]
            return found, {key_of(values) for _, values in found}

        found, current = settled(self._versions, read)
        allowed = self._allowed(current)
        if self._pinned is not None:
            self._pinned.update(allowed)
        best = sorted(
            (one for one in found if is_current(one[1], allowed) and where.keeps(one[1])),
            key=lambda one: (-one[0], *key_of(one[1]), one[1]["ordinal"]),
        )
        return [hit_of(kind, number, *one) for number, one in enumerate(best[:k], start=1)]

    def _enough(
        self, ask: Ask, k: int, where: WeaviateFilter, filters: _Filters | None
    ) -> tuple[list[Scored], bool]:
        """An answer with k to show, or all there is; False if the server holds back what may be more."""
        limit = min(k + max(10, k // 10), MOST_RESULTS)
        while True:
            with weaviate_errors():
                found = ask(limit, filters)
            allowed = self._allowed(self._versions.current({key_of(values) for _, values in found}))
            shown = [score for score, values in found if is_current(values, allowed) and where.keeps(values)]
            # The last of them may have others beside it that are as good.
            if len(found) < limit or (len(shown) >= k and found[-1][0] < shown[k - 1]):
                return found, True
            if limit == MOST_RESULTS:
                return found, len(shown) >= k
            limit = min(limit * _GROWTH, MOST_RESULTS)

    def _allowed(self, current: dict[ItemKey, int]) -> dict[ItemKey, int]:
        if not self._pinned:
            return current
        return {**current, **{key: self._pinned[key] for key in current.keys() & self._pinned.keys()}}
