"""What questions to one database have in common: its schema, models, prompts, and what may be sent where."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import RagctlError
from ragctl.run.answering.chat_models import ChatModel, each_at_once, make_chat_model
from ragctl.run.models.privacy import PrivacyGate
from ragctl.run.sql_answering.opening import (
    open_database,
    placed,
    sql_prompts,
    sql_section,
    sql_settings,
)
from ragctl.sql.assistant import Assistant
from ragctl.sql.database import Database
from ragctl.sql.relevant_tables import embed_tables
from ragctl.sql.schema_text import schema_text, without_samples

if TYPE_CHECKING:
    from ragctl.ports import Embedder, Generator, Vectors
    from ragctl.run.answering.asked import Asked
    from ragctl.run.composition import Composition
    from ragctl.sql.types import Schema

ROLES = ("rephrase", "query", "answer")


class SqlContext:
    """Threads may share it; each has a database of its own.

    Args:
        sensitive: the questions are, whatever the spec says.
        execute: False: statements are checked and explained, and not run.

    Raises:
        SpecError: a prompt of the spec is not what it should be.
        UsageError: the spec asks documents.
    """

    def __init__(self, composition: Composition, *, sensitive: bool = False, execute: bool = True) -> None:
        self.composition, self.execute = composition, execute
        self.section = sql_section(composition)
        self.privacy = PrivacyGate(composition, question_is_sensitive=sensitive)
        self.prompts = sql_prompts(composition)
        self._lock = Lock()
        self._schema: Schema | None = None
        self._vectors: Vectors | None = None

    @cached_property
    def models(self) -> dict[str, ChatModel]:
        """By role; a role that nothing plays is not there. One model that plays several is one.

        Raises:
            UsageError, MissingPackage, Unavailable, NothingChosen, LockDrift: a model cannot be had.
        """
        query = make_chat_model(self.composition, self.privacy, "ask.query", self.section.query)
        found = {"query": query}
        for role in ("rephrase", "answer"):
            section: Any = getattr(self.section, role)
            if section.provider == "same":
                found[role] = query
            elif section.provider != "none":
                found[role] = make_chat_model(self.composition, self.privacy, f"ask.{role}", section)
        if not self.execute:
            found.pop("answer", None)
        return found

    @property
    def hide_values(self) -> bool:
        """Is there a model that no value of the database may go to? Then none is shown any."""
        level = self.section.sensitivity
        return not all(one.privacy.may_read_values(level, one.generator) for one in self.models.values())

    def schema_of(self, database: Database) -> Schema:
        """What may be read; looked up once, and the same for all questions from then on.

        Raises:
            Unavailable, GuardRefused: see `Database.schema`.
        """
        with self._lock:
            if self._schema is None:
                try:
                    self._schema = database.schema()
                except RagctlError as error:
                    raise placed(error, self.composition) from error
            return self._schema

    def open(self) -> Database:
        """The database, for one thread."""
        return open_database(self.composition)

    def prepare(self, database: Database) -> None:
        """See `Asker.prepare`."""
        for model in self.models.values():
            model.privacy.question(model.generator)
        self.schema_of(database)

    def assistant(self, database: Database, asked: Asked) -> Assistant:
        """What answers one question, with what it asks models for counted as that question's.

        Raises:
            PrivacyRefused: the question may not go to a model.
        """
        for model in self.models.values():
            model.privacy.question(model.generator)
        schema = self.schema_of(database)
        query = self.models["query"]
        embedder = self._embedder(schema, query.generator)
        return Assistant(
            database,
            schema,
            asked.asking("query", query.generator),
            sql_settings(self.section, execute=self.execute, hide_values=self.hide_values),
            self.prompts,
            rephraser=self._counted("rephrase", asked),
            final=self._counted("answer", asked),
            embedder=embedder,
            table_vectors=None if embedder is None else self._table_vectors(schema, embedder),
            each_at_once=each_at_once(query.at_once),
        )

    def _counted(self, role: str, asked: Asked) -> Generator | None:
        model = self.models.get(role)
        return None if model is None else asked.asking(role, model.generator)

    def _embedder(self, schema: Schema, counts: Generator) -> Embedder | None:
        """None where the whole schema fits, so that no embedder is loaded for nothing."""
        shown = schema_text(without_samples(schema) if self.hide_values else schema)
        if len(schema.tables) < 2 or counts.count([shown])[0] <= self.section.schema.max_tokens:
            return None
        embedder = self.composition.embedder
        self.privacy.question(embedder)
        return embedder

    def _table_vectors(self, schema: Schema, embedder: Embedder) -> Vectors:
        with self._lock:
            if self._vectors is None:
                self._vectors = embed_tables(schema, embedder)
            return self._vectors

    @property
    def record(self) -> dict[str, Any]:
        """What the record of a run says of it."""
        identities = {role: model.generator.identity for role, model in self.models.items()}
        schema = {} if self._schema is None else {"schema_fingerprint": self._schema.fingerprint}
        return {"generation": None, "models": identities, "prompts": self.prompt_versions, **schema}

    @property
    def prompt_versions(self) -> dict[str, str]:
        """Of the prompts that a model may be sent."""
        names = {"rephrase": "rephrase", "query": "sql", "answer": "sql_conclude"}
        used = [names[role] for role in ROLES if role in self.models]
        if self.section.rank.repair:
            used.append("sql_repair")
        return {name: getattr(self.prompts, name).version for name in used}

    @property
    def unpriced(self) -> Iterator[tuple[str, str]]:
        """(model, its section in the spec) of each of which no price is known."""
        for model in {one.key: one for one in self.models.values()}.values():
            if not model.priced:
                yield model.name, model.key
