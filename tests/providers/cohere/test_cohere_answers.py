"""Answers that the stand-in does not give: in other forms, and with statuses of Cohere's own."""

from __future__ import annotations

import math
from typing import Any

import httpx
import numpy as np
import pytest
from cohere import EmbedByTypeResponse, V2RerankResponse
from cohere.core.api_error import ApiError
from cohere.core.unchecked_base_model import construct_type

from ragctl.errors import WrongVectors
from ragctl.providers.cohere.faults import fault_of
from ragctl.providers.cohere.replies import embedding_answer, rerank_answer, rows_of, scores_of
from ragctl.providers.remote.caller import UnreadableReply
from ragctl.providers.remote.faults import Meaning, meaning_of


def embedded(reply: Any) -> EmbedByTypeResponse:
    """As the SDK makes it of a server's JSON."""
    made: EmbedByTypeResponse = construct_type(type_=EmbedByTypeResponse, object_=reply)
    return made


def ranked(reply: Any) -> V2RerankResponse:
    made: V2RerankResponse = construct_type(type_=V2RerankResponse, object_=reply)
    return made


def test_a_server_that_knows_numbers_only_is_understood() -> None:
    answer = embedding_answer(embedded({"embeddings": {"float": [[3.0, 4.0]]}}))
    assert rows_of(answer.value) == [[3.0, 4.0]]
    assert answer.tokens is None, "it does not say how many tokens it counted"


def test_base64_is_of_little_endian_numbers() -> None:
    packed = "AABAQAAAgEA="
    answer = embedding_answer(
        embedded({"embeddings": {"base64": [packed]}, "meta": {"billed_units": {"input_tokens": 7}}})
    )
    np.testing.assert_array_equal(rows_of(answer.value), [[3.0, 4.0]])
    assert answer.tokens == 7


@pytest.mark.parametrize(
    "reply", [{}, None, {"embeddings": None}, {"embeddings": {}}, {"embeddings": {"float": 3}}]
)
def test_an_answer_without_vectors_is_unreadable(reply: Any) -> None:
    with pytest.raises(UnreadableReply):
        embedding_answer(embedded(reply))


@pytest.mark.parametrize("row", ["not base64!", "AAAA", None, {"a": 1}])
def test_what_is_no_vector_is_wrong(row: Any) -> None:
    with pytest.raises(WrongVectors):
        rows_of([row])


@pytest.mark.parametrize("reply", [{}, None, {"results": None}, {"results": {"index": 0}}])
def test_an_answer_without_results_is_unreadable(reply: Any) -> None:
    with pytest.raises(UnreadableReply):
        rerank_answer(ranked(reply))


def test_searches_are_counted_as_they_are_charged() -> None:
    results = [{"index": 1, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.25}]
    answer = rerank_answer(ranked({"results": results, "meta": {"billed_units": {"search_units": 3}}}))
    assert scores_of(answer.value, 2) == [0.25, 0.5]
    assert (answer.searches, answer.tokens) == (3, 0)


@pytest.mark.parametrize(
    "results",
    [
        [(0, 0.5)],
        [(0, 0.5), (0, 0.5)],
        [(0, 0.5), (2, 0.5)],
        [(0, 0.5), (None, 0.5)],
        [(0, 0.5), (1, None)],
        [(0, 0.5), (1, math.nan)],
        [(0, 0.5), (1, "high")],
    ],
)
def test_scores_that_are_not_one_for_each_passage_are_wrong(results: list[tuple[object, object]]) -> None:
    with pytest.raises(WrongVectors):
        scores_of(results, 2)


@pytest.mark.parametrize(
    ("status", "message", "meaning"),
    [
        (401, "invalid api token", Meaning.KEY),
        (498, "invalid token", Meaning.KEY),
        (498, "blocked input: please adjust it", Meaning.TEXTS),
        (404, "model 'embed-v9' not found", Meaning.MODEL),
        (400, "invalid request: total number of texts must be at most 96 - received 104", Meaning.TOO_MUCH),
        (400, "too many tokens: size limit exceeded by 11326 tokens.", Meaning.OVERLONG),
        (422, "invalid request: something in it", Meaning.TEXTS),
        (429, "You are using a Trial key, which is limited to 10 API calls / minute.", Meaning.AGAIN),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", Meaning.QUOTA),
        (499, "request cancelled", Meaning.OTHER),
        (503, "overloaded", Meaning.AGAIN),
    ],
)
def test_what_cohere_means(status: int, message: str, meaning: Meaning) -> None:
    fault = fault_of(ApiError(status_code=status, headers={"Retry-After": "3"}, body={"message": message}))
    assert fault is not None
    assert meaning_of(fault) is meaning
    assert fault.message == message
    assert fault.retry_after == 3


def test_a_page_is_not_quoted() -> None:
    fault = fault_of(ApiError(status_code=502, body="<html>a page</html>"))
    assert fault is not None
    assert fault.message == "Bad Gateway"


@pytest.mark.parametrize(
    ("error", "maybe_done"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("late"), False),
        (httpx.ReadTimeout("late"), True),
        (httpx.RemoteProtocolError("gone"), True),
    ],
)
def test_what_may_have_to_be_paid_for(error: Exception, maybe_done: bool) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert fault.maybe_done is maybe_done
    assert meaning_of(fault) is Meaning.AGAIN


def test_other_exceptions_are_bugs() -> None:
    assert fault_of(KeyError("a bug")) is None
