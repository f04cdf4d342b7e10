"""The section `eval`: what measuring needs that asking does not."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from ragctl.spec.ask_settings import provider_of
from ragctl.spec.llm_settings import AutoChat, OpenAIChat
from ragctl.spec.section import Section


class NoJudge(Section):
    """No model judges answers: they are compared with the right ones."""

    example = "{provider: none}"

    provider: Literal["none"] = Field(default="none", description="What judges answers: nothing.")


class OpenAIJudge(OpenAIChat):
    """A chat model judges which statements of an answer the passages support, and whether it answers."""

    example = "{provider: openai, model: gpt-4o}"


class AutoJudge(AutoChat):
    """One of several chat models judges answers."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o}]}"


JudgeSettings = Annotated[
    Annotated[NoJudge, Tag("none")]
    | Annotated[OpenAIJudge, Tag("openai")]
    | Annotated[AutoJudge, Tag("auto")],
    Discriminator(provider_of),
]


class EvalSettings(Section):
    """How `ragctl eval` judges answers. Nothing here changes what is found or answered."""

    example = "{judge: {provider: openai, model: gpt-4o}}"

    judge: JudgeSettings = Field(
        default=NoJudge(),
        description="Whether a chat model judges answers. Better not the one that writes them.",
    )
