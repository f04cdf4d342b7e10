"""Sentence encoders and cross-encoders of every family against sentence-transformers in float32.

The models are made here, from seeds; `make_reference.py` made the vectors and scores of the same models.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from providers.local.small_models import (
    CROSS_MODELS,
    PASSAGES,
    QUESTION,
    SENTENCE_MODELS,
    TEXTS,
    write_model,
)

from ragctl.errors import DocumentError, OverlongInput
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.reranker import LocalReranker

KNOWN = json.loads((Path(__file__).parent / "golden" / "small_models.json").read_text(encoding="utf-8"))
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("models")
    for name, small in SENTENCE_MODELS.items():
        write_model(base / f"sentence-{name}", small)
    for name, small in CROSS_MODELS.items():
        write_model(base / f"cross-{name}", small)
    return base


def passages(embedder: LocalEmbedder, texts: tuple[str, ...] = TEXTS) -> Vectors:
    vectors = np.full((len(texts), embedder.dimension), np.nan, np.float32)
    for batch in embedder.embed(texts):
        vectors[list(batch.positions)] = batch.vectors
    return vectors


def least_cosine(ours: Vectors, theirs: list[list[float]]) -> float:
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-4)
    return float(np.min(np.sum(ours * np.array(theirs, np.float32), axis=1)))


@pytest.mark.parametrize("name", SENTENCE_MODELS)
def test_vectors_are_those_of_sentence_transformers(name: str, models: Path) -> None:
    embedder = LocalEmbedder(f"./sentence-{name}", base=models)
    known = KNOWN["vectors"][name]
    assert least_cosine(embedder.embed_queries(TEXTS), known["query"]) >= 0.99999
    assert least_cosine(passages(embedder), known["passage"]) >= 0.999


@pytest.mark.parametrize("name", CROSS_MODELS)
def test_scores_are_those_of_sentence_transformers(
    name: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KNOWN["scores"][name]
    cut: list[int] = []
    scores = LocalReranker(f"./cross-{name}", base=models).score(QUESTION, PASSAGES, on_truncated=cut.append)
    np.testing.assert_allclose(scores, known, atol=0.03)
    assert cut == [len(PASSAGES) - 1]
    from ragctl.providers.local import compiled

    monkeypatch.setattr(compiled, "half_formats", lambda core: ())
    exact = LocalReranker(f"./cross-{name}", base=models)
    np.testing.assert_allclose(exact.score(QUESTION, PASSAGES), known, atol=2e-5)


@pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="sentence-transformers is not installed"
)
@pytest.mark.parametrize("name", SENTENCE_MODELS)
def test_vectors_are_those_of_the_sentence_transformers_that_is_installed(name: str, models: Path) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(models / f"sentence-{name}"), device="cpu")
    embedder = LocalEmbedder(f"./sentence-{name}", base=models, query_prefix="")
    expected = theirs.encode(list(TEXTS), prompt="", batch_size=1, normalize_embeddings=True)
    assert least_cosine(embedder.embed_queries(TEXTS), expected.tolist()) >= 0.99999


@pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="sentence-transformers is not installed"
)
@pytest.mark.parametrize("name", CROSS_MODELS)
def test_scores_are_those_of_the_sentence_transformers_that_is_installed(name: str, models: Path) -> None:
    from sentence_transformers import CrossEncoder

    expected = CrossEncoder(str(models / f"cross-{name}"), device="cpu").predict(
        [(QUESTION, one) for one in PASSAGES], batch_size=1
    )
    scores = LocalReranker(f"./cross-{name}", base=models).score(QUESTION, PASSAGES)
    np.testing.assert_allclose(scores, expected, atol=0.03)


def test_company_does_not_change_a_vector_of_a_model_that_numbers_positions_by_words(models: Path) -> None:
    embedder = LocalEmbedder("./sentence-roberta", base=models)
    together = embedder.embed_queries(TEXTS)
    alone = np.concatenate([embedder.embed_queries([text]) for text in TEXTS])
    assert float(np.min(np.sum(together * alone, axis=1))) >= 0.99999


def test_prefixes_are_the_models_own_or_the_users(models: Path) -> None:
    own = LocalEmbedder("./sentence-xlm-roberta", base=models)
    assert own.provenance["query_prefix"] == "query: "
    assert own.provenance["passage_prefix"] == "passage: "
    none = LocalEmbedder("./sentence-xlm-roberta", base=models, query_prefix="", passage_prefix="")
    assert none.identity != own.identity
    with_words = none.embed_queries(["passage: tea"])
    assert float(with_words[0] @ passages(own, ("tea",))[0]) >= 0.999
    assert float(with_words[0] @ passages(none, ("tea",))[0]) < 0.999


def test_a_prefix_counts(models: Path) -> None:
    own = LocalEmbedder("./sentence-xlm-roberta", base=models)
    none = LocalEmbedder("./sentence-xlm-roberta", base=models, passage_prefix="")
    [with_prefix], [without] = own.tokenizer.count(["tea"]), none.tokenizer.count(["tea"])
    assert with_prefix > without
    assert own.tokenizer.special_tokens - none.tokenizer.special_tokens >= with_prefix - without
    assert own.tokenizer.token_starts("tea lake").tolist() == none.tokenizer.token_starts("tea lake").tolist()


@pytest.mark.parametrize(
    ("name", "limit"),
    [("bert", 64), ("bert-bare", 162), ("roberta", 128), ("roberta-max", 160), ("distilbert", 64)],
)
def test_the_limit_is_the_models_own(name: str, limit: int, models: Path) -> None:
    embedder = LocalEmbedder(f"./sentence-{name}", base=models)
    assert embedder.max_tokens == limit
    words = " ".join(["the"] * limit)
    while embedder.tokenizer.count([words])[0] > limit:
        words = words[:-4]
    assert embedder.tokenizer.count([words]) == [limit]
    assert np.isfinite(passages(embedder, (words,))).all()
    with pytest.raises(OverlongInput, match=f"reads at most {limit}"):
        embedder.embed_queries([words + " the"])


def test_scores_keep_their_order_whatever_the_batches(models: Path) -> None:
    many = [PASSAGES[number % len(PASSAGES)][: 5 + 7 * number % 90] for number in range(60)]
    small = LocalReranker("./cross-bert", base=models, batch_tokens=64)
    alone = [small.score(QUESTION, [one])[0] for one in many]
    np.testing.assert_allclose(small.score(QUESTION, many), alone, atol=0.02)
    assert small.score(QUESTION, []) == []


def test_a_question_is_never_cut(models: Path) -> None:
    reranker = LocalReranker("./cross-bert", base=models)
    with pytest.raises(OverlongInput, match="with a passage, the cross-encoder reads at most 64"):
        reranker.score("tea " * 50, ["a passage"])
    with pytest.raises(DocumentError, match="lone surrogate"):
        reranker.score("tea", ["\udfff"])


def test_the_second_text_of_a_pair_is_told_from_the_first(models: Path) -> None:
    """Segments count for BERT: the same words otherwise divided give another score."""
    reranker = LocalReranker("./cross-bert", base=models)
    [one], [other] = reranker.score("lake", ["deep"]), reranker.score("deep", ["lake"])
    assert abs(one - other) > 1e-3
