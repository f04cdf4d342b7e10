"""A question in words → an answer from a database: the stages, one after the other or each by itself.

Each stage takes what the stage before left in an `SqlAsked`, which `wire` turns into JSON, so that tasks of a
DAG can call them one by one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from ragctl.ports import Generator
from ragctl.sql.conclude import conclude
from ragctl.sql.database import Database
from ragctl.sql.dedupe import fold
from ragctl.sql.outcome import Tried, decided, not_executed
from ragctl.sql.prompts import Prompts, own_prompts
from ragctl.sql.query import EachAtOnce, OnUsage, one_by_one, repair, write_sql
from ragctl.sql.rank import agreeing, run_candidate
from ragctl.sql.relevant_tables import choose_tables
from ragctl.sql.replies import Conclusion
from ragctl.sql.schema_text import schema_text, without_samples
from ragctl.sql.settings import SqlSettings
from ragctl.sql.types import Candidate, Draft, Group, Schema, SqlAnswer
from ragctl.stages.rephrase import rephrase
from ragctl.types import Usage

if TYPE_CHECKING:
    from ragctl.ports import Vectors
    from ragctl.sql.relevant_tables import TableEmbedder


@dataclass(slots=True)
class SqlAsked:
    """A question on its way.

    Attributes:
        versions: the question first; after `reword`.
        tables: full names of those that the models are shown; after `query`, with `drafts`.
        candidates: after `dedupe`; with results after `rank`, with `groups`.
        refusals: reasons for which a model found no answer, one for each version that did.
        warnings: what did not go as it should and stopped nothing.
    """

    question: str
    versions: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    drafts: tuple[Draft, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    groups: tuple[Group, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def warn(self, text: str) -> None:
        self.warnings = (*self.warnings, text)


@dataclass
class Assistant:
    """What takes part in answering, and the stages.

    Attributes:
        schema: what may be read, as it was read from `database`.
        generator: writes and repairs SQL.
        rephraser: rewords the question; None: nothing does.
        final: makes the final call; None: the vote decides, and there is no sentence.
        embedder: chooses tables of a schema that is too large to be shown whole.
        table_vectors: of `relevant_tables.embed_tables` for this schema.
        each_at_once: calls the model for several versions at once.
        on_usage: told what each call but those of `reword` came to.
    """

    database: Database
    schema: Schema
    generator: Generator
    settings: SqlSettings
    prompts: Prompts
    rephraser: Generator | None = None
    final: Generator | None = None
    embedder: TableEmbedder | None = None
    table_vectors: Vectors | None = None
    each_at_once: EachAtOnce = one_by_one
    on_usage: OnUsage | None = None

    def reword(self, asked: SqlAsked) -> None:
        """The question and its other wordings; itself alone where no model makes any."""
        asked.versions = (asked.question,)
        if self.settings.rewordings == 0 or self.rephraser is None:
            return
        made = rephrase(asked.question, self.rephraser, self.prompts.rephrase, n=self.settings.rewordings)
        asked.versions = made.versions
        if made.failure is not None:
            asked.warn(f"the question was not reworded: {made.failure.message}")

    def query(self, asked: SqlAsked) -> None:
        """A draft from each version, by a model that is shown the tables that matter.

        Raises:
            UsageError: not all tables fit, and there is no embedder to choose with.
            RagctlError: the model failed every time.
        """
        asked.tables = tuple(
            choose_tables(
                self.schema,
                asked.versions,
                lambda text: self.generator.count([text])[0],
                budget=self.settings.schema_tokens,
                embedder=self.embedder,
                vectors=self.table_vectors,
            )
        )
        drafts = write_sql(
            asked.versions,
            self._shown(asked),
            self.generator,
            self.prompts.sql,
            self.schema.dialect,
            each_at_once=self.each_at_once,
            on_usage=self.on_usage,
        )
        asked.drafts = tuple(drafts)

    def dedupe(self, asked: SqlAsked) -> None:
        """Drafts checked by the gate, and those that say the same folded."""
        asked.refusals = tuple(one.cannot for one in asked.drafts if one.cannot is not None)
        asked.candidates = tuple(self._folded(asked.drafts))

    def rank(self, asked: SqlAsked) -> None:
        """Every candidate run, repaired once if need be, and the results' votes counted.

        Raises:
            Unavailable: the database cannot be reached.
        """
        made = []
        for candidate in asked.candidates:
            run, cannot = self._run(asked, candidate, repaired=self.settings.repair)
            made.append(run)
            if cannot is not None:
                asked.refusals += (cannot,) * len(run.versions)
        asked.candidates = tuple(made)
        asked.groups = tuple(agreeing(made))

    def answer(self, asked: SqlAsked) -> SqlAnswer:
        """What the final call, or else the vote, decides."""
        tried = Tried(asked.candidates, asked.groups, asked.refusals)
        conclusion, own = None, None
        if self.settings.execute and self.final is not None and (tried.groups or tried.refusals):
            conclusion, own = self._concluded(asked, tried, self.final)
        known = SqlAnswer(
            asked.question,
            "failed",
            versions=asked.versions,
            schema_tables=asked.tables,
            fingerprint=self.schema.fingerprint,
            warnings=(*self.database.warnings, *asked.warnings),
        )
        if not self.settings.execute:
            return not_executed(known, tried, self.schema.dialect)
        return decided(known, tried, conclusion, own, self.schema.dialect)

    def _shown(self, asked: SqlAsked) -> str:
        """The schema as models see it."""
        schema = without_samples(self.schema) if self.settings.hide_values else self.schema
        return schema_text(schema, asked.tables)

    def _folded(self, drafts: Sequence[Draft]) -> list[Candidate]:
        made = fold(drafts, self.schema, functions=self.settings.functions)
        return [replace(one, sensitive=one.sensitive or self.settings.hide_values) for one in made]

    def _run(self, asked: SqlAsked, candidate: Candidate, *, repaired: bool) -> tuple[Candidate, str | None]:
        return run_candidate(
            candidate,
            self.database,
            self.schema,
            repairing=(lambda one: self._repair(asked, one)) if repaired else None,
            functions=self.settings.functions,
            execute=self.settings.execute,
            hide_values=self.settings.hide_values,
        )

    def _repair(self, asked: SqlAsked, candidate: Candidate) -> Draft | None:
        return repair(
            asked.versions[candidate.versions[0]],
            candidate,
            self._shown(asked),
            self.generator,
            self.prompts.sql_repair,
            self.schema.dialect,
            on_usage=self.on_usage,
        )

    def _concluded(
        self, asked: SqlAsked, tried: Tried, final: Generator
    ) -> tuple[Conclusion | None, Candidate | None]:
        """The final call, and the candidate of its own statement if it wrote one that can be run."""
        conclusion, failure = conclude(
            asked.question,
            self._shown(asked),
            tried.candidates,
            tried.groups,
            tried.refusals,
            final,
            self.prompts.sql_conclude,
            self.schema.dialect,
            versions=len(asked.versions),
            on_usage=self.on_usage,
        )
        if failure is not None:
            asked.warn(f"there was no final call: {failure.message}")
        if conclusion is None or conclusion.sql is None:
            return conclusion, None
        own, _ = self._run(asked, self._folded([Draft(0, conclusion.sql)])[0], repaired=False)
        if own.fault is not None:
            asked.warn(f"the final call's own statement was not used: {own.fault.message}")
            return None, None
        return conclusion, own


@dataclass
class _Account:
    """Seconds by stage, and what the models were asked for."""

    timings: dict[str, float] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    _lock: Lock = field(default_factory=Lock)

    def add(self, usage: Usage) -> None:
        with self._lock:
            self.usage = self.usage + usage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = round(time.monotonic() - started, 6)


def answer_question(
    question: str,
    database: Database,
    generator: Generator,
    *,
    settings: SqlSettings | None = None,
    prompts: Prompts | None = None,
    rephraser: Generator | None = None,
    final: Generator | None = None,
    embedder: TableEmbedder | None = None,
    schema: Schema | None = None,
    table_vectors: Vectors | None = None,
    versions: Sequence[str] | None = None,
    each_at_once: EachAtOnce = one_by_one,
) -> SqlAnswer:
    """An answer, or why there is none.

    Args:
        rephraser: rewords the question; None: `generator` does.
        final: makes the final call; None: `generator` does.
        schema: as it was read before; None: it is read now.
        versions: the question and its rewordings, where they are known; None: they are made.

    Raises:
        Unavailable, UsageError, GuardRefused, OverBudget: see `ragctl.errors`; what is wrong with a
            statement is in the answer instead.
    """
    settings, account, asked = settings or SqlSettings(), _Account(), SqlAsked(question)
    with account.stage("schema"):
        known = schema or database.schema()
    assistant = Assistant(
        database,
        known,
        generator,
        settings,
        prompts or own_prompts(),
        rephraser=rephraser or generator,
        final=(final or generator) if settings.conclude else None,
        embedder=embedder,
        table_vectors=table_vectors,
        each_at_once=each_at_once,
        on_usage=account.add,
    )
    with account.stage("rephrase"):
        before = (rephraser or generator).usage
        if versions:
            asked.versions = tuple(versions)
        else:
            assistant.reword(asked)
        account.add(_since(before, (rephraser or generator).usage))
    for name in ("query", "dedupe", "rank"):
        with account.stage(name):
            getattr(assistant, name)(asked)
    with account.stage("answer"):
        answer = assistant.answer(asked)
    return replace(answer, usage=account.usage, timings=dict(account.timings))


def _since(before: Usage, after: Usage) -> Usage:
    known = before.cost_usd is not None and after.cost_usd is not None
    return Usage(
        tokens=after.tokens - before.tokens,
        output_tokens=after.output_tokens - before.output_tokens,
        requests=after.requests - before.requests,
        retries=after.retries - before.retries,
        seconds=after.seconds - before.seconds,
        cost_usd=(after.cost_usd or 0.0) - (before.cost_usd or 0.0) if known else None,
    )
