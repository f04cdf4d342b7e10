"""The model of a spec: every key, its type, range, default and meaning.

docs/spec.md and configs/ragctl.schema.json are made from this file, so a description is
written for the person who writes a spec. Validation is strict: a number in quotes is no
number, and a key that is not listed is a mistake.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ragctl.spec.airflow_settings import AirflowSettings, index_asset
from ragctl.spec.ask_settings import AskSettings
from ragctl.spec.embed_settings import MOST_TOKENS, AutoEmbedder, EmbedSettings, LocalEmbedder
from ragctl.spec.names import ENVIRONMENT_VARIABLE, INDEX, NAME
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.source_settings import Pattern, Source

_MIB = 1024 * 1024
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1024, "MIB": _MIB, "GIB": 1024 * _MIB}
_SIZE = r"^[0-9]{1,12} ?([KkMmGg][Ii]?)?[Bb]$"


def _size(value: Any) -> Any:
    """Bytes of `64 MiB`; anything but text is left to the next validator."""
    if not isinstance(value, str):
        return value
    if not re.match(_SIZE, value):
        raise wrong(("", "must be a number of bytes, or a size such as 64 MiB"))
    number = value.rstrip("KMGIBkmgib ")
    return int(number) * _UNITS[value[len(number) :].strip().upper()]


Language = Literal[
    "arabic", "armenian", "basque", "catalan", "chinese", "danish", "dutch", "english", "finnish", "french",
    "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "japanese", "korean",
    "lithuanian", "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "simple", "spanish",
    "swedish", "tamil", "turkish", "yiddish",
]  # fmt: skip
"""What PostgreSQL stems, from version 15 on, and what is searched by its words as they are."""

_SizeText = Annotated[str, Field(pattern=_SIZE)]
_Count = Annotated[int, Field(ge=1, le=4 * 1024 * _MIB)]
Bytes = Annotated[_Count, BeforeValidator(_size, json_schema_input_type=_Count | _SizeText)]
_DiskCount = Annotated[int, Field(ge=0, le=10**15)]
DiskBytes = Annotated[_DiskCount, BeforeValidator(_size, json_schema_input_type=_DiskCount | _SizeText)]
EnvironmentVariable = Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)]


class ExtractSettings(Section):
    """How documents are read."""

    example = "{reader: auto}"

    reader: Literal["auto"] = Field(
        default="auto", description="What reads a file: `auto` chooses by its name and content."
    )
    max_bytes: Bytes = Field(
        default=64 * _MIB,
        description="The largest file or record that is read, in bytes or as a size such as `64 MiB`. "
        "A larger one fails by name. Changing it makes no new generation.",
    )


class ChunkSettings(Section):
    """How documents are cut. Sizes are counted in the embedder's own tokens."""

    example = "{max_tokens: 256, overlap: 32}"

    splitter: Literal["auto"] = Field(
        default="auto", description="Where to cut: `auto` chooses by the document's content type."
    )
    max_tokens: int = Field(
        default=256,
        ge=16,
        le=MOST_TOKENS,
        description="The most tokens of a chunk as the model reads it: title, headings, text and special "
        "tokens together. No more than the model reads.",
    )
    overlap: int = Field(
        default=32,
        ge=0,
        le=4095,
        description="Tokens that a chunk shares with the one before it, where a passage had to be cut. "
        "Less than half of `max_tokens`.",
        json_schema_extra={"default_is": "32, or an eighth of `max_tokens` where that is less"},
    )
    min_tokens: int = Field(
        default=64,
        ge=0,
        le=4096,
        description="Sections with fewer tokens are packed with their neighbours where they fit. "
        "More than half of a chunk's room counts as half.",
    )
    context: tuple[Literal["title", "headings"], ...] = Field(
        default=("title", "headings"),
        description="What the model reads in front of a chunk's text. Shown passages and citations "
        "stay without it.",
    )
    language: Language = Field(
        default="english",
        description="The language of the text, for search by words: endings and stop words are the "
        "language's. `simple` has neither, for text in several languages; `chinese`, `japanese` and "
        "`korean` likewise. Another one makes a new generation, with the vectors that are there.",
    )

    @model_validator(mode="before")
    @classmethod
    def _overlap_follows_max_tokens(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "overlap" in data or not isinstance(data.get("max_tokens"), int):
            return data
        return {**data, "overlap": min(32, max(data["max_tokens"], 0) // 8)}

    @model_validator(mode="after")
    def _sizes_fit(self) -> ChunkSettings:
        problems = []
        if 2 * self.overlap >= self.max_tokens:
            text = f"must be less than half of max_tokens ({self.max_tokens}), not {self.overlap}"
            problems.append(("overlap", text))
        if len(set(self.context)) < len(self.context):
            problems.append(("context", "names something twice"))
        if problems:
            raise wrong(*problems)
        return self


class PgvectorStore(Section):
    """PostgreSQL with the pgvector extension; without `dsn_env`, a server of ragctl's own."""

    example = "{type: pgvector}"

    type: Literal["pgvector"] = Field(default="pgvector", description="The kind of store.")
    index: Annotated[str, Field(pattern=INDEX)] = Field(
        default="",
        description="The index's name in the store. It belongs to one pipeline.",
        json_schema_extra={"default_is": "`name`, with - turned into _"},
    )
    existing: Literal["replace", "skip", "error"] = Field(
        default="replace",
        description="What to do with a document that is in the index and has changed: `replace` it, "
        "`skip` it and keep the old version, or make it an `error`.",
    )
    keep_generations: int = Field(
        default=1,
        ge=0,
        le=20,
        description="Older generations that are kept beside the active one.",
    )
    cache_max_bytes: DiskBytes = Field(
        default=2 * 10**9,
        description="The largest size of the cache of vectors, in bytes or as a size such as `2 GB`. It is "
        "looked at when an ingest has ended. All specs that use one database share the cache. Changing it "
        "makes no new generation.",
    )
    dsn_env: EnvironmentVariable | None = Field(
        default=None,
        description="Name of the environment variable that holds the connection string "
        "(`postgresql://…`). Without it ragctl runs its own server, under `.ragctl/` beside the spec.",
    )


# One kind so far; further kinds make this a union discriminated on `type`.
StoreSettings = PgvectorStore


class Spec(Section):
    """A pipeline, from sources to answers. Only `name` and `sources` are required."""

    example = "{name: docs, sources: [{type: directory, path: docs}]}"

    name: Annotated[str, Field(pattern=NAME)] = Field(
        description="The pipeline's name: lower-case letters, digits, - and _, at most 40.", examples=["docs"]
    )
    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = Field(
        description="Where documents come from; at least one.", examples=["[{type: directory, path: docs}]"]
    )
    extract: ExtractSettings = ExtractSettings()
    chunk: ChunkSettings = ChunkSettings()
    embed: EmbedSettings = Field(
        default=LocalEmbedder(),
        description="What makes vectors of texts: a model, or several to choose from.",
    )
    store: StoreSettings = StoreSettings()
    ask: AskSettings = AskSettings()
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
        if problems:
            raise wrong(*problems)
        return self
