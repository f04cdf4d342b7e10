"""The model of a spec's section `chunk`: how documents are cut."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ragctl.spec.embed_settings import MOST_TOKENS
from ragctl.spec.section import Section, wrong

Language = Literal[
    "arabic", "armenian", "basque", "catalan", "chinese", "danish", "dutch", "english", "finnish", "french",
    "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "japanese", "korean",
    "lithuanian", "nepali", "norwegian", "portuguese", "romanian", "russian", "serbian", "simple", "spanish",
    "swedish", "tamil", "turkish", "yiddish",
]  # fmt: skip
"""What PostgreSQL stems, from version 15 on, and what is searched by its words as they are."""


def default_overlap(max_tokens: int) -> int:
    """Tokens of `chunk.overlap` where the spec gives none."""
    return min(32, max(max_tokens, 0) // 8)


class ChunkSettings(Section):
    """How documents are cut. Sizes are counted in the embedder's own tokens."""

    example = "{max_tokens: 256, overlap: 32}"

    splitter: Literal["auto", "recursive", "sentence", "token", "none"] = Field(
        default="auto",
        description="Where to cut. `auto` goes by the content type: headings, definitions in code, rows, "
        "slides, messages. The others take the text as it runs: `recursive` cuts at "
        "paragraphs, then sentences, lines and words; `sentence` fills chunks with whole sentences; `token` "
        "makes windows of tokens; `none` leaves a document whole, and one over `max_tokens` fails.",
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
        "Less than half of `max_tokens`. Without effect with `none`.",
        json_schema_extra={"default_is": "32, or an eighth of `max_tokens` where that is less"},
    )
    min_tokens: int = Field(
        default=64,
        ge=0,
        le=4096,
        description="Sections with fewer tokens are packed with their neighbours where they fit. "
        "More than half of a chunk's room counts as half. For `auto` alone.",
    )
    context: tuple[Literal["title", "headings"], ...] = Field(
        default=("title", "headings"),
        description="What the model reads in front of a chunk's text. Shown passages and citations "
        "stay without it.",
    )
    language: Language = Field(
        default="english",
        description="The language of the text, for search by words: endings and stop words are the "
        "language's. The splitter `sentence` goes by its abbreviations. `simple` has neither, for text in "
        "several languages; `chinese`, `japanese` and "
        "`korean` likewise. Another one makes a new generation, with the vectors that are there.",
    )

    @model_validator(mode="before")
    @classmethod
    def _overlap_follows_max_tokens(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "overlap" in data or not isinstance(data.get("max_tokens"), int):
            return data
        return {**data, "overlap": default_overlap(data["max_tokens"])}

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
