"""The part of the spec's model that says how a question is put to a database: `ask` with `type: sql`."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from ragctl.spec.llm_settings import AutoChat, OpenAIChat
from ragctl.spec.names import ENVIRONMENT_VARIABLE
from ragctl.spec.prompt_files import PromptFile
from ragctl.spec.section import Section, wrong

NamePattern = Annotated[str, Field(min_length=1, max_length=300)]
FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


def _provider(default: str) -> Any:
    """What tells the sections of a union apart, where one without `provider` is of this kind."""

    def provider_of(value: Any) -> str | None:
        if isinstance(value, Section):
            found = getattr(value, "provider", None)
        else:
            found = value.get("provider", default) if isinstance(value, dict) else default
        return found if isinstance(found, str) else None

    return provider_of


class SqlDatabaseSettings(Section):
    """The database that is asked; it is only read. One of `dsn_env` and `sqlite`."""

    example = "{dsn_env: SHOP_DSN}"

    dsn_env: Annotated[str, Field(pattern=ENVIRONMENT_VARIABLE)] | None = Field(
        default=None,
        description="Name of the environment variable that holds the connection string of a PostgreSQL "
        "database (`postgresql://…`), of a role that can only read.",
    )
    sqlite: Annotated[str, Field(min_length=1, max_length=4_000)] | None = Field(
        default=None, description="An SQLite file, relative to the spec. It is opened read-only."
    )
    writer: Literal["refuse", "warn"] = Field(
        default="refuse",
        description="What to do about a PostgreSQL role that could do more than read: ask nothing, or go on "
        "and say so. Each statement is in a transaction that only reads either way.",
    )
    search_path: tuple[NamePattern, ...] = Field(
        default=(),
        description="Schemas of PostgreSQL, besides its own, in which types and operators are looked up, as "
        "extensions such as citext need it. Whoever may create objects in them decides what is run.",
    )

    @model_validator(mode="after")
    def _one_database(self) -> SqlDatabaseSettings:
        if (self.dsn_env is None) == (self.sqlite is None):
            raise wrong(("", "takes one of `dsn_env: NAME` (PostgreSQL) and `sqlite: FILE`"))
        if self.sqlite is not None and self.search_path:
            raise wrong(("search_path", "is for PostgreSQL"))
        return self


class SqlSchemaSettings(Section):
    """What of the database may be read, and what of it the models are shown."""

    example = "{include: [sales_*], sensitive: [email]}"

    schemas: tuple[NamePattern, ...] = Field(
        default=(),
        description="Schemas of PostgreSQL, in the order in which a name without one is looked up; all that "
        "the role may read if left out, `public` first.",
    )
    include: tuple[NamePattern, ...] = Field(
        default=(), description="Patterns of tables, such as `sales_*` or `public.log`; all if left out."
    )
    exclude: tuple[NamePattern, ...] = Field(
        default=(), description="Patterns of tables that cannot be read, whatever `include` says."
    )
    sensitive: tuple[NamePattern, ...] = Field(
        default=(),
        description="Patterns of columns, such as `email` or `customer.*`: their values are shown to no "
        "model, neither as samples nor as results. Whoever asks sees them.",
    )
    samples: int = Field(
        default=0, ge=0, le=10, description="Values of each text column that the models are shown."
    )
    foreign_tables: bool = Field(
        default=False, description="Whether tables of other servers (PostgreSQL's foreign tables) are read."
    )
    max_tokens: int = Field(
        default=6_000,
        ge=200,
        le=1_000_000,
        description="The most tokens that the schema may have in a prompt. Of a larger one the tables that "
        "the question is about are chosen by `embed`, with those that their keys lead to.",
    )


class _RephraseKeys(Section):
    n: int = Field(
        default=2, ge=1, le=10, description="Other wordings of the question, each of which gets its SQL."
    )
    prompt: PromptFile | None = None


class SameRephrase(_RephraseKeys):
    """The model of `ask.query` rewords the question."""

    example = "{n: 2}"

    provider: Literal["same"] = Field(default="same", description="What rewords it: as `ask.query`.")


class NoSqlRephrase(Section):
    """The question is asked as it is, once."""

    example = "{provider: none}"

    provider: Literal["none"] = Field(description="What rewords the question: nothing.")


class OpenAISqlRephrase(_RephraseKeys, OpenAIChat):
    """A chat model rewords the question."""

    example = "{provider: openai, model: gpt-4o-mini, n: 2}"


class AutoSqlRephrase(_RephraseKeys, AutoChat):
    """One of several chat models rewords the question."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o-mini}]}"


class _QueryKeys(Section):
    prompt: PromptFile | None = None
    repair_prompt: PromptFile | None = Field(
        default=None, description="The same for the prompt that has a statement corrected."
    )


class OpenAISqlQuery(_QueryKeys, OpenAIChat):
    """A chat model writes SQL for each version of the question."""

    example = "{provider: openai, model: gpt-4o-mini}"


class AutoSqlQuery(_QueryKeys, AutoChat):
    """One of several chat models writes SQL for each version of the question."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o-mini}]}"


class SqlRankSettings(Section):
    """How statements are run, and what each may take."""

    example = "{max_rows: 200}"

    repair: bool = Field(
        default=True,
        description="Whether the model is told what was wrong with a statement, and writes another, once.",
    )
    functions: tuple[FunctionName, ...] = Field(
        default=(),
        description="Functions that statements may call besides the usual ones. What they do is yours to "
        "know.",
    )
    timeout_seconds: float = Field(default=15.0, ge=0.1, le=3_600, description="Seconds for a statement.")
    lock_timeout_seconds: float = Field(
        default=2.0, ge=0.1, le=600, description="Seconds that it waits for a lock (PostgreSQL)."
    )
    max_rows: int = Field(
        default=1_000, ge=1, le=1_000_000, description="Rows of a result; it says so if there are more."
    )
    max_result_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1_000, le=10**9, description="Bytes of a result; more is an error."
    )
    max_cost: float = Field(
        default=10_000_000.0,
        ge=1,
        le=1e300,
        description="The planner's estimate above which a statement is not run (PostgreSQL), in its units.",
    )


class _SqlAnswerKeys(Section):
    prompt: PromptFile | None = None


class SameAnswer(_SqlAnswerKeys):
    """The model of `ask.query` makes the final call."""

    example = "{provider: same}"

    provider: Literal["same"] = Field(default="same", description="What answers: as `ask.query`.")


class NoSqlAnswer(Section):
    """The vote alone decides, and nothing is put into words."""

    example = "{provider: none}"

    provider: Literal["none"] = Field(description="What answers: nothing.")


class OpenAISqlAnswer(_SqlAnswerKeys, OpenAIChat):
    """A chat model, a stronger one, sees the candidates with their results and gives the answer."""

    example = "{provider: openai, model: gpt-4o}"


class AutoSqlAnswer(_SqlAnswerKeys, AutoChat):
    """One of several chat models sees the candidates with their results and gives the answer."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o}]}"


SqlRephraseSettings = Annotated[
    Annotated[SameRephrase, Tag("same")]
    | Annotated[NoSqlRephrase, Tag("none")]
    | Annotated[OpenAISqlRephrase, Tag("openai")]
    | Annotated[AutoSqlRephrase, Tag("auto")],
    Discriminator(_provider("same")),
]
SqlQuerySettings = Annotated[
    Annotated[OpenAISqlQuery, Tag("openai")] | Annotated[AutoSqlQuery, Tag("auto")],
    Discriminator(_provider("")),
]
SqlAnswerSettings = Annotated[
    Annotated[SameAnswer, Tag("same")]
    | Annotated[NoSqlAnswer, Tag("none")]
    | Annotated[OpenAISqlAnswer, Tag("openai")]
    | Annotated[AutoSqlAnswer, Tag("auto")],
    Discriminator(_provider("same")),
]


with warnings.catch_warnings():
    # pydantic's own `schema` is a name of its first version, and nothing here calls it.
    warnings.filterwarnings("ignore", message='Field name "schema"', category=UserWarning)

    class SqlAskSettings(Section):
        """What happens to a question that a database answers: rephrase, query, dedupe, rank, answer."""

        example = "{type: sql, database: {dsn_env: SHOP_DSN}, query: {provider: openai}}"

        type: Literal["sql"] = Field(description="What answers: a database.")
        database: SqlDatabaseSettings = Field(
            description="The database that is asked.", examples=["{dsn_env: SHOP_DSN}"]
        )
        sensitivity: Literal["public", "sensitive"] | None = Field(
            default=None,
            description="`sensitive`: no model outside this machine and "
            "`embed.selection_criteria.allowed_hosts` is shown a value of the database: no rows, no samples, "
            "no error that quotes one. Names of tables and columns, and their comments, are shown.",
        )
        schema: SqlSchemaSettings = SqlSchemaSettings()  # type: ignore[assignment]
        rephrase: SqlRephraseSettings = Field(
            default=SameRephrase(), description="Other versions of the question, each of which gets its SQL."
        )
        query: SqlQuerySettings = Field(
            description="The chat model that writes SQL.", examples=["{provider: openai, model: gpt-4o-mini}"]
        )
        rank: SqlRankSettings = SqlRankSettings()
        answer: SqlAnswerSettings = Field(
            default=SameAnswer(),
            description="What sees the candidates with their results, decides, and writes the answer.",
        )
