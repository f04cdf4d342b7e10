"""The part of the spec's model that names the embedder: `embed`, a class for each provider.

Descriptions are written for the person who writes a spec, see `ragctl.spec.model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from ragctl.spec.local_models import LOCAL_MODEL_TOKENS, Device, EncoderPlace, ModelPlace
from ragctl.spec.section import Section, wrong
from ragctl.spec.selection_settings import OptionFacts, SelectionCriteria, criteria_without_a_choice
from ragctl.spec.server_settings import (
    OPENAI_KEY,
    OPENAI_KEY_DEFAULT,
    OPENAI_KEY_DESCRIPTION,
    OPENAI_URL_DESCRIPTION,
    KeyVariable,
    ServerLimits,
    Url,
    Usd,
    with_openai_key,
)

MOST_TOKENS = 8192
"""Taken for what a model reads whose limit is not known here; a run asks the model itself."""

REMOTE_MODEL_TOKENS = {
    "text-embedding-3-small": 8192,
    "text-embedding-3-large": 8192,
    "text-embedding-ada-002": 8192,
    "embed-v4.0": 128_000,
    "embed-english-v3.0": 512,
    "embed-multilingual-v3.0": 512,
}
"""Remote models that ragctl knows and the longest input each reads, in its own tokens. Where that is from
stands in ragctl/selection/prices.json."""

Dimensions = Annotated[int, Field(ge=1, le=16_000)]
ModelName = Annotated[str, Field(min_length=1, max_length=300)]


class _Encoder(Section):
    """Any embedder."""

    if TYPE_CHECKING:
        model: str

    @property
    def max_input_tokens(self) -> int:
        """The longest input that the model reads whole, in its own tokens, special tokens included.

        Of a model that is not known here, the longest that any may read; a run asks the model itself.
        """
        known: int | None = getattr(self, "max_tokens", None)
        return known or _KNOWN_TOKENS.get(self.model, MOST_TOKENS)


_KNOWN_TOKENS = {
    **LOCAL_MODEL_TOKENS,
    **{f"sentence-transformers/{name}": tokens for name, tokens in LOCAL_MODEL_TOKENS.items()},
    **REMOTE_MODEL_TOKENS,
}


class _LocalKeys(_Encoder):
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


class _OpenAIKeys(_Encoder):
    provider: Literal["openai"] = Field(description="What runs the model.")
    model: ModelName = Field(default="text-embedding-3-small", description="The model, by the server's name.")
    api_key_env: KeyVariable | None = Field(
        default=OPENAI_KEY,
        description=OPENAI_KEY_DESCRIPTION,
        json_schema_extra={"default_is": OPENAI_KEY_DEFAULT},
    )
    base_url: Url | None = Field(
        default=None, description=f"{OPENAI_URL_DESCRIPTION} Another one makes a new generation."
    )
    dimensions: Dimensions | None = Field(
        default=None, description="Dimensions to ask for, of a model that can give fewer than it has."
    )
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="The most tokens that the model reads. For a model of another server than OpenAI's.",
    )
    tokenizer: ModelPlace | None = Field(
        default=None,
        description="What counts tokens for a model of another server: a folder with `tokenizer.json`, "
        "relative to the spec file, or an installed package that holds one. Without it, an upper bound.",
    )
    query_prefix: str | None = Field(
        default=None, description="What is put before every question, such as `'query: '`."
    )
    passage_prefix: str | None = Field(
        default=None, description="The same for passages. It takes part of `chunk.max_tokens`."
    )
    usd_per_million_tokens: Usd | None = Field(
        default=None, description="The price, in place of the one that ragctl knows."
    )

    @model_validator(mode="before")
    @classmethod
    def _key_goes_to_openai_alone(cls, data: Any) -> Any:
        return with_openai_key(data)


class _CohereKeys(_Encoder):
    provider: Literal["cohere"] = Field(description="What runs the model.")
    model: ModelName = Field(default="embed-v4.0", description="The model, by Cohere's name.")
    api_key_env: KeyVariable | None = Field(
        default="CO_API_KEY", description="Name of the environment variable that holds the key."
    )
    base_url: Url | None = Field(
        default=None,
        description="Another address of Cohere's API, such as a proxy's or a private deployment's.",
    )
    dimensions: Dimensions | None = Field(
        default=None, description="Dimensions to ask for, of a model that can give fewer than it has."
    )
    usd_per_million_tokens: Usd | None = Field(
        default=None, description="The price, in place of the one that ragctl knows."
    )


class _HuggingFaceKeys(_Encoder):
    provider: Literal["huggingface"] = Field(description="What runs the model.")
    model: ModelPlace = Field(
        description="The model: its folder (`./NAME`, relative to the spec file), an installed Python "
        "package that holds one, or `ORGANISATION/NAME` on the hub.",
        examples=["BAAI/bge-small-en-v1.5"],
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch of a model on the hub. Without it, the commit that the lock pins.",
    )
    device: Device = Field(
        default="auto",
        description="Where it runs: `auto` takes a GPU where there is one. Vectors differ by rounding alone.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="The number format: `auto` takes 16 bits on a GPU that has them, else 32.",
    )
    query_prefix: str | None = Field(
        default=None, description="What the model reads before every question; its own prompt if left out."
    )
    passage_prefix: str | None = Field(
        default=None, description="The same for passages. It takes part of `chunk.max_tokens`."
    )
    batch_tokens: int | None = Field(
        default=None,
        ge=16,
        le=10_000_000,
        description="Tokens of a batch, padding included.",
        json_schema_extra={"default_is": "what suits the device"},
    )


class _Given(Section):
    """The end of a section that names one model."""

    selection_criteria: SelectionCriteria = Field(
        default=SelectionCriteria(),
        description="Of these, only `privacy_sensitive` and `allowed_hosts` are for a model that is given.",
    )

    @model_validator(mode="after")
    def _nothing_is_chosen(self) -> _Given:
        if problems := criteria_without_a_choice(self.selection_criteria):
            raise wrong(*problems)
        return self


class LocalEmbedder(_Given, _LocalKeys):
    """A model that runs in this process, on the CPU: no server and no key."""

    example = "{provider: local, model: all-MiniLM-L6-v2}"


class OpenAIEmbedder(_Given, ServerLimits, _OpenAIKeys):
    """A model of OpenAI, or of any server that speaks its API. Text is sent there."""

    example = "{provider: openai, model: text-embedding-3-small}"


class CohereEmbedder(_Given, ServerLimits, _CohereKeys):
    """A model of Cohere. Text is sent there."""

    example = "{provider: cohere, model: embed-v4.0}"


class HuggingFaceEmbedder(_Given, _HuggingFaceKeys):
    """A model of sentence-transformers, in this process, by PyTorch: on a GPU, or on the CPU."""

    example = "{provider: huggingface, model: BAAI/bge-small-en-v1.5}"


GivenEmbedder = LocalEmbedder | OpenAIEmbedder | CohereEmbedder | HuggingFaceEmbedder
"""The settings of one model; what `provider: auto` comes to."""
Kind = TypeVar("Kind", LocalEmbedder, OpenAIEmbedder, CohereEmbedder, HuggingFaceEmbedder)


def _settings(option: OptionFacts, kind: type[Kind], **fixed: Any) -> Kind:
    """What a spec would hold that named this model itself: the same keys are given."""
    given = {key: getattr(option, key) for key in kind.model_fields if key in option.model_fields_set}
    return kind.model_validate({**given, **fixed})


class LocalOption(OptionFacts, _LocalKeys):
    """A model that runs in this process, on the CPU, to choose from."""

    example = "{provider: local, model: all-MiniLM-L6-v2, cost: low}"

    provider: Literal["local"] = Field(description="What runs the model.")

    @model_validator(mode="after")
    def _runs_on_the_cpu(self) -> LocalOption:
        if self.use_gpu:
            raise wrong(("use_gpu", "is not for 'local', which runs on the CPU; 'huggingface' uses a GPU"))
        return self

    @property
    def settings(self) -> LocalEmbedder:
        """The settings of the model itself, without what is only for the choice."""
        return _settings(self, LocalEmbedder)


class OpenAIOption(ServerLimits, OptionFacts, _OpenAIKeys):
    """A model of a server with OpenAI's API, to choose from."""

    example = "{provider: openai, model: text-embedding-3-small, cost: medium}"

    @property
    def settings(self) -> OpenAIEmbedder:
        """The settings of the model itself, without what is only for the choice."""
        return _settings(self, OpenAIEmbedder)


class CohereOption(ServerLimits, OptionFacts, _CohereKeys):
    """A model of Cohere, to choose from."""

    example = "{provider: cohere, model: embed-v4.0, cost: medium}"

    @property
    def settings(self) -> CohereEmbedder:
        """The settings of the model itself, without what is only for the choice."""
        return _settings(self, CohereEmbedder)


class HuggingFaceOption(OptionFacts, _HuggingFaceKeys):
    """A model of sentence-transformers, to choose from. Without `use_gpu` it runs on the CPU."""

    example = "{provider: huggingface, model: BAAI/bge-small-en-v1.5, use_gpu: true}"

    @model_validator(mode="after")
    def _device_fits(self) -> HuggingFaceOption:
        if self.use_gpu and self.device == "cpu":
            raise wrong(("device", "must not be 'cpu' with `use_gpu: true`"))
        if not self.use_gpu and self.device in ("cuda", "mps"):
            raise wrong(("device", f"is a GPU, '{self.device}'; add `use_gpu: true`"))
        return self

    @property
    def settings(self) -> HuggingFaceEmbedder:
        """The settings of the model itself; without `use_gpu`, it leaves a GPU alone."""
        return _settings(self, HuggingFaceEmbedder, **({} if self.use_gpu else {"device": "cpu"}))


EmbedderOption = Annotated[
    LocalOption | OpenAIOption | CohereOption | HuggingFaceOption, Field(discriminator="provider")
]


class AutoEmbedder(Section):
    """One of several models, chosen by `selection_criteria`; the lock pins the choice."""

    example = "{provider: auto, embedder_options: [{provider: local}]}"

    provider: Literal["auto"] = Field(description="What runs the model: chosen among the options.")
    embedder_options: Annotated[tuple[EmbedderOption, ...], Field(min_length=1)] = Field(
        description="The models to choose from; of two that are as good, the first.",
        examples=["[{provider: local, model: all-MiniLM-L6-v2, cost: low}]"],
    )
    selection_criteria: SelectionCriteria = SelectionCriteria()

    @model_validator(mode="after")
    def _options_differ(self) -> AutoEmbedder:
        options = self.embedder_options
        again = [number for number, one in enumerate(options) if one in options[:number]]
        if again:
            problems = (
                (f"embedder_options.{number}", f"is the same as entry {options.index(options[number])}")
                for number in again
            )
            raise wrong(*problems)
        return self

    @property
    def max_input_tokens(self) -> int:
        """The longest input that every one of the options reads whole, in its own tokens."""
        return self.reads_least.max_input_tokens

    @property
    def reads_least(self) -> LocalOption | OpenAIOption | CohereOption | HuggingFaceOption:
        """The option that reads the shortest input."""
        return min(self.embedder_options, key=lambda one: one.max_input_tokens)


def _provider(value: Any) -> str | None:
    """The tag of a value; a spec that names no provider means the local one."""
    if isinstance(value, Section):
        found = getattr(value, "provider", None)
    else:
        found = value.get("provider", "local") if isinstance(value, dict) else "local"
    return found if isinstance(found, str) else None


EmbedSettings = Annotated[
    Annotated[LocalEmbedder, Tag("local")]
    | Annotated[OpenAIEmbedder, Tag("openai")]
    | Annotated[CohereEmbedder, Tag("cohere")]
    | Annotated[HuggingFaceEmbedder, Tag("huggingface")]
    | Annotated[AutoEmbedder, Tag("auto")],
    Discriminator(_provider),
]
