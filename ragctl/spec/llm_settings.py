"""Sections that name a chat model: one of a server that speaks OpenAI's API, or one chosen among several."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

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

_OF_A_CORPUS = ("max_cost_usd", "max_minutes")


class _OpenAIChatKeys(Section):
    provider: Literal["openai"] = Field(description="What runs the model.")
    model: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        default="gpt-4o-mini", description="The model, by the server's name."
    )
    api_key_env: KeyVariable | None = Field(
        default=OPENAI_KEY,
        description=OPENAI_KEY_DESCRIPTION,
        json_schema_extra={"default_is": OPENAI_KEY_DEFAULT},
    )
    base_url: Url | None = Field(default=None, description=OPENAI_URL_DESCRIPTION)
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="How freely it writes: 0 takes the likeliest word each time."
    )
    context_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="The most tokens that it reads and writes together, where ragctl does not know it.",
    )
    usd_per_million_tokens: Usd | None = Field(
        default=None, description="The price of what it reads, in place of the one that ragctl knows."
    )
    usd_per_million_output_tokens: Usd | None = Field(
        default=None, description="The price of what it writes, likewise."
    )

    @model_validator(mode="before")
    @classmethod
    def _key_goes_to_openai_alone(cls, data: Any) -> Any:
        return with_openai_key(data)


class OpenAIChat(ServerLimits, _OpenAIChatKeys):
    """A chat model of OpenAI, or of any server that speaks its API. Text is sent there."""

    example = "{provider: openai, model: gpt-4o-mini}"

    selection_criteria: SelectionCriteria = Field(
        default=SelectionCriteria(),
        description="Of these, only `privacy_sensitive` and `allowed_hosts` are for a model that is given.",
    )

    @model_validator(mode="after")
    def _nothing_is_chosen(self) -> OpenAIChat:
        if problems := criteria_without_a_choice(self.selection_criteria):
            raise wrong(*problems)
        return self


class OpenAIChatOption(ServerLimits, OptionFacts, _OpenAIChatKeys):
    """A chat model of a server with OpenAI's API, to choose from."""

    example = "{provider: openai, model: gpt-4o-mini, cost: medium}"

    @property
    def settings(self) -> OpenAIChat:
        """The settings of the model itself, without what is only for the choice."""
        given = {key: getattr(self, key) for key in OpenAIChat.model_fields if key in self.model_fields_set}
        return OpenAIChat.model_validate(given)


class AutoChat(Section):
    """One of several chat models, chosen by `selection_criteria`; the lock pins the choice."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o-mini}]}"

    provider: Literal["auto"] = Field(description="What runs the model: chosen among the options.")
    llm_options: Annotated[tuple[OpenAIChatOption, ...], Field(min_length=1)] = Field(
        description="The models to choose from; of two that are as good, the first.",
        examples=["[{provider: openai, model: gpt-4o-mini, cost: medium}]"],
    )
    selection_criteria: SelectionCriteria = SelectionCriteria()

    @model_validator(mode="after")
    def _no_corpus(self) -> AutoChat:
        of_a_corpus = [key for key in _OF_A_CORPUS if getattr(self.selection_criteria, key) is not None]
        if of_a_corpus:
            text = "is for embedders: nobody knows how much will be asked of a chat model"
            raise wrong(*((f"selection_criteria.{key}", text) for key in of_a_corpus))
        return self


ChatSettings = Annotated[OpenAIChat | AutoChat, Field(discriminator="provider")]
