"""Scores of small random cross-encoders, beside CrossEncoder's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from providers.huggingface.random_models import CROSS_FAMILIES, write_bare, write_sentence_model
from providers.local.small_models import CROSS_MODELS, PASSAGES, QUESTION, write_model
from safetensors.torch import load_file, save_file

from ragctl.errors import DocumentError, OverlongInput, UsageError
from ragctl.providers.huggingface.reranker import HuggingFaceReranker
from ragctl.providers.local.reranker import LocalReranker

GOLDEN = Path(__file__).resolve().parents[1] / "local" / "golden" / "small_models.json"


@pytest.mark.parametrize("family", CROSS_FAMILIES)
def test_scores_are_those_of_sentence_transformers(family: str, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    folder = write_bare(tmp_path / "cross", family, "ForSequenceClassification", max_tokens=64)
    theirs = CrossEncoder(str(folder), device="cpu").predict([(QUESTION, one) for one in PASSAGES])
    reranker = HuggingFaceReranker("./cross", base=tmp_path)
    cut: list[int] = []
    scores = reranker.score(QUESTION, PASSAGES, on_truncated=cut.append)
    np.testing.assert_allclose(scores, theirs, atol=1e-5)
    assert cut == [len(PASSAGES) - 1]
    assert reranker.identity.startswith(f"huggingface/cross-{family}@")
    assert reranker.provenance["provider"] == "huggingface"
    many = [PASSAGES[number % 4][: 5 + 7 * number % 90] for number in range(60)]
    alone = [reranker.score(QUESTION, [one])[0] for one in many[:8]]
    np.testing.assert_allclose(reranker.score(QUESTION, many)[:8], alone, atol=1e-5)
    assert reranker.score(QUESTION, []) == []


@pytest.mark.parametrize("name", CROSS_MODELS)
def test_what_the_local_provider_reads_has_its_identity_and_its_scores(name: str, tmp_path: Path) -> None:
    write_model(tmp_path / "cross", CROSS_MODELS[name])
    ours, local = (kind("./cross", base=tmp_path) for kind in (HuggingFaceReranker, LocalReranker))
    assert (ours.identity, ours.max_tokens) == (local.identity, local.max_tokens)
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))["scores"][name]
    cut: list[int] = []
    np.testing.assert_allclose(ours.score(QUESTION, PASSAGES, on_truncated=cut.append), known, atol=1e-5)
    assert cut == [len(PASSAGES) - 1]


def test_16_bits_keep_the_order(tmp_path: Path) -> None:
    write_bare(tmp_path / "cross", "modernbert", "ForSequenceClassification")
    exact = HuggingFaceReranker("./cross", base=tmp_path).score(QUESTION, PASSAGES)
    coarse = HuggingFaceReranker("./cross", base=tmp_path, precision="bf16").score(QUESTION, PASSAGES)
    np.testing.assert_allclose(coarse, exact, atol=0.05)
    assert np.argsort(coarse).tolist() == np.argsort(exact).tolist()


def test_an_activation_that_the_model_names(tmp_path: Path) -> None:
    folder = write_bare(tmp_path / "cross", "mpnet", "ForSequenceClassification")
    scores = np.array(HuggingFaceReranker("./cross", base=tmp_path).score(QUESTION, PASSAGES))
    settings = folder / "config.json"
    config = json.loads(settings.read_text(encoding="utf-8"))
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    settings.write_text(json.dumps(config), encoding="utf-8")
    logits = np.array(HuggingFaceReranker("./cross", base=tmp_path).score(QUESTION, PASSAGES))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), scores, atol=1e-6)


def test_a_question_is_never_cut(tmp_path: Path) -> None:
    write_bare(tmp_path / "cross", "mpnet", "ForSequenceClassification")
    reranker = HuggingFaceReranker("./cross", base=tmp_path)
    with pytest.raises(OverlongInput, match="with a passage, the cross-encoder reads at most 160"):
        reranker.score("tea " * 150, ["a passage"])
    with pytest.raises(DocumentError, match="lone surrogate"):
        reranker.score("tea", ["\udfff"])


def test_what_is_no_cross_encoder_of_one_score(tmp_path: Path) -> None:
    write_sentence_model(tmp_path / "sentences", "mpnet")
    with pytest.raises(UsageError, match="no cross-encoder that can be run"):
        HuggingFaceReranker("./sentences", base=tmp_path)
    with pytest.raises(UsageError, match="is a sentence encoder"):
        HuggingFaceReranker("all-MiniLM-L6-v2")
    folder = write_bare(tmp_path / "cross", "mpnet", "ForSequenceClassification")
    settings = folder / "config.json"
    config = json.loads(settings.read_text(encoding="utf-8"))
    config["id2label"] = {"0": "no", "1": "yes"}
    settings.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UsageError, match="gives 2 numbers a pair"):
        HuggingFaceReranker("./cross", base=tmp_path)


def test_a_head_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    folder = write_bare(tmp_path / "cross", "mpnet", "ForSequenceClassification")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.out_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"has no weights 'classifier\.out_proj\.weight'"):
        HuggingFaceReranker("./cross", base=tmp_path).score(QUESTION, PASSAGES)


def test_it_is_described_without_torch(tmp_path: Path) -> None:
    write_bare(tmp_path / "cross", "mpnet", "ForSequenceClassification")
    code = (
        "import sys; from pathlib import Path\n"
        "from ragctl.providers.huggingface.reranker import HuggingFaceReranker\n"
        "assert HuggingFaceReranker('./cross', base=Path(sys.argv[1])).identity\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
