"""Cohere's embedder: the real SDK over real HTTP, against a stand-in of the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from model_server import Fault, Kind, ModelServer
from ragctl.errors import (
    KeyRejected,
    OverBudget,
    ProviderError,
    RejectedInputs,
    RejectedText,
    UnknownModel,
    UsageError,
    WrongVectors,
)
from ragctl.providers.cohere.embedder import CohereEmbedder
from ragctl.types import Price, Usage

KEY = "a-key-that-nobody-may-see"
V3 = "embed-english-v3.0"


def embedder(server: ModelServer, model: str = V3, **options: Any) -> CohereEmbedder:
    given: dict[str, Any] = {
        "api_key": KEY,
        "base_url": server.url,
        "timeout": 5.0,
        "sleep": lambda seconds: None,
    }
    return CohereEmbedder(model, **(given | options))


def embedded(model: CohereEmbedder, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Every text's vector; each position must come exactly once."""
    vectors = np.full((len(texts), model.dimension), np.nan, np.float32)
    for batch in model.embed(texts):
        assert np.isnan(vectors[list(batch.positions)]).all()
        vectors[list(batch.positions)] = batch.vectors
    return vectors


def expected(server: ModelServer, texts: list[str], **how: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    how = {"model": V3, "input_type": "search_document"} | how
    return np.array([server.vector(text, **how) for text in texts], np.float32)


def numbered(count: int) -> list[str]:
    return [f"text number {number}" for number in range(count)]


def test_passages_are_embedded_as_documents_and_questions_as_queries() -> None:
    with ModelServer() as server:
        model = embedder(server)
        np.testing.assert_allclose(embedded(model, ["a", "b"]), expected(server, ["a", "b"]), atol=1e-6)
        np.testing.assert_allclose(
            model.embed_queries(["a"]), expected(server, ["a"], input_type="search_query"), atol=1e-6
        )
    bodies = [request.body for request in server.requests]
    assert [body["input_type"] for body in bodies] == ["search_document", "search_query"]
    assert all(body["truncate"] == "NONE" for body in bodies), "nothing is cut in silence"
    assert all("output_dimension" not in body for body in bodies), "v3 takes none"
    assert {request.path for request in server.requests} == {"/v2/embed"}
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_request_holds_at_most_96_texts() -> None:
    texts = numbered(1000)
    with ModelServer() as server:
        np.testing.assert_allclose(embedded(embedder(server), texts), expected(server, texts), atol=1e-6)
    assert max(len(request.body["texts"]) for request in server.requests) == 96
    assert len(server.requests) == 11
    assert set(server.texts_embedded.values()) == {1}


def test_version_4_shortens_its_vectors_when_asked_to() -> None:
    with ModelServer() as server:
        for dimensions in (None, 256):
            model = embedder(server, "embed-v4.0", dimensions=dimensions)
            wanted = expected(server, ["a"], model="embed-v4.0", dimension=dimensions)
            np.testing.assert_allclose(embedded(model, ["a"]), wanted, atol=1e-6)
            assert model.dimension == wanted.shape[1] == (dimensions or 1536)
    assert [request.body.get("output_dimension") for request in server.requests] == [None, 256]


def test_vectors_are_of_unit_length_whatever_the_server_gives() -> None:
    with ModelServer(vector_length=7.0) as server:
        lengths = np.linalg.norm(embedded(embedder(server), ["a", "b"]), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_a_model_that_is_not_known_is_asked_for_its_dimension_once() -> None:
    with ModelServer(dimension=24) as server:
        model = embedder(server, "embed-v9")
        assert model.dimension == 24
        assert embedded(model, ["a"]).shape == (1, 24)
    assert len(server.requests) == 2


def test_identity_is_of_the_model_and_not_of_the_host() -> None:
    with ModelServer() as server:
        here = embedder(server, "embed-v4.0")
    there = CohereEmbedder("embed-v4.0", api_key=KEY)
    assert here.identity == there.identity
    assert here.identity != CohereEmbedder("embed-v4.0", api_key=KEY, dimensions=256).identity
    assert here.identity != CohereEmbedder("embed-v4.0", api_key=KEY, passage_prefix="x").identity
    assert there.endpoint == "api.cohere.com"
    assert here.endpoint == server.url.removeprefix("http://")
    assert there.provenance == {
        "provider": "cohere",
        "model": "embed-v4.0",
        "endpoint": "api.cohere.com",
        "tokens": "bytes",
        "dimension": 1536,
    }
    assert not server.requests, "nothing of it asks a server"


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CO_API_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("CO_API_KEY", "a-key-of-the-environment")
    with ModelServer() as server:
        embedded(embedder(server, api_key=None), ["a"])
    assert "authorization" not in server.requests[0].headers


PASSING: list[Kind] = [
    "rate_limit",
    "server_error",
    "overloaded",
    "hang",
    "cut_before_headers",
    "cut_in_body",
    "invalid_json",
    "html",
    "other_json",
    "wrong_count",
    "wrong_dimension",
    "nan",
    "zero",
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_loses_no_work(kind: Kind) -> None:
    texts = numbered(200)
    told: list[str] = []
    with ModelServer(faults=[kind, None, kind, kind]) as server:
        model = embedder(server, timeout=0.4 if kind == "hang" else 5.0, on_retry=told.append)
        np.testing.assert_allclose(embedded(model, texts), expected(server, texts), atol=1e-6)
    assert set(server.texts_embedded) == set(texts)
    assert model.usage.retries == len(told) == 3
    assert model.usage.requests == len(server.requests)
    assert all("cohere embed-english-v3.0 at 127.0.0.1" in sentence for sentence in told)


def test_a_slow_answer_is_waited_for_and_one_without_end_is_not() -> None:
    with ModelServer(faults=[Fault("drip", seconds=0.3), Fault("drip", seconds=60)]) as server:
        embedded(embedder(server, timeout=1.0, retries=0), ["a"])
        with pytest.raises(ProviderError, match="no answer in time"):
            embedded(embedder(server, timeout=0.5, retries=0), ["a"])


@pytest.mark.parametrize("retry_as", ["seconds", "milliseconds"])
def test_the_server_says_how_long_to_wait(retry_as: Any) -> None:
    pauses: list[float] = []
    with ModelServer(faults=[Fault("rate_limit", 17, retry_as)]) as server:
        embedded(embedder(server, sleep=pauses.append), ["a"])
    assert pauses == [17]


@pytest.mark.parametrize("kind", PASSING)
def test_what_does_not_pass_is_an_error_with_the_providers_name(kind: Kind) -> None:
    with ModelServer(faults=[kind] * 3) as server:
        model = embedder(server, retries=1, timeout=0.3 if kind == "hang" else 5.0)
        wrong = kind in ("wrong_count", "wrong_dimension", "nan", "zero")
        with pytest.raises(WrongVectors if wrong else ProviderError) as caught:
            embedded(model, ["a", "b"])
    assert "cohere embed-english-v3.0 at 127.0.0.1" in str(caught.value)
    assert "asked 2 times" in str(caught.value)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("bad_key", KeyRejected, "the key is not accepted"),
        ("unknown_model", UnknownModel, "there is no such model"),
        ("quota", ProviderError, "quota is used up"),
        ("redirect", ProviderError, "redirects are not followed"),
    ],
)
def test_what_is_hopeless_is_not_tried_again(kind: Kind, error: type[Exception], says: str) -> None:
    with (
        ModelServer() as other,
        ModelServer(faults=[Fault(kind, to=other.url)] * 20) as server,
        pytest.raises(error, match=says) as caught,
    ):
        embedded(embedder(server, max_in_flight=1), numbered(10))
    assert len(server.requests) == 1
    assert not other.requests, "text goes to no other host"
    assert KEY not in repr(caught.value) + json.dumps(caught.value.as_json())  # type: ignore[attr-defined]


def test_a_rejected_text_fails_alone() -> None:
    texts = numbered(300)
    texts[137] = "please REJECT-ME"
    vectors = np.full((300, 1024), np.nan, np.float32)
    with ModelServer() as server, pytest.raises(RejectedInputs) as caught:
        for batch in embedder(server).embed(texts):
            vectors[list(batch.positions)] = batch.vectors
    assert list(caught.value.refused) == [137]
    assert isinstance(caught.value.refused[137], RejectedText)
    missing = np.flatnonzero(np.isnan(vectors).any(axis=1))
    assert missing.tolist() == [137]
    assert set(server.texts_embedded.values()) == {1}, "nothing good is paid for twice"


def test_a_text_that_is_too_long_for_the_server_fails_alone() -> None:
    texts = ["short", "one two three four five", "brief"]
    with (
        ModelServer(max_tokens=4) as server,
        pytest.raises(RejectedInputs, match="longer than the model") as e,
    ):
        list(embedder(server).embed(texts))
    assert list(e.value.refused) == [1]
    assert set(server.texts_embedded) == {"short", "brief"}


def test_half_a_character_is_not_sent() -> None:
    with ModelServer() as server, pytest.raises(RejectedInputs, match="lone surrogate") as caught:
        list(embedder(server).embed(["good", "half \ud83d one"]))
    assert list(caught.value.refused) == [1]
    assert server.texts_embedded == {"good": 1}


class Budget:
    """Records what is reserved and settled; refuses what would pass `most` dollars."""

    def __init__(self, most: float) -> None:
        self.most, self.reserved, self.settled = most, [0.0], [Usage()]

    def reserve(self, most_usd: float) -> int:
        if sum(self.reserved) + most_usd > self.most:
            raise OverBudget("it would cost too much")
        self.reserved.append(most_usd)
        return len(self.reserved) - 1

    def settle(self, reservation: int, usage: Usage) -> None:
        self.reserved[reservation] = usage.cost_usd or 0.0
        self.settled.append(usage)


def test_usage_is_what_the_server_counts_and_a_budget_holds() -> None:
    price = Price(usd_per_million_tokens=1_000_000)
    with ModelServer(faults=["rate_limit"]) as server:
        budget = Budget(1000)
        model = embedder(server, price=price, spending=budget)
        embedded(model, ["one two three", "four"])
        assert (model.usage.tokens, model.usage.requests, model.usage.retries) == (4, 2, 1)
        assert model.usage.cost_usd == sum(budget.reserved) == 4
        assert model.usd_per_million_tokens == 1_000_000
        with pytest.raises(OverBudget):
            embedded(embedder(server, price=price, spending=Budget(3)), ["one two three", "four"])
    assert len(server.requests) == 2, "what would cost too much is not sent"


def test_as_many_requests_at_once_as_allowed() -> None:
    with ModelServer(latency=0.15) as server:
        embedded(embedder(server, max_in_flight=3), numbered(600))
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dimensions": 300}, "embed-v4.0 gives 1536, 1024, 512, 256 dimensions, not 300"),
        ({"max_in_flight": 0}, "max_in_flight must be at least 1"),
        ({"base_url": "ftp://there"}, "must begin with http"),
        ({"base_url": "http://user:secret@there"}, "must not hold a user"),
        ({"api_key": None}, "Cohere needs a key"),
        ({"api_key": "naïve"}, "characters that no key has"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(options: dict[str, Any], says: str) -> None:
    make: Callable[..., CohereEmbedder] = CohereEmbedder
    with pytest.raises(UsageError, match=says) as caught:
        make("embed-v4.0", **({"api_key": KEY} | options))
    assert "secret" not in str(caught.value)
