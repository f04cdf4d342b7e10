"""Folders that hold something else than a model that can be run, and files that change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from providers.local.small_models import CROSS_MODELS, SENTENCE_MODELS, Small, save_bfloat16, write_model
from safetensors.numpy import load_file, save_file

from ragctl.errors import RagctlError, Unavailable, UsageError
from ragctl.providers.local import checks, compiled
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.reranker import LocalReranker

TEXTS = ["tea", "How deep is the lake?"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "mine", SENTENCE_MODELS["bert"])


def embedder(folder: Path) -> LocalEmbedder:
    return LocalEmbedder(f"./{folder.name}", base=folder.parent)


def change(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


def refused(folder: Path) -> RagctlError:
    with pytest.raises(UsageError) as caught:
        embedder(folder).embed_queries(TEXTS)
    return caught.value


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    assert f"has no {name}" in refused(folder).message


def test_a_pickle_is_never_loaded(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    error = refused(folder)
    assert "a pickle can run any code" in error.message
    assert "save_pretrained" in (error.hint or "")


def test_weights_in_several_files_are_said_to_be(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")
    assert "in several files" in refused(folder).message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "it is no JSON"),
        ("config.json", "[]", "should be a JSON object"),
        ("config.json", '{"model_type": "mpnet"}', "cannot run a model of type 'mpnet'"),
        ("modules.json", "{}", "cannot run a model whose modules are|no list"),
        ("modules.json", '["x"]', "no list of modules"),
        ("tokenizer.json", "{}", "the tokenizer cannot be read"),
        ("model.safetensors", "not tensors", "the weights cannot be read"),
        ("1_Pooling/config.json", '{"pooling_mode_weightedmean_tokens": true}', "the pooling weightedmean"),
        ("config_sentence_transformers.json", '{"prompts": ["x"]}', "no JSON object"),
    ],
)
def test_a_file_that_makes_no_sense(name: str, content: str, said: str, folder: Path) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    if name == "modules.json" and content == "{}":
        assert embedder(folder).provenance["pooling"] == "mean"  # no modules: a bare encoder
        return
    error = refused(folder)
    assert any(part in error.message for part in said.split("|"))


def modules(folder: Path, *kinds: str, path: str = "") -> None:
    listed = [
        {
            "idx": number,
            "name": str(number),
            "path": path if not number else f"{number}_{kind}",
            "type": f"x.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")


def test_modules_that_are_not_built(folder: Path) -> None:
    modules(folder, "Transformer", "Pooling", "WeightedLayerPooling")
    error = refused(folder)
    assert "with a module WeightedLayerPooling" in error.message
    assert "Transformer, Pooling" in (error.hint or "")
    modules(folder, "BoW")
    assert "whose modules are BoW" in refused(folder).message


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../b", "C:\\x", "..\\x"])
def test_modules_lie_in_the_folder(path: str, folder: Path) -> None:
    modules(folder, "Transformer", "Pooling", path=path)
    assert "outside the model's folder" in refused(folder).message


def test_an_encoder_in_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    """As early releases of sentence-transformers lay it out."""
    whole = embedder(folder).embed_queries(TEXTS)
    (folder / "0_Transformer").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (folder / name).rename(folder / "0_Transformer" / name)
    modules(folder, "Transformer", "Pooling", "Normalize", path="0_Transformer")
    np.testing.assert_allclose(embedder(folder).embed_queries(TEXTS), whole, atol=1e-6)


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", SENTENCE_MODELS["roberta"])
    (other / "tokenizer.json").rename(folder / "tokenizer.json")
    assert "the tokenizer has a token" in refused(folder).message


def test_a_configuration_of_another_size_is_refused(folder: Path) -> None:
    change(folder / "config.json", hidden_size=48)
    assert "have the shape" in refused(folder).message


def test_a_file_that_changes_after_it_was_described_is_noticed(folder: Path) -> None:
    described = embedder(folder)
    assert described.identity
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(Unavailable, match=r"model\.safetensors of mine is damaged or another") as caught:
        described.embed_queries(TEXTS)
    assert "run the same command again" in (caught.value.hint or "")
    assert embedder(folder).identity != described.identity


def test_a_file_that_was_only_touched_is_the_same(folder: Path) -> None:
    described = embedder(folder)
    assert described.identity
    os.utime(folder / "model.safetensors")
    assert described.embed_queries(TEXTS).shape == (2, 32)


@pytest.mark.parametrize("kind", ["float16", "float64", "bfloat16"])
def test_weights_of_other_formats_are_read(kind: str, folder: Path) -> None:
    whole = embedder(folder).embed_queries(TEXTS)
    weights = load_file(folder / "model.safetensors")
    if kind == "bfloat16":
        save_bfloat16(folder / "model.safetensors", weights)
    else:
        save_file({name: value.astype(kind) for name, value in weights.items()}, folder / "model.safetensors")
    vectors = embedder(folder).embed_queries(TEXTS)
    assert float(np.min(np.sum(vectors * whole, axis=1))) >= (0.999 if kind == "bfloat16" else 0.99999)


def test_too_coarse_a_format_gives_way_to_float32_with_a_note(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checks, "MIN_COSINE_TO_FULL", 0.999995)
    monkeypatch.setattr(compiled, "half_formats", lambda core: ("bf16",))
    made = embedder(folder)
    assert made._encoder("throughput").precision == "f32"
    assert "mine is too coarse in bf16 (cosine to the reference" in caplog.text
    assert len(list(made.embed(TEXTS))) == 1


def test_a_model_that_gives_no_numbers_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = np.nan
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(Unavailable, match="numbers that are none"):
        embedder(folder).embed_queries(TEXTS)


@pytest.mark.parametrize(
    ("keys", "activation"),
    [
        ({}, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "identity"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, "tanh"),
        ({"sentence_transformers": {"activation_fn": "theirs.Function"}}, "sigmoid"),
    ],
)
def test_a_scores_activation(keys: dict[str, Any], activation: str, tmp_path: Path) -> None:
    cross = write_model(tmp_path / "cross", Small("bert", modules=None, labels=1, config=keys))
    reranker = LocalReranker("./cross", base=cross.parent)
    assert reranker.provenance["activation"] == activation
    identity = write_model(
        tmp_path / "plain",
        Small("bert", modules=None, labels=1, activation="torch.nn.modules.linear.Identity"),
    )
    [logit] = LocalReranker("./plain", base=identity.parent).score("tea", ["bread"])
    expected = {"sigmoid": 1 / (1 + np.exp(-logit)), "identity": logit, "tanh": np.tanh(logit)}
    assert reranker.score("tea", ["bread"]) == pytest.approx([expected[activation]], abs=1e-6)


def test_an_activation_of_scores_that_is_not_known(tmp_path: Path) -> None:
    small = Small("bert", modules=None, labels=1, activation="torch.nn.modules.activation.Mish")
    write_model(tmp_path / "cross", small)
    with pytest.raises(UsageError, match="Mish") as caught:
        LocalReranker("./cross", base=tmp_path)
    assert "Sigmoid" in (caught.value.hint or "")


def test_a_cross_encoder_without_its_head_is_refused(tmp_path: Path) -> None:
    cross = write_model(tmp_path / "cross", CROSS_MODELS["distilbert"])
    weights = load_file(cross / "model.safetensors")
    del weights["pre_classifier.weight"]
    save_file(weights, cross / "model.safetensors")
    with pytest.raises(UsageError, match=r"no weights 'pre_classifier\.weight'"):
        LocalReranker("./cross", base=tmp_path).score("tea", ["bread"])
