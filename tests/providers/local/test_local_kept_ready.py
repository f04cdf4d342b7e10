"""A model that is kept for the processes forked from this one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from providers.local.small_models import QUESTION, Small, write_model

from ragctl.providers.local import first_questions, kept_ready
from ragctl.providers.local.encoder import LocalEmbedder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept_ready, "_KEPT", {})
    return write_model(tmp_path / "model", Small("bert"))


def embedder(folder: Path) -> LocalEmbedder:
    return LocalEmbedder("./model", base=folder.parent)


def test_what_is_kept_is_not_loaded_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = embedder(folder).embed_queries([QUESTION])
    embedder(folder).keep_ready()
    monkeypatch.setattr(first_questions, "load_encoder", None)  # whoever calls it fails
    other = embedder(folder)
    assert np.array_equal(other.embed_queries([QUESTION]), expected)
    assert other.tokenizer is embedder(folder).tokenizer


def test_a_model_that_has_changed_since_is_loaded(folder: Path) -> None:
    embedder(folder).keep_ready()
    [kept] = kept_ready._KEPT.values()
    file = folder / "model.safetensors"
    os.utime(file, ns=(1, 1))
    assert embedder(folder).tokenizer is not kept.tokenizer
    assert embedder(folder).embed_queries([QUESTION]).shape == (1, embedder(folder).dimension)
