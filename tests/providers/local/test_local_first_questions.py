"""Which questions NumPy embeds, and that nothing which guards the vectors is left out for it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from providers.local.small_models import SENTENCE_MODELS, write_model

from ragctl.errors import Unavailable, UsageError
from ragctl.providers.local import first_questions, numpy_forward
from ragctl.providers.local.batches import Batch
from ragctl.providers.local.encoder import LocalEmbedder
from ragctl.providers.local.first_questions import load_encoder
from ragctl.providers.local.model_files import CONFIG, TOKENIZER, WEIGHTS, ModelFiles
from ragctl.providers.local.tokenizer import LocalTokenizer

QUESTIONS = ["How deep is the lake?", "tea", "When does the ferry leave the pier?", "bread and sugar"]


@pytest.fixture
def small(tmp_path: Path) -> LocalEmbedder:
    write_model(tmp_path / "model", SENTENCE_MODELS["bert"])
    return LocalEmbedder("./model", base=tmp_path)


def is_compiled(embedder: LocalEmbedder) -> bool:
    return "latency" in embedder._compiled


def test_a_question_needs_no_openvino() -> None:
    code = (
        "import sys; from ragctl.providers.local.encoder import LocalEmbedder;"
        f"assert LocalEmbedder().embed_queries({QUESTIONS!r}).shape == (4, 384);"
        "assert not {'openvino', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_questions_or_long_ones_are_compiled_for(
    small: LocalEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.embed_queries(QUESTIONS)
    assert not is_compiled(small)
    small.embed_queries([*QUESTIONS, "oil"])
    assert is_compiled(small)
    other = LocalEmbedder("./model", base=tmp_path)
    monkeypatch.setattr(first_questions, "MOST_TOKENS", 10)
    other.embed_queries(["tea oil bread", "lake"])  # 5 tokens and 3, the special ones among them
    assert not is_compiled(other)
    other.embed_queries(["tea oil bread", "lake pier oil log"])
    assert is_compiled(other)


def test_the_compiled_model_takes_over(small: LocalEmbedder) -> None:
    small._first._left = 3
    vectors = []
    for number in range(5):
        vectors += list(small.embed_queries(QUESTIONS[:1]))
        assert is_compiled(small) == (number >= 3)
    assert small._first._encoder is None
    assert all(float(vectors[0] @ one) >= 0.99999 for one in vectors)


def test_no_question_loads_nothing(small: LocalEmbedder) -> None:
    assert small.embed_queries([]).shape == (0, 32)
    assert small._first._encoder is None


def test_threads_may_share_an_embedder(small: LocalEmbedder) -> None:
    expected = small.embed_queries(QUESTIONS)
    small._first._left = 8  # the compiled model takes over while they ask
    found: list[NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: found.append(small.embed_queries(QUESTIONS))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(float(np.min(np.sum(one * expected, axis=1))) >= 0.99999 for one in found)


@pytest.mark.parametrize("damage", ["one bit", "cut short"])
def test_damaged_weights_are_refused(
    damage: str, minilm: ModelFiles, tokenizer: LocalTokenizer, tmp_path: Path
) -> None:
    shutil.copy(minilm.path(CONFIG), tmp_path)
    weights = bytearray(minilm.path(WEIGHTS).read_bytes())
    weights[50_000_000] ^= 1
    (tmp_path / WEIGHTS).write_bytes(weights if damage == "one bit" else weights[:60_000_000])
    with pytest.raises(Unavailable, match=r"model\.safetensors of all-MiniLM-L6-v2 is damaged") as caught:
        load_encoder(ModelFiles(minilm.model, tmp_path), tokenizer)
    assert "--force-reinstall" in (caught.value.hint or "")


def test_vectors_unlike_the_reference_are_not_used(
    minilm: ModelFiles, tokenizer: LocalTokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    packaged = Path(first_questions.__file__).parent / str(minilm.model.reference)
    known = json.loads(packaged.read_text(encoding="utf-8"))
    known["texts"][1] += " Nobody minds."
    other = tmp_path / "reference.json"
    other.write_text(json.dumps(known), encoding="utf-8")
    files = ModelFiles(dataclasses.replace(minilm.model, reference=str(other)), minilm.folder)  # type: ignore[type-var]
    with caplog.at_level(logging.WARNING, "ragctl"):
        assert load_encoder(files, tokenizer) is None
    assert "NumPy computes wrong vectors" in caplog.text


def test_where_numpy_is_wrong_openvino_is_used(
    small: LocalEmbedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = small.embed_queries(QUESTIONS)

    def infer(self: object, batch: Batch) -> NDArray[np.float32]:
        return np.full((len(batch.lengths), 32), np.nan, np.float32)

    monkeypatch.setattr(numpy_forward.NumpyEncoder, "infer", infer)
    other = LocalEmbedder("./model", base=tmp_path)
    assert float(np.min(np.sum(other.embed_queries(QUESTIONS) * expected, axis=1))) >= 0.99999
    assert is_compiled(other)


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["bert"])
    other = write_model(tmp_path / "other", SENTENCE_MODELS["roberta"])
    shutil.copy(other / TOKENIZER, folder)
    with pytest.raises(UsageError, match="the tokenizer has a token"):
        LocalEmbedder("./model", base=tmp_path).embed_queries(["tea"])


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["bert"])
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps({**config, "num_hidden_layers": 3}), encoding="utf-8")
    with pytest.raises(UsageError, match=r"has no weights 'encoder\.layer\.2"):
        LocalEmbedder("./model", base=tmp_path).embed_queries(["tea"])


def test_what_is_prepared_is_used(small: LocalEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    plain = first_questions.load_encoder

    def load(files: ModelFiles, tokenizer: LocalTokenizer) -> numpy_forward.NumpyEncoder | None:
        loads.append(threading.current_thread().name)
        return plain(files, tokenizer)

    monkeypatch.setattr(first_questions, "load_encoder", load)
    small.prepare_questions()
    small.embed_queries(QUESTIONS)
    small.prepare_questions()
    small.embed_queries(QUESTIONS)
    assert len(loads) == 1
    assert not is_compiled(small)


def test_what_fails_while_it_is_prepared_is_said_at_the_question(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", SENTENCE_MODELS["bert"])
    embedder = LocalEmbedder("./model", base=tmp_path)
    assert embedder.identity
    (folder / WEIGHTS).write_bytes(b"no weights")
    embedder.prepare_questions()
    with pytest.raises(Unavailable, match=r"model\.safetensors of model is damaged"):
        embedder.embed_queries(["tea"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_asks_on() -> None:
    code = """
import os
from ragctl.providers.local.encoder import LocalEmbedder
embedder = LocalEmbedder()
before = embedder.embed_queries(["tea"])
child = os.fork()
if child == 0:
    same = float(embedder.embed_queries(["tea"])[0] @ before[0]) > 0.9999
    passages = sum(len(batch.positions) for batch in embedder.embed(["bread"]))
    os._exit(0 if same and passages == 1 else 1)
print(os.waitpid(child, 0)[1], embedder.embed_queries(["bread"]).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout == "0 (1, 384)\n"
