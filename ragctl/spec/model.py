"""The model of a spec: every key, its type, range, default and meaning.

docs/spec.md and configs/ragctl.schema.json are made from this file, so a description is
written for the person who writes a spec. Validation is strict: a number in quotes is no
number, and a key that is not listed is a mistake.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from ragctl.spec.airflow_settings import AirflowSettings, index_asset
from ragctl.spec.ask_settings import AskSettings
from ragctl.spec.chunk_settings import ChunkSettings
from ragctl.spec.embed_settings import AutoEmbedder, EmbedSettings, LocalEmbedder
from ragctl.spec.eval_settings import EvalSettings
from ragctl.spec.experiment_settings import ExperimentSettings
from ragctl.spec.extract_settings import ExtractSettings
from ragctl.spec.names import NAME
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.source_section import Pattern
from ragctl.spec.source_settings import Source
from ragctl.spec.sql_ask_settings import SqlAskSettings
from ragctl.spec.state_settings import StateSettings
from ragctl.spec.store_settings import PgvectorStore, StoreSettings


def _type(value: Any) -> str | None:
    """The tag of a section `ask`; one that names no type asks documents."""
    if isinstance(value, Section):
        found = getattr(value, "type", None)
    else:
        found = value.get("type", "documents") if isinstance(value, dict) else "documents"
    return found if isinstance(found, str) else None


class Spec(Section):
    """A pipeline, from sources to answers. Only `name` and `sources` are required; with `ask.type: sql`,
    which asks a database and no documents, `name` and `ask`."""

    example = "{name: docs, sources: [{type: directory, path: docs}]}"

    name: Annotated[str, Field(pattern=NAME)] = Field(
        description="The pipeline's name: lower-case letters, digits, - and _, at most 40.", examples=["docs"]
    )
    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = Field(
        default=(),
        description="Where documents come from; at least one, but for `ask.type: sql`, which has none.",
        examples=["[{type: directory, path: docs}]"],
        json_schema_extra={"default_is": "none: it is required, but for `ask.type: sql`"},
    )
    extract: ExtractSettings = ExtractSettings()
    chunk: ChunkSettings = ChunkSettings()
    embed: EmbedSettings = Field(
        default=LocalEmbedder(),
        description="What makes vectors of texts: a model, or several to choose from.",
    )
    store: StoreSettings = Field(
        default=PgvectorStore(), description="Where chunks and vectors are kept: PostgreSQL or Weaviate."
    )
    state: StateSettings = StateSettings()
    ask: Annotated[
        Annotated[AskSettings, Tag("documents")] | Annotated[SqlAskSettings, Tag("sql")],
        Discriminator(_type),
    ] = Field(default=AskSettings(), description="What happens to a question.")
    eval: EvalSettings = EvalSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    max_failures: int = Field(
        default=0,
        ge=0,
        le=10**9,
        description="Documents that may fail before the exit code of an ingest is 3, those that failed for "
        "good earlier among them. Changing it makes no new generation.",
    )
    ignore: tuple[Pattern, ...] = Field(
        default=(),
        description="Patterns of documents whose failures do not count, over `source/path`: they are still "
        "tried and listed. As in `exclude`, a pattern that matches a folder matches all that is in it. "
        "Changing it makes no new generation.",
    )
    airflow: AirflowSettings = AirflowSettings()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Spec:
        problems: list[Problem] = []
        reader = self.embed.reads_least if isinstance(self.embed, AutoEmbedder) else self.embed
        limit, chosen = reader.max_input_tokens, self.chunk.max_tokens
        if chosen > limit:
            text = f"must be at most {limit}, which is all that {reader.model} reads, not {chosen}"
            problems.append(("chunk.max_tokens", text))
        own = index_asset(self.store.type, self.store.index or self.name.replace("-", "_"))
        for number, asset in enumerate(self.airflow.assets):
            if asset in own:
                text = "is the index of this very spec: each ingest would start the next one"
                problems.append((f"airflow.assets.{number}", text))
        if self.asks_database:
            problems += [(key, _OF_DOCUMENTS) for key in ("sources", "extract", "chunk") if self._gives(key)]
        elif isinstance(self.store, PgvectorStore) and self.state.dsn_env not in (None, self.store.dsn_env):
            text = "must not name another database than store.dsn_env, in which the state of an index in "
            problems.append(("state.dsn_env", f"{text}pgvector lies; leave `state` out"))
        if problems:
            raise wrong(*problems)
        return self

    def _gives(self, key: str) -> bool:
        """Is this section other than its default?"""
        return bool(getattr(self, key) != type(self).model_fields[key].get_default())

    @property
    def asks_database(self) -> bool:
        """Does a database answer, and no index of documents?"""
        return isinstance(self.ask, SqlAskSettings)

    @property
    def ask_of_file(self) -> bool:
        """Is what answers an SQLite file?"""
        return isinstance(self.ask, SqlAskSettings) and self.ask.database.sqlite is not None

    @property
    def document_ask(self) -> AskSettings:
        """`ask`, where documents answer; else all its defaults."""
        return AskSettings() if isinstance(self.ask, SqlAskSettings) else self.ask

    @property
    def database(self) -> tuple[str | None, str]:
        """The variable that names the state's database, None for ragctl's own server; and its key here."""
        if isinstance(self.store, PgvectorStore) and not self.asks_database:
            return self.store.dsn_env, "store.dsn_env"
        return self.state.dsn_env, "state.dsn_env"


_OF_DOCUMENTS = "is for questions to documents, and `ask.type: sql` asks a database"
