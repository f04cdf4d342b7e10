"""A remote model whose key is not there, for commands that ask it nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ragctl.errors import RagctlError
from ragctl.ports import Embedder, Tokenizer
from ragctl.types import EmbeddedBatch, Usage

if TYPE_CHECKING:
    from ragctl.ports import Vectors


class KeylessEmbedder:
    """A remote embedder whose key is not there: all is known of it, and nothing can be asked of it.

    Args:
        missing: what is raised as soon as something is.
    """

    def __init__(self, embedder: Embedder, missing: RagctlError) -> None:
        self._embedder = embedder
        self._missing = missing

    @property
    def identity(self) -> str:
        return self._embedder.identity

    @property
    def dimension(self) -> int:
        """
        Raises:
            UsageError: it is not known without asking the server, and the key is missing.
        """
        if "dimension" not in self._embedder.provenance:
            raise self._missing
        return self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    @property
    def languages(self) -> frozenset[str] | None:
        return self._embedder.languages

    @property
    def tokenizer(self) -> Tokenizer:
        return self._embedder.tokenizer

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        return self._embedder.provenance

    @property
    def usd_per_million_tokens(self) -> float | None:
        return self._embedder.usd_per_million_tokens

    @property
    def endpoint(self) -> str | None:
        return self._embedder.endpoint

    @property
    def usage(self) -> Usage:
        return self._embedder.usage

    def prepare_questions(self) -> None:
        """Nothing: none will be asked."""

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        """
        Raises:
            UsageError: the key is missing.
        """
        raise self._missing

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """
        Raises:
            UsageError: the key is missing.
        """
        raise self._missing
