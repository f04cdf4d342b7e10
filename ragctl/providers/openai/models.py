"""What is known of OpenAI's models without asking; other models get by with what the spec says.

Source: https://developers.openai.com/api/docs/models, https://developers.openai.com/api/reference and, for
the tables, `tiktoken/model.py` of OpenAI's tiktoken; looked at in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUTS_A_REQUEST = 2_048
TOKENS_A_REQUEST = 300_000
TOKENS_AN_INPUT = 8_192
"""Of all its embedding models. 8,191 in older notes: that was what was left beside a token of its own."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model of OpenAI's. `shortens`: it takes `dimensions`."""

    dimension: int
    shortens: bool


EMBEDDING_MODELS = {
    "text-embedding-3-small": EmbeddingModel(1_536, shortens=True),
    "text-embedding-3-large": EmbeddingModel(3_072, shortens=True),
    "text-embedding-ada-002": EmbeddingModel(1_536, shortens=False),
}

# The first that fits.
_TABLES = (
    ("text-embedding-3", "cl100k_base"),
    ("text-embedding-ada-002", "cl100k_base"),
    ("gpt-4o", "o200k_base"),
    ("chatgpt-4o", "o200k_base"),
    ("gpt-4.1", "o200k_base"),
    ("gpt-4.5", "o200k_base"),
    ("gpt-5", "o200k_base"),
    ("gpt-oss", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
)


def table_of(model: str) -> str | None:
    """Name of the table that a model's tokens are counted by; None if it is not known.

    A fine-tuned model (`ft:gpt-4o-mini:…`) counts as the one that it was made of.
    """
    name = model.removeprefix("ft:").removeprefix("openai/")
    return next(
        (
            table
            for prefix, table in _TABLES
            if name == prefix or name.startswith((f"{prefix}-", f"{prefix}:"))
        ),
        None,
    )
