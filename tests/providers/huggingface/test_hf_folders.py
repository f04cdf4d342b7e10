"""Folders that hold something else than a model that is loaded, and files that change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from providers.huggingface.random_models import write_bare, write_sentence_model
from safetensors.torch import load_file, save_file

from ragctl.errors import RagctlError, Unavailable, UsageError
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder

TEXTS = ["tea", "How deep is the lake?"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sentence_model(tmp_path / "mine", "mpnet")


def embedder(folder: Path) -> HuggingFaceEmbedder:
    return HuggingFaceEmbedder(f"./{folder.name}", base=folder.parent)


def change(file: Path, **keys: Any) -> None:
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**known, **keys}), encoding="utf-8")


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


def test_nor_is_that_of_a_module(tmp_path: Path) -> None:
    folder = write_sentence_model(tmp_path / "mine", "mpnet", dense=True)
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    assert "the module 2_Dense has no model.safetensors" in refused(folder).message


def _module(folder: Path, **keys: Any) -> None:
    file = folder / "modules.json"
    listed = json.loads(file.read_text(encoding="utf-8"))
    listed[-1] |= keys
    file.write_text(json.dumps(listed), encoding="utf-8")


CODE = "raise SystemExit('code of the model was run')\n"


def _own_module(folder: Path) -> None:
    _module(folder, type="theirs.Module")
    (folder / "theirs.py").write_text(CODE, encoding="utf-8")


def _own_family(folder: Path) -> None:
    (folder / "modeling_theirs.py").write_text(CODE, encoding="utf-8")
    auto = {"AutoConfig": "modeling_theirs.Config", "AutoModel": "modeling_theirs.Model"}
    change(folder / "config.json", model_type="theirs", auto_map=auto)


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (_own_module, r"brings code of its own \(the module theirs\.Module\)"),
    (_own_family, "brings code of its own, which ragctl never runs"),
    (lambda folder: change(folder / "config.json", model_type="cuneiform"), "knows no model of type"),
    (lambda folder: _module(folder, path="../elsewhere"), "outside the model's folder"),
    (
        lambda folder: _module(folder, type="sentence_transformers.models.Router"),
        "whose modules are Transformer, Pooling, Router",
    ),
    (lambda folder: change(folder / "adapter_config.json"), "holds an adapter"),
    (lambda folder: (folder / "modules.json").write_text('["x"]'), "no list of modules"),  # type: ignore[func-returns-value]
    (lambda folder: (folder / "config.json").write_text("{"), "it is no JSON"),  # type: ignore[func-returns-value]
    (lambda folder: (folder / "model.safetensors").write_text("?"), "cannot be loaded"),  # type: ignore[func-returns-value]
    (lambda folder: change(folder / "config.json", hidden_size=48), "cannot be loaded"),
    (
        lambda folder: change(folder / "config_sentence_transformers.json", prompts=["x"]),
        "prompts are no JSON object",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_is_not_loaded(spoil: Callable[[Path], None], said: str, folder: Path) -> None:
    import re

    spoil(folder)
    assert re.search(said, refused(folder).message)


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    """transformers would fill them with random numbers and say so in a warning."""
    weights = load_file(folder / "model.safetensors")
    for name in ("encoder.layer.1.output.dense.weight", "encoder.layer.1.output.dense.bias"):
        del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "mine has no weights 'encoder.layer.1.output.dense." in refused(folder).message


def test_a_pooler_that_no_vector_is_made_of_may_be_missing(folder: Path) -> None:
    expected = embedder(folder).embed_queries(TEXTS)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert (embedder(folder).embed_queries(TEXTS) == expected).all()


def test_a_shard_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    folder = write_sentence_model(tmp_path / "mine", "mpnet", shard="20KB")
    next(iter(sorted(folder.glob("model-*.safetensors")))).unlink()
    assert "names files that are not there" in refused(folder).message


def test_more_tokens_than_positions_are_refused(tmp_path: Path) -> None:
    folder = write_sentence_model(tmp_path / "mine", "mpnet", max_tokens=162)
    assert embedder(folder).max_tokens == 160  # MPNet counts positions from the second on
    change(folder / "config.json", max_position_embeddings=400)
    assert refused(folder)


def test_a_limit_that_is_stated_nowhere_is_asked_for(tmp_path: Path) -> None:
    folder = write_bare(tmp_path / "mine", "t5", "Model")
    change(folder / "tokenizer_config.json", model_max_length=10**30)
    error = refused(folder)
    assert "nowhere how many tokens" in error.message
    change(folder / "sentence_bert_config.json", max_seq_length=40)
    assert embedder(folder).max_tokens == 40


def test_a_model_as_transformers_saves_it_is_completed_by_the_mean(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = write_bare(tmp_path / "mine", "modernbert", "Model")
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert float((embedder(folder).embed_queries(TEXTS) * theirs).sum(1).min()) >= 0.99999


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    found["model"]["vocab"]["zebra"] = 5000
    file.write_text(json.dumps(found), encoding="utf-8")
    assert "the tokenizer has a token 5000" in refused(folder).message


def test_a_tokenizer_that_transformers_reads_in_another_way_is_refused(folder: Path) -> None:
    change(folder / "sentence_bert_config.json", processing_kwargs={"text": {"add_special_tokens": False}})
    error = refused(folder)
    assert "read plain text differently" in error.message
    assert "save_pretrained" in (error.hint or "")


def test_a_file_that_changes_after_it_was_described_is_noticed(folder: Path) -> None:
    described = embedder(folder)
    assert described.identity
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Unavailable, match=r"model\.safetensors of mine is damaged or another"):
        described.embed_queries(TEXTS)
    assert embedder(folder).identity != described.identity
