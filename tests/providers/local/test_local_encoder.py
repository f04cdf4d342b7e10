from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragctl.errors import DocumentError, OverlongInput, UsageError
from ragctl.providers.local import encoder as encoder_module
from ragctl.providers.local.batches import Batch
from ragctl.providers.local.encoder import LocalEmbedder

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden" / "all-MiniLM-L6-v2.json"
WORDS = "tea bread lake ferry wind harbour lamp oil storm keeper".split()


def _vectors(embedder: LocalEmbedder, inputs: list[str]) -> NDArray[np.float32]:
    vectors = np.full((len(inputs), embedder.dimension), np.nan, np.float32)
    seen: list[int] = []
    for batch in embedder.embed(inputs):
        vectors[list(batch.positions)] = batch.vectors
        seen += batch.positions
    assert sorted(seen) == list(range(len(inputs)))
    return vectors


def _texts(number: int) -> list[str]:
    random = np.random.default_rng(number)
    return [" ".join(random.choice(WORDS, random.integers(1, 60))) for _ in range(number)]


def _embedding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ragctl-embed")]


def test_vectors_are_those_of_sentence_transformers(embedder: LocalEmbedder) -> None:
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))
    expected = np.array(known["vectors"], np.float32)
    for least, vectors in (
        (0.9999, _vectors(embedder, known["texts"])),
        (0.99999, embedder.embed_queries(known["texts"])),
    ):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert np.min(np.sum(vectors * expected, axis=1)) >= least


def test_company_does_not_change_a_vector(embedder: LocalEmbedder) -> None:
    texts = _texts(60)
    together = _vectors(embedder, texts)
    alone = np.concatenate([_vectors(embedder, [text]) for text in texts])
    asked = embedder.embed_queries(texts)
    assert np.min(np.sum(together * alone, axis=1)) >= 0.9999
    assert np.min(np.sum(asked * alone, axis=1)) >= 0.9999


def test_positions_hold_across_windows(embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = _texts(50)
    whole = _vectors(embedder, texts)
    monkeypatch.setattr(encoder_module, "_WINDOW_INPUTS", 7)
    assert np.min(np.sum(_vectors(embedder, texts) * whole, axis=1)) >= 0.9999


def test_nothing_in_nothing_out(embedder: LocalEmbedder) -> None:
    assert list(embedder.embed([])) == []
    assert embedder.embed_queries([]).shape == (0, 384)


def test_what_is_asked_before_anything_is_loaded() -> None:
    code = (
        "import sys; from ragctl.providers.local.encoder import LocalEmbedder; e = LocalEmbedder();"
        "assert (e.dimension, e.max_tokens) == (384, 256) and e.identity;"
        "assert not {'numpy', 'openvino', 'tokenizers', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_longest_input_is_read_whole_and_a_longer_one_refused(embedder: LocalEmbedder) -> None:
    longest, longer = "tea " * 254, "tea " * 255
    full = _vectors(embedder, [longest, "tea " * 253])
    assert float(full[0] @ full[1]) < 0.999999
    with pytest.raises(OverlongInput, match="input 1 has 257 tokens, all-MiniLM-L6-v2 reads at most 256"):
        list(embedder.embed([longest, longer]))
    with pytest.raises(OverlongInput, match="input 0 has 257 tokens"):
        embedder.embed_queries([longer])


def test_a_lone_surrogate_is_an_error_of_the_document(embedder: LocalEmbedder) -> None:
    with pytest.raises(DocumentError, match="lone surrogate"):
        list(embedder.embed(["fine", "\udfff"]))


def test_closing_early_leaves_no_work_behind(embedder: LocalEmbedder) -> None:
    batches = embedder.embed(_texts(300))
    next(batches)
    assert _embedding_threads()
    batches.close()  # type: ignore[attr-defined]
    assert not _embedding_threads()
    assert _vectors(embedder, ["tea"]).shape == (1, 384)


def test_an_error_while_the_model_runs_comes_out(
    embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = embedder._encoder("throughput")
    infer, calls = ready.infer, []

    def fail_later(batch: Batch) -> NDArray[np.float32]:
        calls.append(batch)
        if len(calls) > 3:
            raise MemoryError("no room")
        return infer(batch)

    monkeypatch.setattr(ready, "infer", fail_later)
    with pytest.raises(MemoryError, match="no room"):
        list(embedder.embed(_texts(400)))
    assert not _embedding_threads()


def test_threads_may_share_an_embedder(embedder: LocalEmbedder) -> None:
    texts = _texts(80)
    expected = _vectors(embedder, texts)
    results: list[NDArray[np.float32]] = []
    threads = [threading.Thread(target=lambda: results.append(_vectors(embedder, texts))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(np.min(np.sum(found * expected, axis=1)) >= 0.9999 for found in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_is_told_that_it_cannot_embed() -> None:
    code = """
import os
from ragctl.errors import Unavailable
from ragctl.providers.local.encoder import LocalEmbedder
embedder = LocalEmbedder()
list(embedder.embed(["tea"]))
child = os.fork()
if child == 0:
    for asked in (embedder, LocalEmbedder()):
        try:
            asked.embed_queries(["bread"])
        except Unavailable as error:
            print(error.hint, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], embedder.embed_queries(["bread"]).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0] == lines[1]
    assert "'spawn'" in lines[0]
    assert lines[2] == "0 (1, 384)"


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"batch_tokens": 0}, {"model": "all-MiniLM-L6-v1"}])
def test_wrong_arguments(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        LocalEmbedder(**wrong)  # type: ignore[arg-type]


def test_no_telemetry_no_network_no_torch_and_nothing_printed(tmp_path: Path) -> None:
    code = """
import os, sys
seen = []
network = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, args: seen.append(event) if event in network else None)
from ragctl.providers.local.encoder import LocalEmbedder
embedder = LocalEmbedder()
embedder.embed_queries(["tea"])
list(embedder.embed(["tea", "bread"]))
unwanted = {"torch", "transformers", "sentence_transformers", "openvino_telemetry", "openvino.tools.ovc"}
loaded = unwanted & set(sys.modules)
sys.exit(f"loaded {loaded}, network {seen}" if loaded or seen else 0)
"""
    # CI would switch the telemetry off by itself.
    kept = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a child cannot be sent Ctrl-C alone on Windows")
def test_an_interrupt_ends_it() -> None:
    code = """
from ragctl.providers.local.encoder import LocalEmbedder
for number, batch in enumerate(LocalEmbedder().embed(["tea and bread " * 60] * 20_000)):
    if number == 0:
        print("started", flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in errors


def test_the_golden_file_is_of_the_texts_in_its_script() -> None:
    sys.path.insert(0, str(HERE))
    try:
        import make_golden
    finally:
        sys.path.remove(str(HERE))
    for path, texts in (
        (make_golden.GOLDEN, make_golden.GOLDEN_TEXTS),
        (make_golden.REFERENCE, make_golden.REFERENCE_TEXTS),
    ):
        assert json.loads(path.read_text(encoding="utf-8"))["texts"] == texts
