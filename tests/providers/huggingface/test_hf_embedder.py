"""Vectors of small random models through the real loading code, beside sentence-transformers' own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from providers.huggingface.random_models import SENTENCE_FAMILIES, write_sentence_model
from providers.local.small_models import SENTENCE_MODELS, TEXTS, WORDS, write_model

from ragctl.errors import DocumentError, OverlongInput, UsageError
from ragctl.providers.huggingface import embedder as embedder_module
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder
from ragctl.providers.local.encoder import LocalEmbedder

GOLDEN = Path(__file__).resolve().parents[1] / "local" / "golden"
Vectors = NDArray[np.float32]

PROMPTS = {"query": "query: ", "document": "passage: the "}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in SENTENCE_FAMILIES),
    ("modernbert", {"dense": True, "truncate_dim": 8}),
    ("mpnet", {"prompts": PROMPTS, "include_prompt": False}),
    ("qwen3", {"pooling": ("cls", "weightedmean")}),
    ("t5", {"shard": "20KB"}),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("models")
    write_sentence_model(base / "mpnet", "mpnet")
    write_sentence_model(base / "modernbert", "modernbert", prompts=PROMPTS)
    for name, small in SENTENCE_MODELS.items():
        write_model(base / f"bert-like-{name}", small)
    return base


@pytest.fixture(scope="module")
def mpnet(models: Path) -> HuggingFaceEmbedder:
    return HuggingFaceEmbedder("./mpnet", base=models)


def passages(embedder: HuggingFaceEmbedder | LocalEmbedder, texts: Sequence[str] = TEXTS) -> Vectors:
    vectors = np.full((len(texts), embedder.dimension), np.nan, np.float32)
    seen: list[int] = []
    for batch in embedder.embed(texts):
        assert batch.vectors.dtype == np.float32
        vectors[list(batch.positions)] = batch.vectors
        seen += batch.positions
    assert sorted(seen) == list(range(len(texts)))
    return vectors


def least_cosine(ours: Vectors, theirs: Any) -> float:
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    return float(np.min(np.sum(ours * np.array(theirs, np.float32), axis=1)))


def some_texts(number: int, *, longest: int = 40) -> list[str]:
    random = np.random.default_rng(number)
    return [" ".join(random.choice(WORDS, random.integers(3, longest))) for _ in range(number)]


@pytest.mark.parametrize(
    ("family", "settings"), VARIANTS, ids=[f"{family}-{'-'.join(settings)}" for family, settings in VARIANTS]
)
def test_vectors_are_those_of_sentence_transformers(
    family: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = write_sentence_model(tmp_path / "mine", family, **settings)
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    ours = HuggingFaceEmbedder("./mine", base=tmp_path)
    prompts = settings.get("prompts", {"query": "", "document": ""})
    for prompt, found in (
        (prompts["query"], ours.embed_queries(TEXTS)),
        (prompts["document"], passages(ours)),
    ):
        expected = theirs.encode(list(TEXTS), prompt=prompt, normalize_embeddings=True)
        assert found.shape == expected.shape
        assert least_cosine(found, expected) >= 0.99999
    assert ours.identity.startswith(f"huggingface/{family}-{ours.dimension}@")


@pytest.mark.parametrize("name", SENTENCE_MODELS)
def test_what_the_local_provider_reads_has_its_identity_and_its_vectors(name: str, models: Path) -> None:
    """A GPU may ingest what a machine without torch is asked."""
    ours = HuggingFaceEmbedder(f"./bert-like-{name}", base=models)
    local = LocalEmbedder(f"./bert-like-{name}", base=models)
    assert (ours.identity, ours.dimension, ours.max_tokens) == (
        local.identity,
        local.dimension,
        local.max_tokens,
    )
    assert ours.provenance == {**local.provenance, "provider": "huggingface"}
    assert ours.tokenizer.count(TEXTS) == local.tokenizer.count(TEXTS)
    stored = passages(ours)
    assert least_cosine(stored, passages(local)) >= 0.999
    known = json.loads((GOLDEN / "small_models.json").read_text(encoding="utf-8"))["vectors"][name]
    assert least_cosine(stored, known["passage"]) >= 0.99999
    texts = some_texts(40, longest=6)
    of_texts = passages(ours, texts)
    asked = LocalEmbedder(f"./bert-like-{name}", base=models, query_prefix=passage_prefix(local))
    hits = np.argmax(asked.embed_queries(texts) @ of_texts.T, axis=1)
    assert [texts[hit] for hit in hits] == texts


def passage_prefix(embedder: LocalEmbedder) -> str:
    return str(embedder.provenance["passage_prefix"])


def test_the_known_model_is_the_local_providers() -> None:
    ours, local = HuggingFaceEmbedder("all-MiniLM-L6-v2"), LocalEmbedder()
    assert (ours.identity, ours.dimension, ours.max_tokens, ours.languages) == (
        local.identity,
        384,
        256,
        {"english"},
    )
    known = json.loads((GOLDEN / "all-MiniLM-L6-v2.json").read_text(encoding="utf-8"))
    vectors = passages(ours, known["texts"])
    assert least_cosine(vectors, known["vectors"]) >= 0.99999
    assert least_cosine(vectors, local.embed_queries(known["texts"])) >= 0.9999


def test_an_identity_is_of_the_files_and_not_of_where_they_run(models: Path, tmp_path: Path) -> None:
    one = HuggingFaceEmbedder("./mpnet", base=models)
    write_sentence_model(tmp_path / "moved", "mpnet")
    other = HuggingFaceEmbedder("./moved", base=tmp_path, device="cpu", precision="bf16", batch_tokens=64)
    assert other.identity == one.identity
    assert least_cosine(passages(other), passages(one)) >= 0.999
    write_sentence_model(tmp_path / "trained", "mpnet", seed=4)
    for another in (
        HuggingFaceEmbedder("./trained", base=tmp_path),
        HuggingFaceEmbedder("./mpnet", base=models, query_prefix="query: "),
    ):
        assert another.identity != one.identity


def test_prefixes_are_the_models_own_or_the_users(models: Path) -> None:
    own = HuggingFaceEmbedder("./modernbert", base=models)
    assert (own.provenance["query_prefix"], own.provenance["passage_prefix"]) == ("query: ", "passage: the ")
    none = HuggingFaceEmbedder("./modernbert", base=models, query_prefix="", passage_prefix="")
    assert none.identity != own.identity
    assert none.tokenizer.count(["lake"])[0] < own.tokenizer.count(["lake"])[0]
    assert float(none.embed_queries(["query: lake"])[0] @ own.embed_queries(["lake"])[0]) >= 0.99999


def test_order_holds_across_windows_and_batches(
    models: Path, mpnet: HuggingFaceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = some_texts(70)
    whole = mpnet.embed_queries(texts)
    monkeypatch.setattr(embedder_module, "_WINDOW_INPUTS", 9)
    small = HuggingFaceEmbedder("./mpnet", base=models, batch_tokens=100)
    assert least_cosine(passages(small, texts), whole) >= 0.99999
    alone = np.concatenate([passages(mpnet, [text]) for text in texts[:10]])
    assert least_cosine(alone, whole[:10]) >= 0.99999


def test_nothing_in_nothing_out(mpnet: HuggingFaceEmbedder) -> None:
    assert list(mpnet.embed([])) == []
    assert mpnet.embed_queries([]).shape == (0, mpnet.dimension)
    assert (mpnet.endpoint, mpnet.usd_per_million_tokens, mpnet.usage.requests) == (None, 0.0, 0)


def test_the_longest_input_is_read_whole_and_a_longer_one_refused(mpnet: HuggingFaceEmbedder) -> None:
    longest, longer = "lake " * 62, "lake " * 63
    assert mpnet.tokenizer.count([longest, longer]) == [64, 65]
    full = passages(mpnet, [longest, "lake " * 61])
    assert float(full[0] @ full[1]) < 0.999999
    with pytest.raises(OverlongInput, match="input 1 has 65 tokens, mpnet reads at most 64"):
        list(mpnet.embed([longest, longer]))
    with pytest.raises(OverlongInput, match="input 0 has 65 tokens"):
        mpnet.embed_queries([longer])
    with pytest.raises(DocumentError, match="lone surrogate"):
        list(mpnet.embed(["fine", "\udfff"]))


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ragctl-")]


def test_closing_early_leaves_no_work_behind(models: Path) -> None:
    small = HuggingFaceEmbedder("./mpnet", base=models, batch_tokens=64)
    batches = small.embed(some_texts(400))
    next(batches)
    assert {"ragctl-embed", "ragctl-tokenize"} <= set(_threads())
    batches.close()  # type: ignore[attr-defined]
    assert not _threads()
    assert passages(small, ["lake"]).shape == (1, 32)


def test_threads_may_share_an_embedder(models: Path) -> None:
    texts = some_texts(60)
    shared = HuggingFaceEmbedder("./mpnet", base=models, batch_tokens=200)
    results: list[Vectors] = []
    threads = [threading.Thread(target=lambda: results.append(passages(shared, texts))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(least_cosine(found, shared.embed_queries(texts)) >= 0.99999 for found in results)


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "gpu"},
        {"precision": "int8"},
        {"batch_tokens": 0},
        {"model": "all-MiniLM-L6-v1"},
        {"revision": "main"},
        {"model": "./nothing"},
    ],
)
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        HuggingFaceEmbedder(**{"model": "all-MiniLM-L6-v2", **wrong})


def test_what_is_asked_before_the_model_is_needed_imports_no_torch(models: Path) -> None:
    code = """
import sys
from pathlib import Path
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder
embedder = HuggingFaceEmbedder("./mpnet", base=Path(sys.argv[1]))
assert embedder.dimension == 32 and embedder.identity and embedder.provenance and embedder.languages is None
assert embedder.tokenizer.count(["lake"]) == [3]
assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(models)], check=True)


QUIET = """
import os, sys
from pathlib import Path
seen = []
network = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, args: seen.append((event, args)) if event in network else None)
from ragctl.errors import Unavailable
from ragctl.providers.huggingface.embedder import HuggingFaceEmbedder
embedder = HuggingFaceEmbedder("./mpnet", base=Path(sys.argv[1]))
list(embedder.embed(["tea", "bread"] * 50))
embedder.embed_queries(["lake"])
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        refused = 0
        for asked in (embedder, HuggingFaceEmbedder("./mpnet", base=Path(sys.argv[1]))):
            try:
                asked.embed_queries(["bread"])
            except Unavailable as error:
                refused += "'spawn'" in error.hint
        counted = embedder.tokenizer.count(["tea", "bread"] * 50)
        os._exit(0 if refused == 2 and len(counted) == 100 else 3)
    if os.waitpid(child, 0)[1]:
        sys.exit("the child was not told that it cannot embed")
    embedder.embed_queries(["lake"])
import huggingface_hub
telemetry = not huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
sys.exit(f"network {seen}, telemetry {telemetry}" if seen or telemetry else 0)
"""


def test_no_telemetry_no_network_and_nothing_printed_also_across_a_fork(models: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TOKENIZERS"))}
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(models)],
        env={**kept, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
