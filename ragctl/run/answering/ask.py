"""ask: rephrase → query → dedupe → rank → answer over the active generation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import DocumentError, Mismatch, RagctlError, UsageError
from ragctl.run.answering.asked import SCHEMA_VERSION as SCHEMA_VERSION
from ragctl.run.answering.asked import Asked, AskResult, Unanswered, fails_alone
from ragctl.run.answering.context import Context
from ragctl.run.answering.described import models_of, prompts_of, unpriced
from ragctl.run.answering.ordering import order
from ragctl.run.answering.remembered import Remembered
from ragctl.run.answering.rewording import begin, reword
from ragctl.run.answering.searching import fold, reads_language, search
from ragctl.run.answering.store_pool import StorePool
from ragctl.run.answering.writing import OnText, write_answer
from ragctl.run.composition import Composition
from ragctl.run.database_errors import database_errors
from ragctl.run.models.locking import check_lock
from ragctl.stages.query import Mode
from ragctl.types import Usage

if TYPE_CHECKING:
    from ragctl.conditions import Condition
    from ragctl.ports import Embedder, Reranker
    from ragctl.spec.load import LoadedSpec
    from ragctl.state.generations import Generation
    from ragctl.types import Hit, Message


class Asker:
    """Answers questions against the generation that was active when it was made; one thread may use it.

    `lacks_words` says that a release without lexical search made it: a hybrid search is a dense one then.

    Raises:
        NothingPublished: there is nothing to query yet.
        Mismatch: the spec's embedder is not the one that made the index, or not what the lock pins.
        SpecError: a prompt of the spec is not what it should be.
    """

    def __init__(
        self,
        composition: Composition,
        *,
        top_n: int | None = None,
        sensitive: bool = False,
        where: Sequence[Condition] = (),
    ) -> None:
        """
        Args:
            top_n: how many hits; the spec's `ask.rank.top_n` if None.
            sensitive: the questions are, whatever the spec says.
            where: what the documents of the passages must fulfil, all of it.
        """
        if composition.spec.document_ask.query.mode != "lexical":
            composition.embedder.prepare_questions()  # goes on while the database is connected to
        self._composition = composition
        self.context = Context(composition, sensitive=sensitive)
        settings = composition.spec.document_ask
        if settings.query.mode != "lexical":
            self.context.privacy.question(composition.embedder)
        check_lock(composition, embedder_only=True)
        self._top_n = top_n or settings.rank.top_n
        self._k = max(settings.query.k, self._top_n)
        with database_errors():
            self.generation = composition.active_generation()
            _same_embedder(composition, self.generation)
            store = composition.store_of(self.generation)
            self._mode: Mode = settings.query.mode
            self.lacks_words = self._mode == "hybrid" and not store.has_text_index()
            if self.lacks_words:
                self._mode = "dense"
        self._stores = StorePool(composition, self.generation, first=store)
        self._embedder: Embedder = composition.embedder
        self._own_reranker: Reranker | None = None
        self._turn: AbstractContextManager[object] = nullcontext()
        self._where = tuple(where)

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
            f"{self._composition.embed_settings.model} reads {known}, and chunk.language is "
            f"{spec.chunk.language}: vectors say little about this text, a multilingual model would say more"
        )

    def several(self, count: int) -> list[Asker]:
        """So many that may be used at the same time, each by one thread.

        They share what is large: models in this process are asked in turn, connections to the store are
        pooled. A remote embedder or reranker is each one's own, as usage is counted by object.

        Raises:
            UsageError, MissingPackage, Unavailable: a model cannot be had.
        """
        shared = Lock()
        return [self._another(shared) for _ in range(count)]

    def _another(self, turn: AbstractContextManager[object]) -> Asker:
        made = copy(self)
        made._turn = turn
        composition = self._composition
        if self._embedder.endpoint is not None:
            choice = composition.choice
            made._embedder = composition.models.embedder(choice.settings, choice.key)
        reranker = composition.reranker
        if reranker is not None and reranker.endpoint is not None:
            made._own_reranker = composition.models.reranker(composition.spec.document_ask.rank, "ask.rank")
        return made

    @property
    def record(self) -> dict[str, Any]:
        """What the record of a run says of it."""
        return {
            "generation": self.generation.number,
            "models": models_of(self.context),
            "prompts": prompts_of(self.context),
        }

    @property
    def unpriced(self) -> Iterator[tuple[str, str]]:
        """See `described.unpriced`."""
        return unpriced(self.context)

    def stop_waiting(self) -> None:
        """Ends the waiting of requests for their provider's limits; they are not sent."""
        self._composition.stop_waiting()

    def close(self) -> None:
        """Ends the connections that questions asked at the same time have opened."""
        self._stores.close()

    def ask(
        self,
        question: str,
        *,
        history: Sequence[Message] = (),
        shown_before: Sequence[Hit] = (),
        on_text: OnText | None = None,
    ) -> AskResult:
        """The best passages for one question, and the answer that the spec's model makes of them.

        Args:
            history: turns of a conversation that the question belongs to, oldest first.
            shown_before: passages that its answers were made of: they are as sensitive as ever.
            on_text: called with each piece of the answer that may be shown, as it comes.

        Raises:
            UsageError: the question is empty or longer than a model reads.
            PrivacyRefused: it, or a passage, may not go to a model.
            Unavailable: the store or a model is out of reach.
        """
        return self._carried_out(begin(question, history, shown_before), on_text)

    def _carried_out(self, asked: Asked, on_text: OnText | None = None) -> AskResult:
        started = time.perf_counter()
        kept = self._remembered(asked)
        if kept is not None and (found := kept.find()) is not None:
            return _again(found, (time.perf_counter() - started) * 1000)
        try:
            reword(asked, self.context)
            self.query(asked)
            fold(asked, self._composition, top_n=self._top_n)
            order(asked, self.context, self._reranker, top_n=self._top_n, turn=self._turn)
            write_answer(asked, self.context, on_text)
        except DocumentError as error:
            what = f"the question cannot be answered: {error.message}"
            raise UsageError(what, where=error.where) from error
        asked.timings["total_ms"] = (time.perf_counter() - started) * 1000
        result = asked.result()
        if kept is not None:
            kept.keep(result)
        return result

    def _remembered(self, asked: Asked) -> Remembered | None:
        """None where nothing is kept: the spec does not say so, or earlier passages might show through."""
        if not self.context.settings.cache or asked.shown_before:
            return None
        return Remembered(
            self.context, self.generation, asked.question, asked.history, self._top_n, self._where
        )

    @property
    def _reranker(self) -> Reranker | None:
        return self._own_reranker or self._composition.reranker

    def query(self, asked: Asked) -> None:
        """The hits for every version of the question.

        Raises:
            UsageError: the question is longer than the embedder reads.
            Unavailable: the store is out of reach.
        """
        with self._stores.one() as store:
            search(
                asked,
                self.context,
                self._embedder,
                store,
                k=self._k,
                mode=self._mode,
                turn=self._turn,
                where=self._where,
            )

    def ask_alone(self, question: str) -> AskResult | Unanswered:
        """As `ask`; what may be this question's own failure is returned.

        Raises:
            RagctlError: what others would meet as well: the store or a key is gone, a model is unknown.
        """
        asked: Asked | None = None
        try:
            asked = begin(question)
            return self._carried_out(asked)
        except RagctlError as error:
            if not fails_alone(error):
                raise
            return Unanswered(question, error, {} if asked is None else asked.usage)

    def prepare(self) -> None:
        """Makes the models that the spec names: what is wrong with one is no question's fault.

        Raises:
            UsageError, MissingPackage, Unavailable, GuardRefused, LockDrift: one of them cannot be had.
            PrivacyRefused: all that is asked is sensitive, and may not go to one of them.
        """
        if (reranker := self._composition.reranker) is not None:
            self.context.privacy.question(reranker)
        self.context.prepare()

    def ask_each(self, questions: Iterable[str]) -> Iterator[AskResult | Unanswered]:
        """One result a question, in order. A question fails alone; a lost store ends it all.

        Raises:
            RagctlError: see `prepare` and `ask_alone`.
        """
        self.prepare()
        for question in questions:
            yield self.ask_alone(question)


def ask(loaded: LoadedSpec, question: str) -> AskResult:
    """Answers one question. For more than one, keep an `Asker`.

    Raises:
        See `Asker` and `Asker.ask`.
    """
    with Composition(loaded) as composition:
        return Asker(composition).ask(question)


def _again(found: AskResult, took_ms: float) -> AskResult:
    """A result that was kept: nobody was asked for it, and it took the time of a look."""
    note = {"step": "cache", "kind": "note", "message": "the same question was answered before"}
    return replace(found, notes=[note], timings={"total_ms": took_ms}, usage=Usage(), stages={})


def _same_embedder(composition: Composition, generation: Generation) -> None:
    identity = composition.embedder.identity
    if generation.embedder != identity:
        raise Mismatch(
            f"the index was made by the embedder {generation.embedder!r}, the spec names {identity!r}",
            where=composition.loaded.where("embed"),
            hint="name the index's embedder in the spec again, or ingest to build a new generation",
        )
