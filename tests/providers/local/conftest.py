from __future__ import annotations

import pytest

from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.model_files import ModelFiles, find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer


@pytest.fixture(scope="session")
def minilm() -> ModelFiles:
    return find_files(known_model("all-MiniLM-L6-v2"))


@pytest.fixture(scope="session")
def tokenizer(minilm: ModelFiles) -> LocalTokenizer:
    return LocalTokenizer(minilm)


@pytest.fixture(scope="session")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()
