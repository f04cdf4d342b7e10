"""The real SDK against a server on loopback that misbehaves to order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from model_server import Fault, Kind, ModelServer
from ragctl.errors import (
    DocumentError,
    KeyRejected,
    MalformedDocument,
    OverBudget,
    OverlongInput,
    ProviderError,
    RejectedInputs,
    RejectedText,
    UnknownModel,
    UsageError,
    WrongVectors,
)
from ragctl.providers.openai.embedder import OpenAIEmbedder
from ragctl.types import Price, Usage

KEY = "sk-test-0123456789abcdef"
SMALL = "text-embedding-3-small"


def embedder(server: ModelServer, model: str = "some-model", **settings: Any) -> OpenAIEmbedder:
    settings.setdefault("sleep", lambda seconds: None)
    return OpenAIEmbedder(model, api_key=KEY, base_url=f"{server.url}/v1", **settings)


def vectors_of(model: OpenAIEmbedder, texts: Sequence[str]) -> np.ndarray:
    """In order, each exactly once."""
    found: dict[int, np.ndarray] = {}
    for batch in model.embed(texts):
        assert not found.keys() & set(batch.positions)
        found.update(zip(batch.positions, batch.vectors, strict=True))
    return np.stack([found[position] for position in range(len(texts))])


def expected(
    server: ModelServer, texts: Sequence[str], model: str = "some-model", **settings: Any
) -> np.ndarray:
    return np.array([server.vector(text, model=model, **settings) for text in texts], np.float32)


def test_each_text_gets_its_vector_with_many_requests_in_flight() -> None:
    texts = [f"text number {number}" for number in range(1_000)]
    with ModelServer(latency=0.02) as server:
        model = embedder(server, max_in_flight=8)
        np.testing.assert_allclose(vectors_of(model, texts), expected(server, texts), atol=1e-6)
        assert 1 < server.most_at_once <= 8
        assert set(server.texts_embedded.values()) == {1}
        sent = [len(request.body["input"]) for request in server.requests[1:]]
        assert sent == [125] * 8
        assert model.usage.requests == 9 and model.usage.retries == 0  # one asked for the dimension
        assert model.usage.tokens == 3_000 + 1


def test_requests_are_filled_to_the_limit_of_inputs() -> None:
    with ModelServer(dimension=4) as server:
        list(embedder(server, max_in_flight=1).embed([f"{number}" for number in range(5_000)]))
        assert [len(request.body["input"]) for request in server.requests[1:]] == [2_048, 2_048, 904]


def test_requests_are_filled_to_the_limit_of_tokens() -> None:
    texts = [f"{number}" + " word" * 7_000 for number in range(90)]
    with ModelServer(dimension=4) as server:
        model = embedder(server, SMALL, max_in_flight=1, dimensions=4)
        list(model.embed(texts))
        counts = [sum(model.tokenizer.count(request.body["input"])) for request in server.requests]
        assert len(counts) == 3 and max(counts) <= 300_000 and min(counts[:2]) > 290_000


def test_no_input_is_counted_before_a_request_is_free_for_it() -> None:
    texts = [f"text {number}" for number in range(4_000)]
    with ModelServer(dimension=4) as server:
        model = embedder(server, SMALL, max_in_flight=2, dimensions=4)
        next(iter(batches := model.embed(texts)))
        batches.close()  # type: ignore[attr-defined]
        assert len(server.requests) <= 3


def test_questions_come_in_order_and_what_stands_before_texts_is_sent() -> None:
    with ModelServer() as server:
        model = embedder(server, query_prefix="query: ", passage_prefix="passage: ")
        questions = [f"question {number}" for number in range(100)]
        np.testing.assert_allclose(
            model.embed_queries(questions),
            expected(server, [f"query: {one}" for one in questions]),
            atol=1e-6,
        )
        vectors_of(model, ["a text"])
        assert server.requests[-1].body["input"] == ["passage: a text"]
        assert model.tokenizer.special_tokens == 3 + len("passage: ")
        assert model.embed_queries([]).shape == (0, 64)
        assert list(model.embed([])) == []


def test_vectors_are_made_of_unit_length() -> None:
    with ModelServer(vector_length=3.7) as server:
        norms = np.linalg.norm(vectors_of(embedder(server), ["a", "b"]), axis=1)
        np.testing.assert_allclose(norms, 1, rtol=1e-6)


@pytest.mark.parametrize(("own", "encoding"), [(True, "float"), (False, "base64")])
def test_numbers_are_asked_for_as_the_server_can_give_them(own: bool, encoding: str) -> None:
    with ModelServer() as server:
        model = embedder(server, SMALL)
        model._own_server = own  # what is OpenAI's own cannot be had on loopback
        np.testing.assert_allclose(vectors_of(model, ["a b"]), expected(server, ["a b"], SMALL), atol=1e-6)
        assert server.requests[0].body["encoding_format"] == encoding


def test_dimensions_are_sent_where_the_model_shortens() -> None:
    with ModelServer() as server:
        model = embedder(server, "text-embedding-3-large", dimensions=256)
        assert model.dimension == 256
        assert vectors_of(model, ["a"]).shape == (1, 256)
        assert server.requests[0].body["dimensions"] == 256
        plain = embedder(server, "text-embedding-ada-002", dimensions=1536)
        assert vectors_of(plain, ["a"]).shape == (1, 1536)
        assert "dimensions" not in server.requests[-1].body


def test_dimensions_that_a_server_refuses_must_be_the_models_own() -> None:
    with ModelServer() as server:
        model = embedder(server, "fixed-v3.0", dimensions=64)
        assert vectors_of(model, ["a", "b"]).shape == (2, 64)
        assert ["dimensions" in request.body for request in server.requests] == [True, False]
        vectors_of(model, ["c"])
        assert "dimensions" not in server.requests[-1].body
        with pytest.raises(UsageError, match=r"vectors of 64 numbers.*shorten them to 32"):
            vectors_of(embedder(server, "fixed-v3.0", dimensions=32), ["a"])


def test_the_dimension_of_an_unknown_model_is_asked_for_once() -> None:
    with ModelServer(dimension=48) as server:
        model = embedder(server)
        assert (model.dimension, model.dimension) == (48, 48)
        assert len(server.requests) == 1
        assert embedder(server, SMALL).dimension == 1536 and len(server.requests) == 1


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("", {}),
        (SMALL, {"dimensions": 1537}),
        (SMALL, {"dimensions": 0}),
        ("text-embedding-ada-002", {"dimensions": 256}),
        (SMALL, {"max_in_flight": 0}),
        (SMALL, {"base_url": "ftp://x"}),
        (SMALL, {"api_key": None}),
        (SMALL, {"api_key": "sk-\nx"}),
        (SMALL, {"api_key": "schlüssel"}),
    ],
)
def test_wrong_settings_are_refused_at_once(model: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIEmbedder(model, **{"api_key": KEY, **settings})
    assert "schlüssel" not in str(caught.value)


FAULTS: list[Kind] = [
    "rate_limit",
    "server_error",
    "overloaded",
    "cut_before_headers",
    "cut_in_body",
    "invalid_json",
    "html",
    "wrong_count",
    "wrong_dimension",
    "nan",
    "zero",
    "bad_index",
]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_passing_fault_loses_no_text_and_keeps_the_order(kind: Kind) -> None:
    texts = [f"text number {number}" for number in range(640)]
    with ModelServer(faults=[kind, None, kind, kind]) as server:
        model = embedder(server, max_in_flight=4, dimensions=64)
        np.testing.assert_allclose(vectors_of(model, texts), expected(server, texts), atol=1e-6)
        assert set(server.texts_embedded.values()) == {1}
        assert (model.usage.requests, model.usage.retries) == (7, 3)
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)


def test_an_order_of_the_servers_own_is_put_right() -> None:
    texts = [f"text number {number}" for number in range(100)]
    with ModelServer(faults=[None, "shuffled", "shuffled"]) as server:
        np.testing.assert_allclose(vectors_of(embedder(server), texts), expected(server, texts), atol=1e-6)


@pytest.mark.parametrize("kind", ["hang", Fault("drip", seconds=20)])
def test_an_answer_has_a_time_limit_as_a_whole(kind: Kind | Fault) -> None:
    with ModelServer(faults=[kind]) as server:
        model = embedder(server, timeout=0.6, dimensions=64, price=Price(1e6))
        vectors_of(model, ["a b c"])
        assert model.usage.retries == 1
        # The first may have been done: the most that it can cost is taken for spent.
        counted = model.tokenizer.count(["a b c"])[0]
        assert model.usage.cost_usd == pytest.approx(counted + 3)


def test_a_server_that_is_not_there_is_named() -> None:
    with ModelServer() as server:
        gone = server.url
    notes: list[str] = []
    model = OpenAIEmbedder(
        "m",
        api_key=KEY,
        base_url=f"{gone}/v1",
        retries=2,
        dimensions=4,
        sleep=lambda s: None,
        on_retry=notes.append,
    )
    with pytest.raises(
        ProviderError, match=r"openai m at 127\.0\.0\.1:\d+: the connection failed.*asked 3 times"
    ):
        list(model.embed(["a"]))
    assert len(notes) == 2 and model.usage.cost_usd == 0  # nothing got there


@pytest.mark.parametrize(("form", "seconds"), [("seconds", 7.0), ("milliseconds", 1.25), ("date", 30.0)])
def test_the_server_is_waited_for_as_it_asks(form: Any, seconds: float) -> None:
    slept: list[float] = []
    with ModelServer(faults=[Fault("rate_limit", retry_after=seconds, retry_after_as=form)]) as server:
        vectors_of(embedder(server, sleep=slept.append, dimensions=64), ["a"])
    assert len(slept) == 1 and seconds - 2 < slept[0] <= seconds + 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("bad_key", KeyRejected),
        ("unknown_model", UnknownModel),
        ("quota", ProviderError),
        ("redirect", ProviderError),
    ],
)
def test_what_does_not_pass_is_asked_once_and_told_apart(kind: Kind, error: type[Exception]) -> None:
    with ModelServer(faults=[kind] * 9) as server:
        model = embedder(server, dimensions=64)
        with pytest.raises(error) as caught:
            list(model.embed(["a confidential text about the merger"]))
        assert len(server.requests) == 1
    shown = f"{caught.value} {caught.value.__cause__} {getattr(caught.value, 'hint', '')}"
    assert KEY not in shown and "merger" not in shown
    assert caught.value.__suppress_context__


def test_a_redirect_is_not_followed() -> None:
    with ModelServer() as elsewhere, ModelServer(faults=[Fault("redirect", to=elsewhere.url)]) as server:
        with pytest.raises(ProviderError, match="redirects are not followed"):
            list(embedder(server, dimensions=64).embed(["a"]))
        assert not elsewhere.requests


@pytest.mark.parametrize("kind", ["wrong_count", "wrong_dimension", "nan", "zero", "bad_index"])
def test_a_lasting_wrong_answer_is_an_error_with_names(kind: Kind) -> None:
    with ModelServer(faults={kind: 1.0}) as server:
        model = embedder(server, dimensions=64, retries=2)
        with pytest.raises(WrongVectors, match=r"openai some-model at .*asked 3 times"):
            list(model.embed(["a", "b"]))


def test_bad_texts_fail_alone_by_position_and_all_others_come() -> None:
    texts = [f"text number {number}" for number in range(500)]
    for bad in (3, 4, 250, 499):
        texts[bad] = f"REJECT-ME {bad} and never show it"
    texts[77] = "half a \ud83d character"
    with ModelServer() as server:
        model = embedder(server)
        found: set[int] = set()
        with pytest.raises(RejectedInputs) as caught:
            for batch in model.embed(texts):
                np.testing.assert_allclose(
                    batch.vectors, expected(server, [texts[at] for at in batch.positions]), atol=1e-6
                )
                found.update(batch.positions)
        refused = caught.value.refused
        assert {at: type(error) for at, error in refused.items()} == {
            3: RejectedText,
            4: RejectedText,
            250: RejectedText,
            499: RejectedText,
            77: MalformedDocument,
        }
        assert found == set(range(500)) - refused.keys()
        assert set(server.texts_embedded.values()) == {1}
        assert "never show it" not in f"{caught.value}{[str(error) for error in refused.values()]}"


def test_a_question_that_is_refused_is_the_error_itself() -> None:
    with ModelServer() as server, pytest.raises(RejectedText):
        embedder(server).embed_queries(["fine", "REJECT-ME"])


def test_too_long_a_text_is_not_sent_where_tokens_are_counted_exactly() -> None:
    with ModelServer() as server:
        model = embedder(server, SMALL)
        assert model.max_tokens == 8_192
        with pytest.raises(OverlongInput, match=r"9000 tokens.*at most 8192"):
            model.embed_queries([" word" * 9_000])
        assert not server.requests
        assert embedder(server, SMALL, max_tokens=10).max_tokens == 10


def test_too_long_a_text_is_told_apart_by_the_servers_words() -> None:
    with ModelServer(max_tokens=50) as server:
        texts = ["short"] * 40 + ["word " * 60] + ["short too"] * 40
        with pytest.raises(RejectedInputs) as caught:
            list(embedder(server).embed(texts))
        assert {at: type(error) for at, error in caught.value.refused.items()} == {40: OverlongInput}


def test_a_server_that_refuses_every_text_is_not_asked_for_each() -> None:
    with ModelServer(rejects="text") as server:
        with pytest.raises(ProviderError, match="every text so far was refused"):
            list(embedder(server, dimensions=64).embed([f"text {number}" for number in range(2_000)]))
        assert len(server.requests) < 100


def test_what_was_answered_before_a_failure_comes_first() -> None:
    texts = [f"text {number}" for number in range(320)]
    with ModelServer(faults=[None, *["bad_key"] * 20]) as server:
        found: list[int] = []
        with pytest.raises(KeyRejected):
            for batch in embedder(server, max_in_flight=2, dimensions=64).embed(texts[:320]):
                found += batch.positions
        assert sum(server.texts_embedded.values()) == len(found)


class Budget:
    """Spending in memory, safe for threads."""

    def __init__(self, limit: float) -> None:
        self.limit, self.open, self.spent, self.most = limit, {}, 0.0, 0.0
        self._lock = threading.Lock()
        self._next = 0

    open: dict[int, float]

    def reserve(self, most_usd: float) -> int:
        with self._lock:
            if self.spent + sum(self.open.values()) + most_usd > self.limit + 1e-12:
                raise OverBudget("it would cost more than it may")
            self._next += 1
            self.open[self._next] = most_usd
            return self._next

    def settle(self, reservation: int, usage: Usage) -> None:
        with self._lock:
            del self.open[reservation]
            assert usage.cost_usd is not None
            self.spent += usage.cost_usd


def test_a_budget_is_kept_through_faults_and_what_was_paid_for_comes() -> None:
    texts = [f"text {number}" for number in range(3_200)]
    with ModelServer(faults={"rate_limit": 0.2, "html": 0.1}, dimension=4) as server:
        tokens = sum(embedder(server, SMALL).tokenizer.count(texts))
        budget = Budget(tokens / 2)
        model = embedder(
            server, SMALL, price=Price(1e6), spending=budget, dimensions=4, max_in_flight=4, retries=20
        )
        found: list[int] = []
        with pytest.raises(OverBudget):
            for batch in model.embed(texts[:1600] + texts[1600:]):
                found += batch.positions
        assert not budget.open and budget.spent <= budget.limit
        assert model.usage.cost_usd == pytest.approx(budget.spent)
        assert len(found) == sum(server.texts_embedded.values())


def test_every_request_is_throttled_by_its_tokens() -> None:
    class Gate:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def acquire(self, *, tokens: int) -> float:
            self.asked.append(tokens)
            return 0.0

    gate = Gate()
    with ModelServer(faults=["rate_limit"]) as server:
        model = embedder(server, SMALL, throttle=gate, dimensions=4, max_in_flight=1)
        texts = [f"text {number}" for number in range(40)]
        list(model.embed(texts))
    assert gate.asked == [sum(model.tokenizer.count(texts))] * 2


def test_what_it_says_of_itself_holds_no_key_and_no_place() -> None:
    mine = OpenAIEmbedder(SMALL, api_key=KEY)
    assert mine.endpoint == "api.openai.com"
    assert mine.identity == "openai:text-embedding-3-small dimensions=1536 v1"
    assert OpenAIEmbedder(SMALL, api_key="sk-other", dimensions=1536).identity == mine.identity
    assert mine.provenance == {
        "provider": "openai",
        "model": SMALL,
        "endpoint": "api.openai.com",
        "tokens": "cl100k_base",
        "dimension": 1536,
    }
    assert mine.languages is None and mine.usage == Usage() and mine.usd_per_million_tokens is None
    assert OpenAIEmbedder(SMALL, api_key=KEY, price=Price(0.02)).usd_per_million_tokens == 0.02
    others = [
        OpenAIEmbedder(SMALL, api_key=KEY, dimensions=256),
        OpenAIEmbedder("text-embedding-3-large", api_key=KEY),
        OpenAIEmbedder(SMALL, api_key=KEY, base_url="http://gpu:8000/v1"),
        OpenAIEmbedder(SMALL, api_key=KEY, base_url="http://gpu2:8000/v1"),
        OpenAIEmbedder(SMALL, api_key=KEY, query_prefix="q: "),
        OpenAIEmbedder(SMALL, api_key=KEY, passage_prefix="q: "),
    ]
    assert len({one.identity for one in [mine, *others]}) == 7
    assert all(KEY not in f"{one.identity}{one.provenance}{one!r}" for one in [mine, *others])


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_ten_thousand_texts_through_all_faults_at_once(share: float) -> None:
    kinds: list[Kind] = [*FAULTS, "shuffled"]
    texts = [f"text number {number}" for number in range(10_000)]
    with ModelServer(faults=dict.fromkeys(kinds, share / len(kinds)), dimension=8, seed=4) as server:
        model = embedder(server, dimensions=8, retries=30)
        # In windows, as the embed stage asks.
        for first in range(0, len(texts), 512):
            window = texts[first : first + 512]
            np.testing.assert_allclose(
                vectors_of(model, window), expected(server, window, dimension=8), atol=1e-6
            )
        assert Counter(server.texts_embedded.values()) == {1: 10_000}
        # 19 windows of 8 requests, and the last, of 272 texts, of 8 too.
        assert model.usage.retries == len(server.requests) - 20 * 8
        assert model.usage.retries > 0
        assert issubclass(RejectedInputs, DocumentError)
