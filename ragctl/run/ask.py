"""ask: query → dedupe → rank over the active generation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragctl.errors import DocumentError, Mismatch, OverlongInput, RagctlError, UsageError
from ragctl.ports import QueryEmbedder
from ragctl.run.composition import Composition, database_errors
from ragctl.run.locking import check_lock
from ragctl.stages.dedupe import dedupe
from ragctl.stages.query import Mode, Searched, query
from ragctl.stages.rank import rank, rerank
from ragctl.types import Hit, Usage

if TYPE_CHECKING:
    from ragctl.ports import Reranker, Vectors
    from ragctl.spec.load import LoadedSpec
    from ragctl.state.generations import Generation

SCHEMA_VERSION = 1

FOREIGN_DENSE_WEIGHT = 0.25
"""Of the dense list of a model that does not read the language of the text. Measured on XQuAD in Chinese with
an English model (make bench-retrieval): with 1 the fused list is worse than the words' alone by .063 of
nDCG@10, with 0.25 it is not, and a question without a known word still finds something."""

ANY_LANGUAGE = "simple"  # says nothing about what the text is written in


@dataclass(slots=True)
class AskResult:
    """The hits for one question. `timings` are milliseconds by step."""

    question: str
    hits: list[Hit]
    rephrasings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    def as_json(self) -> dict[str, Any]:
        """The document that `--format json` prints; fields may be added, none changed."""
        return {
            "schema_version": SCHEMA_VERSION,
            "question": self.question,
            "rephrasings": list(self.rephrasings),
            "hits": [_hit_json(hit) for hit in self.hits],
            "answer": None,
            "timings": {step: round(value, 3) for step, value in self.timings.items()},
            "usage": {"tokens": self.usage.tokens, "cost_usd": self.usage.cost_usd},
        }


def _hit_json(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "score": hit.score,
        "source": hit.source,
        "document": hit.document,
        "uri": hit.uri,
        "title": hit.title,
        "heading": " > ".join(hit.headings) or None,
        "page": hit.page,
        "sheet": hit.sheet,
        "line": hit.line,
        "start": hit.start,
        "end": hit.end,
        "text": hit.text,
        "metadata": dict(hit.metadata),
        "duplicates": [dict(one) for one in hit.duplicates],
        "trail": dict(hit.trail),
    }


@dataclass(slots=True)
class Asked:
    """A question on its way from stage to stage.

    Attributes:
        versions: the question and its rephrasings, the question itself first.
        lists: hits for each version, after `query`.
        hits: one list, after `dedupe`; the few that are shown, after `rank`.
        timings: milliseconds by step.
        tokens: that the embedder read.
    """

    question: str
    versions: tuple[str, ...]
    lists: list[list[Hit]] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    tokens: int = 0

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Counts the time inside as that step's."""
        before = time.perf_counter()
        yield
        self.timings[f"{step}_ms"] = (time.perf_counter() - before) * 1000

    def result(self) -> AskResult:
        return AskResult(
            question=self.question,
            hits=self.hits,
            rephrasings=self.versions[1:],
            timings=self.timings,
            usage=Usage(tokens=self.tokens),
        )


def rephrase_question(question: str) -> Asked:
    """The question and its versions; itself alone, as a spec names no model to reword it yet.

    Raises:
        UsageError: the question is empty.
    """
    question = question.strip()
    if not question:
        raise UsageError("the question is empty")
    return Asked(question, (question,))


def dedupe_hits(asked: Asked, composition: Composition) -> None:
    """The lists of all versions and searches as one."""
    settings = composition.spec.ask.query
    with asked.timed("dedupe"):
        weights = fusion_weights(composition)
        asked.hits = dedupe(asked.lists, fusion=settings.fusion, weights=weights, rrf_k=settings.rrf_k)
        asked.lists = []


def fusion_weights(composition: Composition) -> dict[str, float]:
    """The weight of each search by its name."""
    settings = composition.spec.ask.query
    dense = settings.dense_weight
    if dense is None:
        dense = 1.0 if reads_language(composition) else FOREIGN_DENSE_WEIGHT
    return {"dense": dense, "lexical": settings.lexical_weight}


def reads_language(composition: Composition) -> bool:
    """May the model read the language of the text? Not if it is known to read others."""
    language, known = composition.spec.chunk.language, composition.embedder.languages
    return known is None or language in known or language == ANY_LANGUAGE


def rank_hits(
    asked: Asked, *, top_n: int, reranker: Reranker | None = None, candidates: int | None = None
) -> None:
    """The best `top_n`: as they came, or as the reranker scores the first `candidates` (None: all).

    Raises:
        UsageError: the question is too long for the reranker.
    """
    with asked.timed("rank"):
        if reranker is not None and asked.hits:
            read = len(asked.hits) if candidates is None else max(candidates, top_n)
            try:
                asked.hits = rerank(asked.question, asked.hits, reranker, candidates=read)
            except OverlongInput as error:
                raise UsageError(f"the question is too long: {error.message}", hint="shorten it") from error
        asked.hits = rank(asked.hits, top_n=top_n)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that failed; the others go on."""

    question: str
    error: RagctlError

    def as_json(self) -> dict[str, Any]:
        return {"question": self.question, "error": self.error.as_json()}


class Asker:
    """Answers questions against the generation that was active when it was made.

    `lacks_words` says that a release without lexical search made it: a hybrid search is a dense one then.

    Raises:
        NothingPublished: there is nothing to query yet.
        Mismatch: the spec's embedder is not the one that made the index, or not what the lock pins.
    """

    def __init__(self, composition: Composition, *, top_n: int | None = None) -> None:
        """`top_n`: how many hits; the spec's `ask.rank.top_n` if None."""
        check_lock(composition, embedder_only=True)
        self._composition = composition
        settings = composition.spec.ask
        self._top_n = top_n or settings.rank.top_n
        self._k = max(settings.query.k, self._top_n)
        with database_errors():
            self.generation = composition.active_generation()
            _same_embedder(composition, self.generation)
            self._store = composition.store_of(self.generation)
            self._mode: Mode = settings.query.mode
            self.lacks_words = self._mode == "hybrid" and not self._store.has_text_index()
            if self.lacks_words:
                self._mode = "dense"

    @property
    def behind_spec(self) -> bool:
        """The index was made by another recipe than the spec's now: it may be asked, and is out of date."""
        return self.generation.recipe != self._composition.recipe.digest

    @property
    def foreign(self) -> str | None:
        """A sentence, where the model is known not to read the language that the spec gives the text."""
        if self._mode == "lexical" or reads_language(self._composition):
            return None
        spec = self._composition.spec
        known = ", ".join(sorted(self._composition.embedder.languages or ()))
        return (
            f"{spec.embed.model} reads {known}, and chunk.language is {spec.chunk.language}: vectors say little "
            "about this text, a multilingual model would say more"
        )

    def ask(self, question: str) -> AskResult:
        """The best passages for one question.

        Raises:
            UsageError: the question is empty or longer than the embedder reads.
            Unavailable: the store is out of reach.
        """
        started = time.perf_counter()
        asked = rephrase_question(question)
        self.query(asked)
        dedupe_hits(asked, self._composition)
        rank_hits(
            asked,
            top_n=self._top_n,
            reranker=self._composition.reranker,
            candidates=self._composition.spec.ask.rank.candidates,
        )
        asked.timings["total_ms"] = (time.perf_counter() - started) * 1000
        return asked.result()

    def query(self, asked: Asked) -> None:
        """The hits for every version of the question.

        Raises:
            UsageError: the question is longer than the embedder reads.
            Unavailable: the store is out of reach.
        """
        embedder = self._composition.embedder
        try:
            with asked.timed("query"), database_errors():
                asked.lists = query(
                    asked.versions,
                    _Timed(embedder, asked),
                    _TimedStore(self._store, asked),
                    k=self._k,
                    mode=self._mode,
                )
        except OverlongInput as error:
            raise UsageError(f"the question is too long: {error.message}", hint="shorten it") from error
        except DocumentError as error:
            raise UsageError(f"the question cannot be read: {error.message}") from error
        asked.tokens = sum(embedder.tokenizer.count(list(asked.versions)))

    def ask_each(self, questions: Iterable[str]) -> Iterator[AskResult | Unanswered]:
        """One result a question, in order. A wrong question fails alone; a lost store ends it all.

        Raises:
            UsageError, MissingPackage, Unavailable: the reranker cannot be had.
        """
        _ = self._composition.reranker  # what is wrong with it is no question's fault
        for question in questions:
            try:
                yield self.ask(question)
            except UsageError as error:
                yield Unanswered(question, error)


def ask(loaded: LoadedSpec, question: str) -> AskResult:
    """Answers one question. For more than one, keep an `Asker`.

    Raises:
        See `Asker` and `Asker.ask`.
    """
    with Composition(loaded) as composition:
        return Asker(composition).ask(question)


def _same_embedder(composition: Composition, generation: Generation) -> None:
    identity = composition.embedder.identity
    if generation.embedder != identity:
        raise Mismatch(
            f"the index was made by the embedder {generation.embedder!r}, the spec names {identity!r}",
            where=composition.loaded.where("embed"),
            hint="name the index's embedder in the spec again, or ingest to build a new generation",
        )


class _Timed:
    """The embedder, with its share of the query step noted."""

    def __init__(self, embedder: QueryEmbedder, asked: Asked) -> None:
        self._embedder = embedder
        self._asked = asked

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        with self._asked.timed("embed"):
            return self._embedder.embed_queries(questions)


class _TimedStore:
    """The store, with each search's share of the query step noted."""

    def __init__(self, store: Searched, asked: Asked) -> None:
        self._store = store
        self._asked = asked

    def at_one_moment(self) -> AbstractContextManager[None]:
        return self._store.at_one_moment()

    def search(self, vectors: Vectors, *, k: int) -> list[list[Hit]]:
        with self._asked.timed("dense"):
            return self._store.search(vectors, k=k)

    def search_text(self, questions: Sequence[str], *, k: int) -> list[list[Hit]]:
        with self._asked.timed("lexical"):
            return self._store.search_text(questions, k=k)
