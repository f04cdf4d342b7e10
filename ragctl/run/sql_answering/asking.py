"""Answers questions from a database: rephrase → query → dedupe → rank → answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

from ragctl.errors import RagctlError, TooManyFailures
from ragctl.run.answering.asked import Asked, AskResult, Unanswered, fails_alone
from ragctl.run.answering.rewording import begin
from ragctl.run.sql_answering.context import SqlContext
from ragctl.run.sql_answering.results import ask_result
from ragctl.sql.assistant import Assistant, SqlAsked
from ragctl.sql.types import SqlAnswer

if TYPE_CHECKING:
    from ragctl.run.composition import Composition

STAGES = ("rephrase", "query", "dedupe", "rank", "answer")


class NoStatement(TooManyFailures):
    """No statement that a model wrote could be run."""

    kind = "sql"


class SqlAsker:
    """Answers questions from the database that the spec names; one thread may use it. Close it when done.

    Args:
        sensitive: the questions are, whatever the spec says.
        execute: False stops at the SQL.

    Raises:
        SpecError, UsageError: see `SqlContext`; or the connection string is missing.
    """

    def __init__(self, composition: Composition, *, sensitive: bool = False, execute: bool = True) -> None:
        self._composition = composition
        self.context = SqlContext(composition, sensitive=sensitive, execute=execute)
        self.database = self.context.open()
        self._others: list[SqlAsker] = []

    @property
    def record(self) -> dict[str, Any]:
        """What the record of a run says of it."""
        return self.context.record

    @property
    def unpriced(self) -> Iterator[tuple[str, str]]:
        """(model, its section in the spec) of each of which no price is known."""
        return self.context.unpriced

    def several(self, count: int) -> list[SqlAsker]:
        """As many that may be asked at the same time, each with a connection of its own."""
        made = []
        for _ in range(count):
            one = copy(self)
            one.database, one._others = self.context.open(), []
            made.append(one)
        self._others += made
        return made

    def stop_waiting(self) -> None:
        """Ends the waiting of requests for their provider's limits; they are not sent."""
        self._composition.stop_waiting()

    def close(self) -> None:
        """Ends the connections to the database."""
        for one in (self, *self._others):
            one.database.close()

    def prepare(self) -> None:
        """Makes the models and reads the schema: what is wrong with these is no question's fault.

        Raises:
            UsageError, MissingPackage, Unavailable, GuardRefused, LockDrift: one of them cannot be had.
            PrivacyRefused: all that is asked is sensitive, and may not go to a model.
        """
        self.context.prepare(self.database)

    def ask(self, question: str) -> AskResult:
        """The rows that answer a question, the statement that gave them, and a sentence.

        Raises:
            UsageError: the question is empty.
            PrivacyRefused: it may not go to a model.
            NoStatement: no statement could be run.
            Unavailable: the database or a model is out of reach.
        """
        return self._carried_out(begin(question))

    def _carried_out(self, asked: Asked) -> AskResult:
        started = time.perf_counter()
        with asked.timed("schema"):
            assistant = self.context.assistant(self.database, asked)
        on_its_way = SqlAsked(asked.question)
        for stage in STAGES[:-1]:
            with asked.timed(stage):
                carry_out(assistant, stage, on_its_way)
        with asked.timed("answer"):
            answer = assistant.answer(on_its_way)
        asked.timings["total_ms"] = (time.perf_counter() - started) * 1000
        return finished(asked, answer, self.context)

    def ask_alone(self, question: str) -> AskResult | Unanswered:
        """As `ask`; what may be this question's own failure is returned.

        Raises:
            RagctlError: what others would meet as well: the database or a key is gone.
        """
        asked: Asked | None = None
        try:
            asked = begin(question)
            return self._carried_out(asked)
        except RagctlError as error:
            if not (fails_alone(error) or isinstance(error, NoStatement)):
                raise
            return Unanswered(question, error, {} if asked is None else asked.usage)

    def ask_each(self, questions: Iterable[str]) -> Iterator[AskResult | Unanswered]:
        """One result a question, in order. A question fails alone; a lost database ends it all.

        Raises:
            RagctlError: see `prepare` and `ask_alone`.
        """
        self.prepare()
        for question in questions:
            yield self.ask_alone(question)


def carry_out(assistant: Assistant, stage: str, asked: SqlAsked) -> None:
    """One of the stages before the last."""
    stages = {
        "rephrase": assistant.reword,
        "query": assistant.query,
        "dedupe": assistant.dedupe,
        "rank": assistant.rank,
    }
    stages[stage](asked)


def finished(asked: Asked, answer: SqlAnswer, context: SqlContext) -> AskResult:
    """The result of a question.

    Raises:
        NoStatement: none could be run.
    """
    if answer.status == "failed":
        last = next((one.sql for one in answer.candidates if one.sql), "")
        hint = f"the model wrote: {' '.join(last.split())[:300]}" if last else "ask in other words"
        raise NoStatement(f"the question cannot be answered: {answer.reason}", hint=hint)
    asked.models = {role: model.name for role, model in context.models.items()}
    asked.prompts = context.prompt_versions
    return ask_result(asked, answer, dialect_of(context))


def dialect_of(context: SqlContext) -> Any:
    """Of the database that the spec names."""
    return "sqlite" if context.section.database.sqlite is not None else "postgres"
