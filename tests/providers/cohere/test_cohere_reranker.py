"""Cohere's reranker: the real SDK over real HTTP, against a stand-in of the server."""

from __future__ import annotations

from typing import Any

import pytest

from model_server import Fault, Kind, ModelServer
from ragctl.errors import (
    KeyRejected,
    MalformedDocument,
    OverlongInput,
    ProviderError,
    RejectedText,
    UnknownModel,
    UsageError,
    WrongVectors,
)
from ragctl.providers.cohere.reranker import CohereReranker, most_searches
from ragctl.types import Price

MODEL = "rerank-v3.5"
QUESTION = "where does the red fish swim"


def reranker(server: ModelServer, **options: Any) -> CohereReranker:
    given: dict[str, Any] = {
        "api_key": "a-secret-key",
        "base_url": server.url,
        "timeout": 5.0,
        "sleep": lambda _: None,
    }
    return CohereReranker(MODEL, **(given | options))


def test_scores_are_in_the_order_of_the_passages() -> None:
    passages = ["nothing here", "the red fish does swim", "a fish", "where the red fish swim"]
    with ModelServer() as server:
        model = reranker(server)
        scores = model.score(QUESTION, passages)
    assert scores == pytest.approx([0, 5 / 6, 1 / 6, 5 / 6], abs=1e-6)
    (request,) = server.requests
    assert request.path == "/v2/rerank"
    assert request.body == {
        "model": MODEL,
        "query": QUESTION,
        "documents": passages,
        "max_tokens_per_doc": 4096,
    }


def test_no_passages_are_no_request() -> None:
    with ModelServer() as server:
        assert reranker(server).score(QUESTION, []) == []
    assert not server.requests


def test_many_passages_go_in_requests_of_a_thousand() -> None:
    passages = [f"fish {number}" if number % 3 else "red fish" for number in range(2500)]
    with ModelServer() as server:
        scores = reranker(server).score("red fish", passages)
    assert sorted(len(request.body["documents"]) for request in server.requests) == [500, 1000, 1000]
    assert scores == [0.5 if number % 3 else 1.0 for number in range(2500)]


def test_what_the_server_cuts_is_reported() -> None:
    cut: list[int] = []
    passages = ["short", "x" * 4096, "y" * 4000]
    with ModelServer() as server:
        assert len(reranker(server).score(QUESTION, passages, on_truncated=cut.append)) == 3
    assert cut == [1]


def test_a_question_that_would_be_cut_is_refused() -> None:
    with ModelServer() as server, pytest.raises(OverlongInput, match="reads 2048 of it") as caught:
        reranker(server).score("why " * 600, ["a"])
    assert "tokenizer" in (caught.value.hint or "")
    assert not server.requests


def test_half_a_character_is_not_sent() -> None:
    with ModelServer() as server, pytest.raises(MalformedDocument, match="lone surrogate"):
        reranker(server).score(QUESTION, ["half \ud83d one"])
    assert not server.requests


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
    "nan",
    "bad_index",
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_asked_again_and_what_does_not_is_an_error(kind: Kind) -> None:
    with ModelServer(faults=[kind, None, kind, kind]) as server:
        model = reranker(server, timeout=0.4 if kind == "hang" else 5.0, retries=1)
        assert model.score("fish", ["a fish", "none"]) == [1, 0]
        assert (model.usage.requests, model.usage.retries) == (2, 1)
        with pytest.raises(
            WrongVectors if kind in ("wrong_count", "nan", "bad_index") else ProviderError
        ) as e:
            model.score("fish", ["a fish", "none"])
    assert f"cohere {MODEL} at 127.0.0.1" in str(e.value)


def test_the_order_of_the_results_does_not_matter() -> None:
    with ModelServer(faults=["shuffled"]) as server:
        assert reranker(server).score("fish", ["none", "a fish"]) == [0, 1]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("bad_key", KeyRejected), ("unknown_model", UnknownModel), ("redirect", ProviderError)],
)
def test_what_is_hopeless_is_not_tried_again(kind: Kind, error: type[Exception]) -> None:
    with (
        ModelServer() as other,
        ModelServer(faults=[Fault(kind, to=other.url)] * 5) as server,
        pytest.raises(error) as caught,
    ):
        reranker(server).score("fish", ["a fish"])
    assert len(server.requests) == 1
    assert not other.requests
    assert "a-secret-key" not in repr(caught.value)


def test_a_refused_passage_is_an_error_that_does_not_show_it() -> None:
    with ModelServer() as server, pytest.raises(RejectedText) as caught:
        reranker(server).score("fish", ["a passage of some length REJECT-ME"])
    assert "REJECT-ME" not in str(caught.value)


def test_it_is_paid_by_the_search() -> None:
    with ModelServer() as server:
        model = reranker(server, price=Price(None, usd_per_thousand_searches=2.0))
        model.score("fish", ["a fish"] * 10)
    assert model.usage.cost_usd == pytest.approx(0.002)
    assert model.usage.tokens == 0, "Cohere counts none here"


@pytest.mark.parametrize(
    ("question", "passages", "searches"),
    [
        (10, [100] * 100, 1),
        (10, [100] * 101, 2),
        (10, [490] * 100, 1),
        (10, [491] * 100, 2),
        (10, [100_000] * 10, 1),  # cut at 4,096 tokens: 9 documents each
        (10, [100_000] * 12, 2),
        (3, [], 1),
    ],
)
def test_the_most_searches_that_a_request_may_be_paid_as(
    question: int, passages: list[int], searches: int
) -> None:
    assert most_searches(question, passages, max_tokens=4096) == searches


def test_identity_and_provenance() -> None:
    with ModelServer() as server:
        here = reranker(server)
    there = CohereReranker(MODEL, api_key="k" * 20)
    assert here.identity == there.identity != CohereReranker(MODEL, api_key="k" * 20, max_tokens=512).identity
    assert there.endpoint == "api.cohere.com"
    assert there.provenance["provider"] == "cohere"
    assert there.max_tokens == 4096


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"max_in_flight": 0}, {"api_key": ""}])
def test_mistakes_are_told_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CohereReranker(MODEL, **({"api_key": "k" * 20} | options))
