"""The part of the spec's model that says what happens to a question: `ask`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from ragctl.spec.llm_settings import AutoChat, ChatSettings, OpenAIChat
from ragctl.spec.prompt_files import PromptFile
from ragctl.spec.rank_settings import RankSettings
from ragctl.spec.section import Section, wrong

Weight = Annotated[float, Field(ge=0, le=100)]


def provider_of(value: Any) -> str | None:
    """The tag of a value; a spec that names no provider means none."""
    if isinstance(value, Section):
        found = getattr(value, "provider", None)
    else:
        found = value.get("provider", "none") if isinstance(value, dict) else "none"
    return found if isinstance(found, str) else None


class _RephraseKeys(Section):
    expand: Literal["none", "prf", "keywords"] = Field(
        default="none",
        description="Another version of the question without a model, by what was found for it: `prf` adds "
        "words that the best passages have and the others have not, `keywords` leaves out words that most "
        "passages have. Costs a second search.",
    )


class _ModelRephraseKeys(_RephraseKeys):
    n: int = Field(default=3, ge=1, le=10, description="The most other wordings that the model is asked for.")
    prompt: PromptFile | None = None
    stand_alone_prompt: PromptFile | None = Field(
        default=None,
        description="The same for the prompt that makes a question stand without its conversation.",
    )


class _NoModel(Section):
    provider: Literal["none"] = Field(default="none", description="What rewords the question: nothing.")


class NoRephrase(_RephraseKeys, _NoModel):
    """No model rewords the question."""

    example = "{provider: none, expand: prf}"


class OpenAIRephrase(_ModelRephraseKeys, OpenAIChat):
    """A chat model rewords the question; all versions are searched for."""

    example = "{provider: openai, model: gpt-4o-mini, n: 3}"


class AutoRephrase(_ModelRephraseKeys, AutoChat):
    """One of several chat models rewords the question."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o-mini}]}"


RephraseSettings = Annotated[
    Annotated[NoRephrase, Tag("none")]
    | Annotated[OpenAIRephrase, Tag("openai")]
    | Annotated[AutoRephrase, Tag("auto")],
    Discriminator(provider_of),
]


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
    ef_search: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Candidates that a search of a pgvector index keeps in hand, never fewer than hits are "
        "looked for. More find more of the nearest, and take longer.",
        json_schema_extra={"default_is": "800, see docs/dense-search.md"},
    )


class DedupeSettings(Section):
    """What counts as the same passage, and how much the question itself counts among its versions."""

    example = "{near_duplicate: 0.95}"

    near_duplicate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=0.95,
        description="Share of the runs of three words that two passages have in common, from which on they "
        "are folded into one. `null`: only passages of the same text, and overlapping ones, are.",
    )
    original_weight: Weight = Field(
        default=2.0,
        description="How much more the question's own lists count than those of its other versions.",
    )


class _VerifyKeys(Section):
    prompt: PromptFile | None = None


class NoVerify(Section):
    """No model is asked whether a passage helps."""

    example = "{provider: none}"

    provider: Literal["none"] = Field(default="none", description="What checks the passages: nothing.")


class OpenAIVerify(_VerifyKeys, OpenAIChat):
    """A chat model is asked of each passage whether it helps to answer; those that do not are left out."""

    example = "{provider: openai, model: gpt-4o-mini}"


class AutoVerify(_VerifyKeys, AutoChat):
    """One of several chat models is asked of each passage whether it helps to answer."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o-mini}]}"


VerifySettings = Annotated[
    Annotated[NoVerify, Tag("none")]
    | Annotated[OpenAIVerify, Tag("openai")]
    | Annotated[AutoVerify, Tag("auto")],
    Discriminator(provider_of),
]


class _AnswerKeys(Section):
    max_tokens: int = Field(
        default=800, ge=16, le=100_000, description="The most tokens that an answer may have."
    )
    prompt: PromptFile | None = None
    per_version: bool = Field(
        default=False,
        description="Whether each version of the question is answered by itself, from its own passages, and "
        "one more call makes one answer of them.",
    )
    combine: ChatSettings | None = Field(
        default=None,
        description="The model of that last call, a stronger one. For `per_version: true`.",
        json_schema_extra={"default_is": "the model of `ask.answer`"},
    )
    combine_prompt: PromptFile | None = Field(
        default=None, description="The same for the prompt of that last call. For `per_version: true`."
    )

    @model_validator(mode="after")
    def _combines_what_there_is(self) -> _AnswerKeys:
        unused = [key for key in ("combine", "combine_prompt") if getattr(self, key) is not None]
        if unused and not self.per_version:
            raise wrong(*((key, "is for `per_version: true`") for key in unused))
        return self


class NoAnswer(Section):
    """No model writes an answer: the passages are the answer."""

    example = "{provider: none}"

    provider: Literal["none"] = Field(default="none", description="What writes the answer: nothing.")


class OpenAIAnswer(_AnswerKeys, OpenAIChat):
    """A chat model answers from the passages, and from nothing else; every citation is looked up."""

    example = "{provider: openai, model: gpt-4o}"


class AutoAnswer(_AnswerKeys, AutoChat):
    """One of several chat models answers from the passages."""

    example = "{provider: auto, llm_options: [{provider: openai, model: gpt-4o}]}"


AnswerSettings = Annotated[
    Annotated[NoAnswer, Tag("none")]
    | Annotated[OpenAIAnswer, Tag("openai")]
    | Annotated[AutoAnswer, Tag("auto")],
    Discriminator(provider_of),
]


class AskSettings(Section):
    """What happens to a question: rephrase, query, dedupe, rank, verify, answer."""

    example = "{query: {k: 50}, rank: {top_n: 8}}"

    type: Literal["documents"] = Field(
        default="documents", description="What answers: the index of the documents."
    )
    rephrase: RephraseSettings = Field(
        default=NoRephrase(), description="Other versions of the question, all of which are searched for."
    )
    query: QuerySettings = QuerySettings()
    dedupe: DedupeSettings = DedupeSettings()
    rank: RankSettings = RankSettings()
    verify: VerifySettings = Field(
        default=NoVerify(), description="Whether a chat model is asked which passages help."
    )
    answer: AnswerSettings = Field(default=NoAnswer(), description="What makes an answer of the passages.")
    cache: bool = Field(
        default=False,
        description="Whether an identical question on the same generation, asked with the same settings, is "
        "answered with what was found then.",
    )

    @model_validator(mode="after")
    def _enough_is_fetched(self) -> AskSettings:
        if self.rank.top_n > self.query.k:
            raise wrong(("rank.top_n", f"must be at most query.k ({self.query.k}), not {self.rank.top_n}"))
        return self
