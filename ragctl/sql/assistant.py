"""A question in words → an answer from a database: the stages one after the other.

Each is a function of its own elsewhere (`stages.rephrase`, `relevant_tables`, `query`, `dedupe`, `rank`,
`conclude`, `outcome`), whose values `wire` turns into JSON, so that tasks of a DAG can call them one by one.
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
from ragctl.sql.query import EachAtOnce, one_by_one, repair, write_sql
from ragctl.sql.rank import agreeing, run_candidate
from ragctl.sql.relevant_tables import choose_tables
from ragctl.sql.replies import Conclusion
from ragctl.sql.schema_text import schema_text
from ragctl.sql.settings import SqlSettings
from ragctl.sql.types import Candidate, Draft, Schema, SqlAnswer
from ragctl.stages.rephrase import rephrase
from ragctl.types import Usage

if TYPE_CHECKING:
    from ragctl.ports import Vectors
    from ragctl.sql.relevant_tables import TableEmbedder


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
            self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - started


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
        embedder: chooses tables of a schema that is too large to be shown whole.
        schema: as it was read before; None: it is read now.
        table_vectors: of `relevant_tables.embed_tables` for this schema.
        versions: the question and its rewordings, where they are known; None: they are made.
        each_at_once: calls the model for several versions at once.

    Raises:
        Unavailable, UsageError, GuardRefused, OverBudget: see `ragctl.errors`; what is wrong with a
            statement is in the answer instead.
    """
    settings = settings or SqlSettings()
    work = _Work(question, database, generator, settings, prompts or own_prompts(), final or generator)
    with work.account.stage("schema"):
        work.schema = schema or database.schema()
    with work.account.stage("rephrase"):
        work.versions = tuple(versions) if versions else work.reworded(rephraser or generator)
    with work.account.stage("tables"):
        tables = choose_tables(
            work.schema,
            work.versions,
            lambda text: generator.count([text])[0],
            budget=settings.schema_tokens,
            embedder=embedder,
            vectors=table_vectors,
        )
        work.shown = schema_text(work.schema, tables)
    with work.account.stage("query"):
        drafts = work.drafts(each_at_once)
    with work.account.stage("rank"):
        tried = work.tried(drafts)
    answer = work.answered(tried)
    return replace(
        answer,
        schema_tables=tuple(tables),
        usage=work.account.usage,
        timings={name: round(seconds, 6) for name, seconds in work.account.timings.items()},
    )


@dataclass
class _Work:
    """One question on its way."""

    question: str
    database: Database
    generator: Generator
    settings: SqlSettings
    prompts: Prompts
    final: Generator
    account: _Account = field(default_factory=_Account)
    schema: Schema = field(init=False)
    versions: tuple[str, ...] = ()
    shown: str = ""
    warnings: list[str] = field(default_factory=list)

    def reworded(self, generator: Generator) -> tuple[str, ...]:
        if self.settings.rewordings == 0:
            return (self.question,)
        before = generator.usage
        made = rephrase(self.question, generator, self.prompts.rephrase, n=self.settings.rewordings)
        self.account.add(_since(before, generator.usage))
        if made.failure is not None:
            self.warnings.append(f"the question was not reworded: {made.failure.message}")
        return made.versions

    def drafts(self, each_at_once: EachAtOnce) -> list[Draft]:
        return write_sql(
            self.versions,
            self.shown,
            self.generator,
            self.prompts.sql,
            self.schema.dialect,
            each_at_once=each_at_once,
            on_usage=self.account.add,
        )

    def tried(self, drafts: Sequence[Draft]) -> Tried:
        refusals = [one.cannot for one in drafts if one.cannot is not None]
        candidates = []
        for candidate in fold(drafts, self.schema, functions=self.settings.functions):
            run, cannot = self.run(candidate, repaired=self.settings.repair)
            candidates.append(run)
            refusals += [cannot] * len(run.versions) if cannot is not None else []
        return Tried(tuple(candidates), tuple(agreeing(candidates)), tuple(refusals))

    def run(self, candidate: Candidate, *, repaired: bool) -> tuple[Candidate, str | None]:
        return run_candidate(
            candidate,
            self.database,
            self.schema,
            repairing=self.repair if repaired else None,
            functions=self.settings.functions,
            execute=self.settings.execute,
        )

    def repair(self, candidate: Candidate) -> Draft | None:
        version = self.versions[candidate.versions[0]]
        dialect = self.schema.dialect
        return repair(
            version,
            candidate,
            self.shown,
            self.generator,
            self.prompts.sql_repair,
            dialect,
            on_usage=self.account.add,
        )

    def answered(self, tried: Tried) -> SqlAnswer:
        conclusion, own = None, None
        if self.settings.execute and self.settings.conclude and (tried.groups or tried.refusals):
            with self.account.stage("conclude"):
                conclusion, own = self.concluded(tried)
        known = SqlAnswer(
            self.question,
            "failed",
            versions=self.versions,
            fingerprint=self.schema.fingerprint,
            warnings=(*self.database.warnings, *self.warnings),
        )
        if not self.settings.execute:
            return not_executed(known, tried, self.schema.dialect)
        return decided(known, tried, conclusion, own, self.schema.dialect)

    def concluded(self, tried: Tried) -> tuple[Conclusion | None, Candidate | None]:
        """The final call, and the candidate of its own statement if it wrote one that can be run."""
        conclusion, failure = conclude(
            self.question,
            self.shown,
            tried.candidates,
            tried.groups,
            tried.refusals,
            self.final,
            self.prompts.sql_conclude,
            self.schema.dialect,
            versions=len(self.versions),
            on_usage=self.account.add,
        )
        if failure is not None:
            self.warnings.append(f"there was no final call: {failure.message}")
        if conclusion is None or conclusion.sql is None:
            return conclusion, None
        drafts = [Draft(0, conclusion.sql)]
        own, _ = self.run(fold(drafts, self.schema, functions=self.settings.functions)[0], repaired=False)
        if own.fault is not None:
            self.warnings.append(f"the final call's own statement was not used: {own.fault.message}")
            return None, None
        return conclusion, own


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
