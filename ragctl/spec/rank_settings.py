"""The part of the spec's model that says how found passages are put in order: `ask.rank`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ragctl.spec.local_models import Device, ModelPlace
from ragctl.spec.prompt_files import PromptFile
from ragctl.spec.section import Problem, Section, wrong
from ragctl.spec.server_settings import OPENAI_KEY, KeyVariable, ServerLimits, Url, Usd, with_openai_key

COHERE_RERANKER = "rerank-v3.5"
COHERE_KEY = "CO_API_KEY"
CHAT_MODEL = "gpt-4o-mini"

Share = Annotated[float, Field(ge=0, le=1)]

_EVERY = frozenset({"provider", "top_n", "diversity"})
_ANY_MODEL = frozenset({"model", "candidates", "blend"})
_IN_THIS_PROCESS = _ANY_MODEL | {"revision"}
_REMOTE = _ANY_MODEL | {"api_key_env", "base_url"} | set(ServerLimits.model_fields)
_USED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "local": _IN_THIS_PROCESS,
    "huggingface": _IN_THIS_PROCESS | {"device", "precision"},
    "cohere": _REMOTE | {"usd_per_thousand_searches"},
    "openai": _REMOTE
    | {"prompt", "context_tokens", "usd_per_million_tokens", "usd_per_million_output_tokens"},
}
"""Provider → the keys that mean something with it, besides those that always do."""


class _RankKeys(Section):
    provider: Literal["none", "local", "huggingface", "cohere", "openai"] = Field(
        default="none",
        description="`none` keeps the order of the query. The others have a model read the question with "
        "each passage: `local` a cross-encoder in this process, on the CPU; `huggingface` one by PyTorch, on "
        "a GPU where there is one; `cohere` a model of Cohere's, to which question and passages are sent; "
        "`openai` a chat model of OpenAI, or of a server with its API, which is sent the question with each "
        "passage and grades it from 0 to 10.",
    )
    model: ModelPlace | None = Field(
        default=None,
        description="The cross-encoder: its folder, a package or `ORGANISATION/NAME` on the hub, as in "
        "`embed.model`. Needed for `local` (the BERT, RoBERTa and DistilBERT families) and `huggingface`. "
        "For `cohere` and `openai`, the model's name.",
        json_schema_extra={
            "default_is": f"none; `{COHERE_RERANKER}` with `provider: cohere`, `{CHAT_MODEL}` with "
            "`provider: openai`"
        },
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch of a cross-encoder on the hub. For `local` and `huggingface`.",
    )
    candidates: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="Passages that the model reads: the first that were found; others are left out. "
        "At least `top_n`. For every provider but `none`.",
    )
    top_n: int = Field(default=8, ge=1, le=1000, description="Passages that are shown. At most `query.k`.")
    blend: Share = Field(
        default=0.3,
        description="How much the place that a passage was found at counts beside the model's order, from "
        "0 to 1: a passage gets `(1 - blend) / place by the model + blend / place before`, so that an exact "
        "match survives a poor model. The default is a choice, not a measurement. For every provider but "
        "`none`.",
    )
    diversity: Share = Field(
        default=0.0,
        description="How much it counts against a passage that it is like a better one (maximal marginal "
        "relevance, by shared runs of words), from 0, not at all, to 1.",
    )
    prompt: PromptFile | None = Field(
        default=None,
        description="A file with another prompt for the grade, as in `ask.answer.prompt`. For `openai`.",
    )
    device: Device = Field(
        default="auto", description="Where it runs, as in `embed.device`. For `huggingface`."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="The number format, as in `embed.precision`. For `huggingface`."
    )
    api_key_env: KeyVariable | None = Field(
        default=None,
        description="Name of the environment variable that holds the key. For `cohere` and `openai`.",
        json_schema_extra={
            "default_is": f"none; `{COHERE_KEY}` with `provider: cohere`, `{OPENAI_KEY}` with "
            "`provider: openai` and no other `base_url`"
        },
    )
    base_url: Url | None = Field(
        default=None,
        description="Another address of Cohere's API, or another server with OpenAI's. For `cohere` and "
        "`openai`.",
    )
    context_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="The most tokens that the model reads and writes together, where ragctl does not know "
        "it. For `openai`.",
    )
    usd_per_million_tokens: Usd | None = Field(
        default=None, description="The price of what it reads, in place of the one known. For `openai`."
    )
    usd_per_million_output_tokens: Usd | None = Field(
        default=None, description="The price of what it writes, likewise. For `openai`."
    )
    usd_per_thousand_searches: Usd | None = Field(
        default=None, description="The price, in place of the one that ragctl knows. For `cohere`."
    )


class RankSettings(ServerLimits, _RankKeys):
    """How found passages are put in order. The limits of requests are for `cohere` and `openai`."""

    example = "{provider: none, top_n: 8}"

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_provider(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.get("provider") == "cohere":
            return {"model": COHERE_RERANKER, "api_key_env": COHERE_KEY, **data}
        if data.get("provider") == "openai":
            return {"model": CHAT_MODEL, "api_key_env": OPENAI_KEY, **with_openai_key(data)}
        return data

    @model_validator(mode="after")
    def _fits_the_provider(self) -> RankSettings:
        if problems := [*self._unused(), *self._missing()]:
            raise wrong(*problems)
        return self

    def _unused(self) -> list[Problem]:
        used = _USED[self.provider] | _EVERY
        return [
            (key, f"is for {_providers_with(key)}")
            for key, field in type(self).model_fields.items()
            if key not in used and getattr(self, key) != field.default
        ]

    def _missing(self) -> list[Problem]:
        if self.provider == "none":
            return []
        if self.model is None:
            what = (
                "the model"
                if self.provider in ("cohere", "openai")
                else "the cross-encoder's folder, package or place on the hub"
            )
            return [("model", f"is missing; name {what}")]
        if self.candidates < self.top_n:
            return [("candidates", f"must be at least top_n ({self.top_n}), not {self.candidates}")]
        return []


def _providers_with(key: str) -> str:
    return " or ".join(f"`provider: {provider}`" for provider, keys in _USED.items() if key in keys)
