"""query and dedupe, in a run: all versions of the question at once, then one list of what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ragctl.conditions import Condition
from ragctl.errors import DocumentError, OverlongInput, UsageError
from ragctl.ports import Embedder
from ragctl.run.answering.asked import Asked
from ragctl.run.answering.context import Context
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.redone import redone
from ragctl.stages.dedupe import dedupe
from ragctl.stages.expansion import expanded
from ragctl.stages.query import Mode, Searched, query
from ragctl.types import Hit, Usage

if TYPE_CHECKING:
    from ragctl.ports import Vectors

FOREIGN_DENSE_WEIGHT = 0.25
"""Of the dense list of a model that does not read the language of the text. Measured on XQuAD in Chinese with
an English model (make bench-retrieval): with 1 the fused list is worse than the words' alone by .063 of
nDCG@10, with 0.25 it is not, and a question without a known word still finds something."""

ANY_LANGUAGE = "simple"  # says nothing about what the text is written in


def search(
    asked: Asked,
    context: Context,
    embedder: Embedder,
    store: Searched,
    *,
    k: int,
    mode: Mode,
    turn: AbstractContextManager[object],
    where: Sequence[Condition] = (),
) -> None:
    """The hits for every version of the question; with `ask.rephrase.expand`, for one more made of them.

    A version that the embedder cannot read is left out, and a note says so.

    Args:
        turn: held while the embedder is asked.
        where: what the documents of the passages must fulfil.

    Raises:
        UsageError: the question is longer than the embedder reads.
        PrivacyRefused: it may not go to the embedder.
        Unavailable: the store is out of reach.
    """
    expansion = context.settings.rephrase.expand

    def found(texts: Sequence[str], first: int = 0) -> list[list[Hit]]:
        return query(
            texts,
            _Timed(embedder, asked, allow=lambda: context.privacy.question(embedder), turn=turn),
            _TimedStore(store, asked),
            k=k,
            mode=mode,
            first=first,
            numbered=expansion != "none",
            where=where,
        )

    asked.usage.setdefault("query", Usage())
    with asked.timed("query"), database_errors():
        if mode != "lexical":
            _leave_out_overlong(asked, embedder)
        asked.lists = redone(lambda: _readable(asked, found))
        readable = [
            [hit for hit in hits if mode == "lexical" or context.privacy.may_read(hit, embedder)]
            for hits in asked.lists
        ]
        version = expanded(asked.asks, readable, expansion)
        if version is not None:
            _search_once_more(asked, version, found)
        if expansion == "prf" and readable != asked.lists:
            asked.note("query", f"no words of sensitive passages were sent to {embedder.endpoint}")
    asked.tokens = sum(embedder.tokenizer.count(list(asked.versions)))


def _readable(asked: Asked, found: Callable[[Sequence[str]], list[list[Hit]]]) -> list[list[Hit]]:
    try:
        return found(asked.versions)
    except DocumentError as error:
        if len(asked.versions) > 1:  # the one that cannot be read may be another than the question
            asked.note("query", f"the other versions were left out: {error.message}")
            asked.versions, asked.reworded = asked.versions[:1], 1
            return _readable(asked, found)
        if isinstance(error, OverlongInput):
            raise UsageError(f"the question is too long: {error.message}", hint="shorten it") from error
        raise UsageError(f"the question cannot be read: {error.message}") from error


def _leave_out_overlong(asked: Asked, embedder: Embedder) -> None:
    counts = embedder.tokenizer.count(list(asked.versions))
    over = {number for number, count in enumerate(counts) if number and count > embedder.max_tokens}
    if over:
        asked.versions = tuple(text for number, text in enumerate(asked.versions) if number not in over)
        asked.reworded = len(asked.versions)
        asked.note("query", f"{len(over)} versions longer than {embedder.max_tokens} tokens were left out")


def _search_once_more(asked: Asked, version: str, found: Callable[..., list[list[Hit]]]) -> None:
    try:
        asked.lists += found([version], len(asked.versions))
    except DocumentError as error:
        asked.note("query", f"the expanded question was left out: {error.message}")
        return
    asked.versions = (*asked.versions, version)


def fold(asked: Asked, composition: Composition, *, top_n: int) -> None:
    """The lists of all versions and searches as one.

    Where each version is answered by itself, also a list of each, from which `order` takes the best.
    """
    settings = composition.spec.document_ask
    # Some more than are shown, as a model may leave some out or bring others forward.
    wanted = max(3 * top_n, settings.rank.candidates if settings.rank.provider != "none" else 0)

    def one_list(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
        return dedupe(
            lists,
            fusion=settings.query.fusion,
            weights=weights,
            rrf_k=settings.query.rrf_k,
            original_weight=settings.dedupe.original_weight,
            near_duplicate=settings.dedupe.near_duplicate,
            near_within=wanted,
        )

    with asked.timed("dedupe"):
        weights = fusion_weights(composition)
        asked.hits = one_list(asked.lists)
        if settings.answer.provider != "none" and settings.answer.per_version and asked.reworded > 1:
            asked.by_version = [
                one_list([hits for hits in asked.lists if hits and _version_of(hits[0]) == number])[:wanted]
                for number in range(asked.reworded)
            ]
        asked.lists = []


def _version_of(hit: Hit) -> int:
    return next((step.get("version", 0) for step in hit.trail.values()), 0)


def fusion_weights(composition: Composition) -> dict[str, float]:
    """The weight of each search by its name."""
    settings = composition.spec.document_ask.query
    dense = settings.dense_weight
    if dense is None:
        dense = 1.0 if reads_language(composition) else FOREIGN_DENSE_WEIGHT
    return {"dense": dense, "lexical": settings.lexical_weight}


def reads_language(composition: Composition) -> bool:
    """May the model read the language of the text? Not if it is known to read others."""
    language, known = composition.spec.chunk.language, composition.embedder.languages
    return known is None or language in known or language == ANY_LANGUAGE


class _Timed:
    """The embedder, with its share of the query step noted. `allow` raises if it may not read a question."""

    def __init__(
        self,
        embedder: Embedder,
        asked: Asked,
        *,
        allow: Callable[[], None],
        turn: AbstractContextManager[object],
    ) -> None:
        self._embedder = embedder
        self._asked = asked
        self._allow = allow
        self._turn = turn

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        self._allow()
        with self._turn, self._asked.timed("embed"), self._asked.counted("query", self._embedder):
            return self._embedder.embed_queries(questions)


class _TimedStore:
    """The store, with each search's share of the query step noted."""

    def __init__(self, store: Searched, asked: Asked) -> None:
        self._store = store
        self._asked = asked

    def at_one_moment(self) -> AbstractContextManager[None]:
        return self._store.at_one_moment()

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        with self._asked.timed("dense"):
            return self._store.search(vectors, k=k, **_if_any(where))

    def search_text(
        self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()
    ) -> list[list[Hit]]:
        with self._asked.timed("lexical"):
            return self._store.search_text(questions, k=k, **_if_any(where))


def _if_any(where: Sequence[Condition]) -> dict[str, Sequence[Condition]]:
    """A store that knows no conditions can be asked without any."""
    return {"where": where} if where else {}
