"""Memory that ends, number formats, devices, and errors while the model runs.

No memory really ends here, and no GPU is there: where one is stood in for, the test says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from providers.huggingface.random_models import write_sentence_model
from providers.local.small_models import TEXTS
from safetensors.torch import load_file, save_file

from ragctl.errors import RagctlError, Unavailable, WrongVectors
from ragctl.providers.huggingface import agreement, encoder
from ragctl.providers.huggingface.devices import choose_device, choose_precision, stored_in
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder

Vectors = NDArray[np.float32]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_sentence_model(tmp_path / "mine", "mpnet")
    return tmp_path


def vectors_of(embedder: HuggingFaceEmbedder, texts: list[str]) -> Vectors:
    found = np.full((len(texts), embedder.dimension), np.nan, np.float32)
    for batch in embedder.embed(texts):
        found[list(batch.positions)] = batch.vectors
    return found


class Crowded:
    """A stand-in for a GPU's memory: a model that raises torch's own error above so many tokens."""

    def __init__(self, model: Any, most: int) -> None:
        self.model, self.most, self.sizes = model, most, list[int]()

    def __call__(self, features: dict[str, Any]) -> Any:
        size = features["input_ids"].numel()
        self.sizes.append(size)
        if size > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return self.model(features)


def test_a_batch_too_large_for_memory_is_halved_and_that_is_said_once(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = HuggingFaceEmbedder("./mine", base=base)
    texts = [f"the lake is deep {'and cold ' * (number % 9)}" for number in range(150)]
    expected = vectors_of(embedder, texts)
    forward = embedder._encoder()._forward
    crowded = Crowded(forward._model, 300)
    forward._model = crowded
    np.testing.assert_allclose(vectors_of(embedder, texts), expected, atol=1e-5)
    assert caplog.text.count("no memory on cpu for a batch") == 1
    failed = [size for size in crowded.sizes if size > crowded.most]
    assert len(failed) <= 4  # what was learned is kept, also for the batches after it
    crowded.sizes.clear()
    vectors_of(embedder, texts)
    assert max(crowded.sizes) <= crowded.most


def test_no_memory_for_one_input_is_an_error(base: Path) -> None:
    embedder = HuggingFaceEmbedder("./mine", base=base)
    forward = embedder._encoder()._forward
    forward._model = Crowded(forward._model, 4)
    with pytest.raises(Unavailable, match="not enough memory on cpu for one input of 8 tokens"):
        list(embedder.embed(["tea", "bread"]))


def test_an_error_while_the_model_runs_comes_out(base: Path) -> None:
    embedder = HuggingFaceEmbedder("./mine", base=base, batch_tokens=64)
    calls: list[int] = []
    forward = embedder._encoder()._forward
    model = forward._model

    def fails(features: dict[str, Any]) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("the driver went away")
        return model(features)

    forward._model = fails
    with pytest.raises(RuntimeError, match="the driver went away"):
        list(embedder.embed(["tea " * (1 + number % 20) for number in range(200)]))


def test_16_bits_are_taken_if_the_vectors_stay_near(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice that a GPU would make, made on a processor."""
    exact = HuggingFaceEmbedder("./mine", base=base).embed_queries(TEXTS)
    monkeypatch.setattr(encoder, "choose_precision", lambda asked, device: "bf16")
    embedder = HuggingFaceEmbedder("./mine", base=base)
    near = embedder.embed_queries(TEXTS)
    assert embedder._encoder().precision == "bf16"
    assert 0.999 <= float(np.min(np.sum(near * exact, axis=1))) < 0.9999999
    assert near.dtype == np.float32


def test_16_bits_that_are_too_coarse_give_way_with_a_note(
    base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoder, "choose_precision", lambda asked, device: "bf16")
    monkeypatch.setattr(agreement, "MIN_COSINE", 0.9999995)
    embedder = HuggingFaceEmbedder("./mine", base=base)
    assert embedder._encoder().precision == "fp32"
    assert "mine is too coarse in bf16" in caplog.text


def test_a_model_that_overflows_in_16_bits_runs_in_32_or_is_an_error(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_file(base / "mine" / "model.safetensors")
    weights["encoder.layer.1.intermediate.dense.weight"] *= 3e5
    save_file(weights, base / "mine" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Unavailable, match="numbers that are none in fp16") as caught:
        HuggingFaceEmbedder("./mine", base=base, precision="fp16").embed_queries(TEXTS)
    assert caught.value.hint == "set precision: fp32"
    monkeypatch.setattr(encoder, "choose_precision", lambda asked, device: "fp16")
    chosen = HuggingFaceEmbedder("./mine", base=base)
    assert np.isfinite(chosen.embed_queries(TEXTS)).all()
    assert chosen._encoder().precision == "fp32"


def test_vectors_that_are_none_are_never_given(base: Path) -> None:
    embedder = HuggingFaceEmbedder("./mine", base=base)
    forward = embedder._encoder()._forward
    for wrong in (float("nan"), 0.0):
        forward._model = lambda features, wrong=wrong: {
            "sentence_embedding": torch.full((len(features["input_ids"]), 32), wrong)
        }
        with pytest.raises(WrongVectors, match="or of length 0"):
            embedder.embed_queries(["tea"])


def test_a_gpu_is_taken_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's answers are stood in for; no GPU is used."""
    there = {"cuda": False, "mps": False}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    assert choose_device("auto") == "cpu"
    there["mps"] = True
    assert (choose_device("auto"), choose_device("cpu")) == ("mps", "cpu")
    there["cuda"] = True
    assert (choose_device("auto"), choose_device("mps")) == ("cuda", "mps")


@pytest.mark.parametrize("built", [None, "13.0"])
def test_a_device_that_is_not_there_is_an_error_with_a_way_out(
    built: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    with pytest.raises(Unavailable, match="sees no such GPU" if built else "built without CUDA") as caught:
        choose_device("cuda")
    assert "device: auto" in (caught.value.hint or "")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(RagctlError, match="Apple silicon"):
        choose_device("mps")


def test_the_number_format_goes_with_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    native = {"bf16": True}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: native["bf16"])
    assert choose_precision("auto", "cuda") == "bf16"
    native["bf16"] = False
    assert [choose_precision("auto", device) for device in ("cuda", "mps", "cpu")] == ["fp16", "fp16", "fp32"]
    assert choose_precision("fp32", "cuda") == "fp32"
    assert stored_in({"dtype": "bfloat16"}) == "bf16"
    assert stored_in({"torch_dtype": "torch.float16"}) == "fp16"
    assert stored_in({}) is None
