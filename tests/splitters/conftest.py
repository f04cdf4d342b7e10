"""Tokenizers to split with: the local model's, and one that is as different from it as can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ragctl.ports import Tokenizer
from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer

if TYPE_CHECKING:
    from ragctl.ports import Offsets


class ByteTokenizer:
    """A token a UTF-8 byte, as models without a vocabulary have it; three special tokens."""

    special_tokens = 3

    def token_starts(self, text: str) -> Offsets:
        return np.array(
            [at for at, character in enumerate(text) for _ in character.encode("utf-8")], dtype=np.int64
        )

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.encode("utf-8")) + self.special_tokens for text in texts]


@pytest.fixture(scope="session")
def minilm_tokenizer() -> LocalTokenizer:
    return LocalTokenizer(find_files(known_model("all-MiniLM-L6-v2")))


@pytest.fixture(scope="session", params=["minilm", "bytes"])
def tokenizer(request: pytest.FixtureRequest, minilm_tokenizer: LocalTokenizer) -> Tokenizer:
    return minilm_tokenizer if request.param == "minilm" else ByteTokenizer()
