"""What is known of Cohere's models without asking.

Source: https://docs.cohere.com/docs/cohere-embed, https://docs.cohere.com/docs/rerank,
https://docs.cohere.com/reference/embed and https://docs.cohere.com/reference/rerank; looked at in
November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXTS_A_REQUEST = 96
TOKENS_A_REQUEST = 128_000
"""Of all texts together. Stated for the model as Oracle serves it; Cohere itself states none."""

DOCUMENTS_A_REQUEST = 1_000
DOCUMENTS_A_SEARCH = 100
"""That one search unit pays for."""

TOKENS_A_CHUNK = 500
"""A longer document, the question included, is paid for as several
(https://docs.cohere.com/docs/how-does-cohere-pricing-work)."""

TOKENS_A_DOCUMENT = 4_096
"""That a reranker reads, the question included. Longer ones are cut by the server."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model of Cohere's; the first of `dimensions` is what it gives unasked."""

    dimensions: tuple[int, ...]
    max_tokens: int


EMBEDDING_MODELS = {
    "embed-v4.0": EmbeddingModel((1_536, 1_024, 512, 256), 128_000),
    "embed-english-v3.0": EmbeddingModel((1_024,), 512),
    "embed-multilingual-v3.0": EmbeddingModel((1_024,), 512),
    "embed-english-light-v3.0": EmbeddingModel((384,), 512),
    "embed-multilingual-light-v3.0": EmbeddingModel((384,), 512),
}

FEWEST_TOKENS = 512
"""Taken for a model that is not known here."""
