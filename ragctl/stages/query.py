"""query: a question's versions → ranked lists of hits, by vectors, by words, or both."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from ragctl.conditions import Condition
from ragctl.ports import QueryEmbedder
from ragctl.types import Hit

if TYPE_CHECKING:
    from ragctl.ports import Vectors

Mode = Literal["dense", "lexical", "hybrid"]


class Searched(Protocol):
    """The part of a store that is asked."""

    def at_one_moment(self) -> AbstractContextManager[None]: ...

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]: ...

    def search_text(
        self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()
    ) -> list[list[Hit]]: ...


def query(
    texts: Sequence[str],
    embedder: QueryEmbedder,
    store: Searched,
    *,
    k: int,
    mode: Mode = "dense",
    first: int = 0,
    numbered: bool = False,
    where: Sequence[Condition] = (),
) -> list[list[Hit]]:
    """The k best chunks for each text, best first, once for each search; the trail says by which.

    With `hybrid`, the lists of the vectors come first, in the order of the texts, then those of the words.
    With several texts, the trail has the text's number, too: `version`, 0 for the question itself.

    Args:
        first: number of the first text, where others were asked before.
        numbered: also a single first text has its number, as others will be asked after it.
        where: what the documents of the chunks must fulfil, all of it.
    """

    def with_numbers(lists: list[list[Hit]]) -> list[list[Hit]]:
        if len(texts) == 1 and not first and not numbered:
            return lists
        return [[_of_version(hit, first + number) for hit in hits] for number, hits in enumerate(lists)]

    kept = {"where": where} if where else {}  # a store without filters can be asked where there are none
    if mode == "lexical":
        return with_numbers(store.search_text(texts, k=k, **kept))
    vectors = embedder.embed_queries(texts)
    if mode == "dense":
        return with_numbers(store.search(vectors, k=k, **kept))
    # Else a document that is replaced in between would be found in its old version and its new one.
    with store.at_one_moment():
        return [
            *with_numbers(store.search(vectors, k=k, **kept)),
            *with_numbers(store.search_text(texts, k=k, **kept)),
        ]


def _of_version(hit: Hit, version: int) -> Hit:
    return replace(hit, trail={name: {**step, "version": version} for name, step in hit.trail.items()})
