"""A question on its way from stage to stage, what came of it, and both as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from ragctl.errors import (
    DocumentError,
    PrivacyRefused,
    ProviderError,
    RagctlError,
    UnknownModel,
    UsageError,
)
from ragctl.ports import Generator, Metered
from ragctl.run.usage import UsageWatch, total_usage, usage_json, usage_of
from ragctl.types import Answer, Citation, Hit, Message, Reply, Usage

SCHEMA_VERSION = 1

_OF_ONE_QUESTION = (UsageError, ProviderError, PrivacyRefused, DocumentError)

_USAGE_LOCK = Lock()  # one model may be asked for several passages of a question at once


@dataclass(slots=True)
class AskResult:
    """What came of one question. `timings` are milliseconds by step.

    Attributes:
        usage: tokens as ragctl counts them, and the cost; `stages`: what each stage's model was asked for.
        stand_alone: the question as one that needs no conversation, where that is another one.
        rephrasings: other versions of it that were searched for.
        left_out: passages that a model said do not help, best first.
        answer: None where no model answers.
        notes: what did not go as it should and stopped nothing: `step`, `kind` and `message` of each.
        models, prompts: the model of each step, and the version of its prompt.
        sql: of a question that a database answered, see `run.sql_answering.results`; None of others.
    """

    question: str
    hits: list[Hit]
    rephrasings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    stages: dict[str, Usage] = field(default_factory=dict)
    stand_alone: str | None = None
    left_out: list[Hit] = field(default_factory=list)
    answer: Answer | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    sql: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """What came of it in a word, as runs count it."""
        if self.sql is not None:
            return str(self.sql["status"])
        return self.answer.status if self.answer else "passages"

    def as_json(self) -> dict[str, Any]:
        """The document that `--format json` prints; fields may be added, none changed."""
        return {
            **self._documents_json(),
            **({} if self.sql is None else {"sql": dict(self.sql)}),
        }

    def _documents_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "question": self.question,
            "stand_alone": self.stand_alone,
            "rephrasings": list(self.rephrasings),
            "hits": [hit_json(hit) for hit in self.hits],
            "left_out": [hit_json(hit) for hit in self.left_out],
            "answer": None if self.answer is None else _answer_json(self.answer, self._answered_by),
            "notes": [dict(note) for note in self.notes],
            "models": dict(self.models),
            "prompts": dict(self.prompts),
            "timings": {step: round(value, 3) for step, value in self.timings.items()},
            "usage": usage_json(self.stages, tokens=self.usage.tokens, cost_usd=self.usage.cost_usd),
        }

    @property
    def _answered_by(self) -> str | None:
        return self.models.get("combine") or self.models.get("answer")

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> AskResult:
        """The result whose `as_json` gives this document, or an earlier release's.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none.
        """
        hits = [hit_of_json(one) for one in document["hits"]]
        answer = document.get("answer")
        return cls(
            question=document["question"],
            hits=hits,
            rephrasings=tuple(document["rephrasings"]),
            timings=dict(document["timings"]),
            usage=Usage(tokens=document["usage"]["tokens"], cost_usd=document["usage"]["cost_usd"]),
            stages={stage: usage_of(one) for stage, one in document["usage"].get("stages", {}).items()},
            stand_alone=document.get("stand_alone"),
            left_out=[hit_of_json(one) for one in document.get("left_out", ())],
            answer=None if answer is None else _answer_of(answer),
            notes=[dict(one) for one in document.get("notes", ())],
            models=dict(document.get("models", {})),
            prompts=dict(document.get("prompts", {})),
            sql=document.get("sql"),
        )


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that failed; the others go on. `stages`: what models were asked for all the same."""

    question: str
    error: RagctlError
    stages: Mapping[str, Usage] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"question": self.question, "error": self.error.as_json()}
        total = total_usage(self.stages)
        if total.requests:
            document["usage"] = usage_json(self.stages, tokens=0, cost_usd=total.cost_usd)
        return document


def fails_alone(error: RagctlError) -> bool:
    """May this be one question's own failure? Not if the store or a key is gone, or a model is unknown."""
    return isinstance(error, _OF_ONE_QUESTION) and not isinstance(error, UnknownModel)


@dataclass(slots=True)
class Asked:
    """A question on its way from stage to stage.

    Attributes:
        versions: what is searched for: the question itself first, as one that needs no conversation.
        reworded: how many of these are the question or a model's; what follows is made of passages' words.
        history: turns before it, oldest first.
        shown_before: passages that those turns were made of, which are as sensitive as ever.
        lists: hits for each version and search, after `query`.
        hits: one list, after `dedupe`; the few that are shown, after `rank`.
        by_version: the hits of each version, where each is answered by itself; the few best, after `rank`.
        timings: milliseconds by step.
        tokens: that the embedder read.
        usage: what models were asked for, by stage.
        raw: what the model that answers wrote, with its evidence as it wrote it.

    For the others see `AskResult`.
    """

    question: str
    versions: tuple[str, ...]
    lists: list[list[Hit]] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    usage: dict[str, Usage] = field(default_factory=dict)
    reworded: int = 1
    history: tuple[Message, ...] = ()
    shown_before: list[Hit] = field(default_factory=list)
    by_version: list[list[Hit]] = field(default_factory=list)
    left_out: list[Hit] = field(default_factory=list)
    answer: Answer | None = None
    raw: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)

    @property
    def asks(self) -> str:
        """The question as one that needs no conversation."""
        return self.versions[0]

    @contextmanager
    def counted(self, stage: str, model: Metered) -> Iterator[None]:
        """Counts what the model is asked for inside as that stage's; nobody else may be asking it."""
        watch = UsageWatch(model)
        try:
            yield
        finally:
            self._add(stage, watch.usage)

    def asking(self, stage: str, model: Generator) -> Generator:
        """The model, with what its replies cost counted as that stage's; others may be asking it too."""
        return _Counted(model, lambda usage: self._add(stage, usage))

    def _add(self, stage: str, usage: Usage) -> None:
        with _USAGE_LOCK:
            self.usage[stage] = self.usage.get(stage, Usage()) + usage

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Adds the time inside to that step's."""
        before = time.perf_counter()
        yield
        name = f"{step}_ms"
        self.timings[name] = self.timings.get(name, 0.0) + (time.perf_counter() - before) * 1000

    def note(self, step: str, found: RagctlError | str) -> None:
        """Keeps what did not go as it should, and what was done without."""
        if isinstance(found, RagctlError):
            self.notes.append({"step": step, "kind": found.kind, "message": str(found)})
        else:
            self.notes.append({"step": step, "kind": "note", "message": found})

    def result(self) -> AskResult:
        return AskResult(
            question=self.question,
            hits=self.hits,
            rephrasings=self.versions[1:],
            timings=self.timings,
            usage=replace(total_usage(self.usage), tokens=self.tokens),
            stages=self.usage,
            stand_alone=self.asks if self.asks != self.question else None,
            left_out=self.left_out,
            answer=self.answer,
            notes=self.notes,
            models=self.models,
            prompts=self.prompts,
        )


def counting(model: Generator, on_usage: Callable[[Usage], None]) -> Generator:
    """The model, with what each of its replies costs told; one thread at a time tells it."""

    def tell(usage: Usage) -> None:
        with _USAGE_LOCK:
            on_usage(usage)

    return _Counted(model, tell)


class _Counted:
    """A chat model, with what each of its requests came to told: also of those that failed."""

    def __init__(self, model: Generator, on_usage: Callable[[Usage], None]) -> None:
        self._model = model
        self._on_usage = on_usage

    @property
    def identity(self) -> str:
        return self._model.identity

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        return self._model.provenance

    @property
    def endpoint(self) -> str | None:
        return self._model.endpoint

    @property
    def usage(self) -> Usage:
        return self._model.usage

    @property
    def context_tokens(self) -> int | None:
        return self._model.context_tokens

    @property
    def counts_exactly(self) -> bool:
        return self._model.counts_exactly

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._model.count(texts)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        as_json: bool = False,
        max_tokens: int | None = None,
        on_text: Callable[[str], None] | None = None,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> Reply:
        def tell(usage: Usage) -> None:
            self._on_usage(usage)
            if on_usage is not None:
                on_usage(usage)

        return self._model.generate(
            messages, as_json=as_json, max_tokens=max_tokens, on_text=on_text, on_usage=tell
        )


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as it is printed."""
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


def hit_of_json(one: Mapping[str, Any]) -> Hit:
    """The hit; its headings are one, as the document has them as one text."""
    same = {name: one[name] for name in Hit.__dataclass_fields__ if name in one}
    heading = one["heading"]
    same["duplicates"] = tuple(one["duplicates"])
    return Hit(**{**same, "headings": (heading,) if heading else ()})


_OF_AN_ANSWER = ("status", "text", "dropped", "unsupported", "cut_off", "passages")
_OF_A_PLACE = ("source", "document", "uri", "title", "page", "sheet", "line")


def _answer_json(answer: Answer, model: str | None) -> dict[str, Any]:
    return {
        **{name: getattr(answer, name) for name in _OF_AN_ANSWER},
        "citations": [_citation_json(one) for one in answer.citations],
        "model": model,
    }


def _citation_json(citation: Citation) -> dict[str, Any]:
    hit = citation.hit
    return {
        "number": citation.number,
        **{name: getattr(hit, name) for name in _OF_A_PLACE},
        "heading": " > ".join(hit.headings) or None,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


def _answer_of(document: Mapping[str, Any]) -> Answer:
    given = {name: document[name] for name in _OF_AN_ANSWER}
    return Answer(**given, citations=tuple(_citation_of(one) for one in document["citations"]))


def _citation_of(one: Mapping[str, Any]) -> Citation:
    """Its passage is known as far as it is quoted."""
    place = {name: one[name] for name in _OF_A_PLACE}
    start, end, heading = one["start"], one["end"], one["heading"]
    hit = Hit(
        **place, score=0.0, start=start, end=end, text=one["quote"], headings=(heading,) if heading else ()
    )
    return Citation(one["number"], hit, one["quote"], start, end)
