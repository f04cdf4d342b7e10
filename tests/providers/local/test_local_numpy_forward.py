"""NumPy's encoder against OpenVINO's of the same model in float32, and against sentence-transformers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from providers.local.small_models import HIDDEN, SENTENCE_MODELS, TEXTS, Small, save_bfloat16, write_model
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_info

from ragctl.errors import Unavailable, UsageError
from ragctl.providers.local.batches import Batch, pack
from ragctl.providers.local.compiled import compile_encoder
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.first_questions import load_encoder
from ragctl.providers.local.model_files import ModelFiles, read_files
from ragctl.providers.local.numpy_forward import erf
from ragctl.providers.local.places import Place
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.providers.local.word_rows import WordRows

HERE = Path(__file__).parent
Vectors = NDArray[np.float32]

MODELS = {
    **SENTENCE_MODELS,
    "camembert": Small("roberta", 21, config={"model_type": "camembert", "hidden_act": "gelu_python"}),
    "bert-pooled-by-root": Small("bert", 22, pooling=("mean_sqrt_len_tokens", "cls"), modules=("Pooling",)),
    "bert-tanh": Small("bert", 23, config={"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-3}),
}


def files_of(folder: Path) -> ModelFiles:
    return read_files(Place(folder.name, folder), query_prefix=None, passage_prefix=None)


def both(files: ModelFiles, batch: Batch) -> tuple[Vectors, Vectors]:
    """The vectors by NumPy and by OpenVINO."""
    tokenizer = LocalTokenizer(files)
    by_numpy = load_encoder(files, tokenizer)
    assert by_numpy is not None
    return by_numpy.infer(batch), compile_encoder(files, tokenizer, goal="latency").infer(batch)


def batch_of(files: ModelFiles, lengths: tuple[int, ...] = (1, 2, 7, 40)) -> Batch:
    """Random tokens, the one that pads others among them."""
    random = np.random.default_rng(3)
    inputs = [
        random.integers(0, 40, length).astype(np.int32) for length in (*lengths, files.model.max_tokens)
    ]
    inputs[-1][3:6] = 1
    (batch,) = pack(inputs, batch_tokens=1 << 20)
    return batch


def assert_alike(ours: Vectors, theirs: Vectors) -> None:
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    assert float(np.min(np.sum(ours * theirs, axis=1))) >= 0.99999
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_the_graph(name: str, tmp_path: Path) -> None:
    files = files_of(write_model(tmp_path / name, MODELS[name]))
    assert_alike(*both(files, batch_of(files)))


@pytest.mark.parametrize("activation", ["Identity", "ReLU"])
def test_a_dense_module_has_its_activation(activation: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["bert-dense"])
    config = folder / "2_Dense" / "config.json"
    kind = "linear" if activation == "Identity" else "activation"
    changed = {
        **json.loads(config.read_text(encoding="utf-8")),
        "activation_function": f"torch.nn.modules.{kind}.{activation}",
    }
    config.write_text(json.dumps(changed), encoding="utf-8")
    files = files_of(folder)
    assert_alike(*both(files, batch_of(files)))


@pytest.mark.parametrize("kind", ["float16", "float64", "bfloat16"])
def test_weights_of_other_number_formats(kind: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["distilbert"])
    file = folder / "model.safetensors"
    weights = load_file(file)
    if kind == "bfloat16":
        save_bfloat16(file, weights)
    else:
        save_file({name: one.astype(kind) for name, one in weights.items()}, file)
    files = files_of(folder)
    assert_alike(*both(files, batch_of(files)))


def test_a_layer_may_have_no_bias(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["bert"])
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: one for name, one in weights.items() if "query.bias" not in name}, folder / "model.safetensors"
    )
    files = files_of(folder)
    assert_alike(*both(files, batch_of(files)))


def test_vectors_are_those_of_sentence_transformers(minilm: ModelFiles, tokenizer: LocalTokenizer) -> None:
    known = json.loads((HERE / "golden" / "all-MiniLM-L6-v2.json").read_text(encoding="utf-8"))
    expected = np.array(known["vectors"], np.float32)
    by_numpy = load_encoder(minilm, tokenizer)
    assert by_numpy is not None
    for batch in pack(tokenizer.token_ids(known["texts"]), batch_tokens=256):
        vectors = by_numpy.infer(batch)
        assert float(np.min(np.sum(vectors * expected[list(batch.positions)], axis=1))) >= 0.99999


def test_the_error_function() -> None:
    x = np.linspace(-6, 6, 4_001, dtype=np.float32)
    exact = [math.erf(float(one)) for one in x]
    np.testing.assert_allclose(erf(x), exact, rtol=0, atol=6e-7)
    assert erf(x).dtype == np.float32
    assert erf(np.zeros(1, np.float32)) <= 1.5e-7


def test_one_thread_computes_and_the_process_keeps_its_own_number(
    minilm: ModelFiles, tokenizer: LocalTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    by_numpy = load_encoder(minilm, tokenizer)
    assert by_numpy is not None
    before, inside = threads(), []
    plain = by_numpy._vectors
    monkeypatch.setattr(by_numpy, "_vectors", lambda batch: inside.append(threads()) or plain(batch))
    by_numpy.infer(batch_of(minilm, ()))
    assert inside == [[1] * len(before)]
    assert threads() == before


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[ModelFiles]:
    return files_of(write_model(tmp_path / "model", SENTENCE_MODELS["bert"]))


@pytest.mark.parametrize("change", ["cut short", "other", "gone"])
def test_weights_that_change_in_use_are_noticed(change: str, copied: ModelFiles) -> None:
    by_numpy = load_encoder(copied, LocalTokenizer(copied))
    assert by_numpy is not None
    batch = batch_of(copied)
    assert np.isfinite(by_numpy.infer(batch)).all()
    file = copied.path("model.safetensors")
    if change == "cut short":
        os.truncate(file, 5_000)
    elif change == "other":
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data[:-4] + b"\0\0\0\0")
        os.utime(file, (1, 1))
    else:
        file.unlink()
    with pytest.raises(Unavailable, match="changed while they were in use"):
        by_numpy.infer(batch)


def test_rows_of_words(copied: ModelFiles) -> None:
    file = copied.path("model.safetensors")
    table = load_file(file)["embeddings.word_embeddings.weight"]
    words = WordRows(file, "bert", HIDDEN)
    assert words.rows == len(table)
    ids = np.array([5, 0, len(table) - 1, 5])
    np.testing.assert_array_equal(words(ids), table[ids])


def test_a_table_of_another_width_or_none_is_refused(copied: ModelFiles, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have the shape"):
        WordRows(copied.path("model.safetensors"), "bert", HIDDEN + 1)
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="word_embeddings"):
        WordRows(tmp_path / "other.safetensors", "bert", HIDDEN)
    (tmp_path / "no.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(UsageError, match="cannot be read"):
        WordRows(tmp_path / "no.safetensors", "bert", HIDDEN)


@pytest.mark.parametrize("name", SENTENCE_MODELS)
def test_a_question_has_the_vector_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    known = json.loads((HERE / "golden" / "small_models.json").read_text(encoding="utf-8"))["vectors"][name]
    write_model(tmp_path / name, SENTENCE_MODELS[name])
    embedder = LocalEmbedder(f"./{name}", base=tmp_path)
    for text, expected in zip(TEXTS, known["query"], strict=True):
        [vector] = embedder.embed_queries([text])
        assert float(vector @ np.array(expected, np.float32)) >= 0.99999
    assert "latency" not in embedder._compiled
