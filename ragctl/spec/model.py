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
from ragctl.spec.local_models import LOCAL_MODEL_TOKENS, EncoderPlace, ModelPlace
from ragctl.spec.names import ENVIRONMENT_VARIABLE, INDEX, NAME
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.source_settings import Pattern, Source

_MOST_TOKENS = 8192
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
Weight = Annotated[float, Field(ge=0, le=100)]
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
        le=_MOST_TOKENS,
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


class LocalEmbedder(Section):
    """A model that runs in this process, on the CPU: no server and no key."""

    example = "{provider: local, model: all-MiniLM-L6-v2}"

    provider: Literal["local"] = Field(default="local", description="What runs the model.")
    model: EncoderPlace = Field(
        default="all-MiniLM-L6-v2",
        description="The model. all-MiniLM-L6-v2: English, 384 dimensions, reads 256 tokens. Or a sentence "
        "encoder of the BERT, RoBERTa and DistilBERT families: its folder (`./NAME`, relative to the spec "
        "file), an installed Python package that holds one, or `ORGANISATION/NAME` on the Hugging Face hub.",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch of a model on the hub. Without it, the commit that the lock pins.",
    )
    query_prefix: str | None = Field(
        default=None,
        description="What the model reads before every question, such as `'query: '`. Without it, the "
        "model's own prompt.",
    )
    passage_prefix: str | None = Field(
        default=None, description="The same for passages. It takes part of `chunk.max_tokens`."
    )

    @property
    def max_input_tokens(self) -> int:
        """The longest input that the model reads whole, in its own tokens, special tokens included.

        Of a model that is not known here, the longest that any may read; a run asks the model itself.
        """
        return LOCAL_MODEL_TOKENS.get(self.model, _MOST_TOKENS)


# One provider so far; further ones make this a union discriminated on `provider`.
EmbedSettings = LocalEmbedder


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


class QuerySettings(Section):
    """How passages are found, and how the lists of several searches become one."""

    example = "{mode: hybrid, k: 50}"

    mode: Literal["hybrid", "dense", "lexical"] = Field(
        default="hybrid",
        description="`dense` compares vectors, by cosine; `lexical` compares words, by BM25; `hybrid` does "
        "both and fuses the two lists.",
    )
    k: int = Field(
        default=50, ge=1, le=1000, description="Passages that are fetched from the index by each search."
    )
    fusion: Literal["score", "rrf"] = Field(
        default="score",
        description="How lists are fused: `score` by scores that are scaled to the same range, `rrf` by "
        "ranks (reciprocal rank fusion).",
    )
    rrf_k: int = Field(
        default=60,
        ge=1,
        le=1000,
        description="The constant of reciprocal rank fusion: a list gives `1 / (rrf_k + rank)`.",
    )
    dense_weight: Weight | None = Field(
        default=None,
        description="How much the dense list counts in a fusion.",
        json_schema_extra={
            "default_is": "1, or 0.25 where the model is known not to read `chunk.language`, as "
            "all-MiniLM-L6-v2 is of any language but English"
        },
    )
    lexical_weight: Weight = Field(default=1.0, description="How much the lexical list counts in a fusion.")


class RankSettings(Section):
    """How found passages are put in order."""

    example = "{provider: none, top_n: 8}"

    provider: Literal["none", "local"] = Field(
        default="none",
        description="`none` keeps the order of the query. `local` has a cross-encoder read the question with "
        "each passage, in this process, on the CPU.",
    )
    model: ModelPlace | None = Field(
        default=None,
        description="The cross-encoder, of the BERT, RoBERTa or DistilBERT family: its folder, a package or "
        "`ORGANISATION/NAME` on the hub, as in `embed.model`. For `provider: local`, which needs it.",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch of a cross-encoder on the hub. For `provider: local`.",
    )
    candidates: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="Passages that the cross-encoder reads: the first that were found; others are left out. "
        "At least `top_n`. For `provider: local`.",
    )
    top_n: int = Field(default=8, ge=1, le=1000, description="Passages that are shown. At most `query.k`.")

    @model_validator(mode="after")
    def _fits_the_provider(self) -> RankSettings:
        if self.provider == "none":
            given = sorted(self.model_fields_set & {"model", "revision", "candidates"})
            unused = [key for key in given if getattr(self, key) != type(self).model_fields[key].default]
            if unused:
                raise wrong(*((key, "is for `provider: local`") for key in unused))
            return self
        if self.model is None:
            raise wrong(("model", "is missing; name the cross-encoder's folder, package or place on the hub"))
        if self.candidates < self.top_n:
            problem = f"must be at least top_n ({self.top_n}), not {self.candidates}"
            raise wrong(("candidates", problem))
        return self


class AskSettings(Section):
    """What happens to a question."""

    example = "{query: {k: 50}, rank: {top_n: 8}}"

    query: QuerySettings = QuerySettings()
    rank: RankSettings = RankSettings()

    @model_validator(mode="after")
    def _enough_is_fetched(self) -> AskSettings:
        if self.rank.top_n > self.query.k:
            raise wrong(("rank.top_n", f"must be at most query.k ({self.query.k}), not {self.rank.top_n}"))
        return self


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
    embed: EmbedSettings = EmbedSettings()
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
        limit, chosen = self.embed.max_input_tokens, self.chunk.max_tokens
        if chosen > limit:
            text = f"must be at most {limit}, which is all that {self.embed.model} reads, not {chosen}"
            problems.append(("chunk.max_tokens", text))
        own = index_asset(self.store.type, self.store.index or self.name.replace("-", "_"))
        for number, asset in enumerate(self.airflow.assets):
            if asset in own:
                text = "is the index of this very spec: each ingest would start the next one"
                problems.append((f"airflow.assets.{number}", text))
        if problems:
            raise wrong(*problems)
        return self
