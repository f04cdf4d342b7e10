"""The stand-in of a model server answers well, and misbehaves as ordered."""

from __future__ import annotations

import base64
import http.client
import json
import struct
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from model_server import ChatReply, Fault, Kind, ModelServer


def post(url: str, body: dict[str, Any], timeout: float = 10, **headers: str) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def embed(server: ModelServer, *texts: str, **more: Any) -> dict[str, Any]:
    return post(f"{server.url}/v1/embeddings", {"model": "m", "input": list(texts), **more})


def refusal(server: ModelServer, *texts: str, **more: Any) -> urllib.error.HTTPError:
    with pytest.raises(urllib.error.HTTPError) as caught:
        embed(server, *(texts or ("a",)), **more)
    return caught.value


def test_vectors_are_of_the_text_and_of_length_one() -> None:
    with ModelServer(dimension=8) as server:
        one, two = (row["embedding"] for row in embed(server, "one", "two")["data"])
        packed = embed(server, "one", encoding_format="base64")["data"][0]["embedding"]
        short = embed(server, "one", dimensions=4)["data"][0]["embedding"]
    assert one == server.vector("one", model="m") != two
    assert sum(number * number for number in one) == pytest.approx(1)
    assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(one)
    assert short[0] / short[1] == pytest.approx(one[0] / one[1])
    assert server.texts_embedded == {"one": 3, "two": 1}


def test_cohere_embeds_by_input_type_and_ranks_by_words() -> None:
    with ModelServer() as server:
        made = [
            post(f"{server.url}/v2/embed", {"model": "embed-v4.0", "texts": ["a"], "input_type": kind})
            for kind in ("search_document", "search_query")
        ]
        ranked = post(
            f"{server.url}/v2/rerank",
            {"model": "r", "query": "red fish", "documents": ["no", "red fish", "fish"]},
        )
    document, question = (answer["embeddings"]["float"][0] for answer in made)
    assert len(document) == 1536
    assert document != question
    assert [(row["index"], row["relevance_score"]) for row in ranked["results"]] == [(1, 1), (2, 0.5), (0, 0)]


def test_chat_follows_its_script_whole_and_streamed() -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": "say it"}]}
    with ModelServer(replies=["first", ChatReply("two words", "content_filter")]) as server:
        url = f"{server.url}/v1/chat/completions"
        first = post(url, ask)
        streamed = json.dumps({**ask, "stream": True, "stream_options": {"include_usage": True}}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, streamed)) as answer:
            lines = [line[6:] for line in answer.read().decode().split("\n\n") if line]
    assert first["choices"][0]["message"]["content"] == "first"
    assert first["usage"] == {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    events = [json.loads(line) for line in lines[:-1]]
    assert lines[-1] == "[DONE]"
    said = [choice["delta"].get("content", "") for event in events for choice in event["choices"]]
    assert "".join(said) == "two words"
    assert events[-2]["choices"][0]["finish_reason"] == "content_filter"
    assert events[-1]["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota"),
        ("server_error", 500, None),
        ("overloaded", 503, None),
        ("bad_key", 401, "invalid_api_key"),
        ("unknown_model", 404, "model_not_found"),
        ("too_long", 400, "context_length_exceeded"),
    ],
)
def test_errors_to_order(kind: Kind, status: int, code: str | None) -> None:
    with ModelServer(faults=[kind]) as server:
        error = refusal(server)
        assert error.code == status
        assert json.load(error)["error"]["code"] == code
        assert "retry-after" not in error.headers
        assert embed(server, "a")["data"]
    assert server.texts_embedded == {"a": 1}
    assert [request.fault and request.fault.kind for request in server.requests] == [kind, None]


def test_errors_that_a_request_earns() -> None:
    with ModelServer(key="right", models=["m"], max_tokens=3) as server:
        assert refusal(server).code == 401
    with ModelServer(models=["m"], max_tokens=3) as server:
        assert refusal(server, model="other").code == 404
        assert refusal(server, "one two three four").code == 400
        assert refusal(server, "good", "please REJECT-ME").code == 400
        assert refusal(server, *["a"] * 2049).code == 400
        with pytest.raises(urllib.error.HTTPError, match="400"):
            body = {"model": "m", "texts": ["a"] * 97, "input_type": "search_query"}
            post(f"{server.url}/v2/embed", body)
    assert not server.texts_embedded


def test_retry_after_in_three_spellings() -> None:
    faults = [
        Fault("rate_limit", 0.25),
        Fault("overloaded", 0.25, "milliseconds"),
        Fault("rate_limit", 5, "date"),
    ]
    with ModelServer(faults=faults) as server:
        errors = [refusal(server) for _ in faults]
    assert errors[0].headers["retry-after"] == "0.25"
    assert errors[1].headers["retry-after-ms"] == "250"
    until = parsedate_to_datetime(errors[2].headers["retry-after"]).timestamp()
    assert 0 < until - time.time() <= 6.5


def test_broken_connections_and_bodies() -> None:
    with ModelServer(faults=["cut_before_headers", "cut_in_body", "invalid_json", "html"]) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            embed(server, "a")
        with pytest.raises(http.client.IncompleteRead):
            embed(server, "a")
        for _ in range(2):
            with pytest.raises(json.JSONDecodeError):
                embed(server, "a")
    assert not server.texts_embedded
    with ModelServer(faults=["other_json"]) as server:
        assert isinstance(embed(server, "a"), list)


def test_a_hanging_request_waits_until_the_client_goes() -> None:
    with ModelServer(faults=["hang"]) as server:
        with pytest.raises(TimeoutError):
            post(f"{server.url}/v1/embeddings", {"model": "m", "input": "a"}, timeout=0.3)
        assert embed(server, "b")["data"]
    assert server.texts_embedded == {"b": 1}


def test_a_drip_is_whole_and_slow() -> None:
    with ModelServer(faults=[Fault("drip", seconds=0.5)]) as server:
        started = time.monotonic()
        assert embed(server, "a")["data"]
        assert time.monotonic() - started >= 0.45
    assert server.texts_embedded == {"a": 1}


def test_wrong_vectors() -> None:
    kinds: list[Kind] = ["wrong_count", "wrong_dimension", "nan", "zero", "shuffled", "bad_index"]
    with ModelServer(faults=kinds, dimension=4) as server:
        count, dimension, nan, zero, shuffled, index = (embed(server, "a", "b")["data"] for _ in kinds)
    assert len(count) == 1
    assert [len(row["embedding"]) for row in dimension] == [3, 4]
    assert nan[0]["embedding"][0] != nan[0]["embedding"][0]
    assert not any(zero[0]["embedding"])
    assert [row["index"] for row in shuffled] == [1, 0]
    assert shuffled[0]["embedding"] == server.vector("b", model="m")
    assert [row["index"] for row in index] == [0, 0]
    assert server.texts_embedded == {"a": 1, "b": 1}, "only what was good counts as embedded"


def test_a_redirect_leads_to_another_host() -> None:
    with ModelServer() as other, ModelServer(faults=[Fault("redirect", to=other.url)]) as server:
        assert refusal(server).headers["location"] == f"{other.url}/v1/embeddings"


def test_shares_of_faults_are_drawn_with_a_seed() -> None:
    drawn = []
    for _ in range(2):
        with ModelServer(faults={"server_error": 0.3}, seed=4) as server:
            for _ in range(40):
                try:
                    embed(server, "a")
                except urllib.error.HTTPError as error:
                    error.close()
        drawn.append([request.fault is not None for request in server.requests])
    assert drawn[0] == drawn[1]
    assert 4 <= sum(drawn[0]) <= 20


def test_fifty_clients_at_once() -> None:
    with ModelServer(latency=0.3) as server, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: embed(server, f"text {number}"), range(50)))
        assert [row["data"][0]["embedding"] for row in answers] == [
            server.vector(f"text {number}", model="m") for number in range(50)
        ]
    assert len(server.texts_embedded) == 50
    assert server.most_at_once > 25


def test_mistakes_in_a_plan_are_told() -> None:
    with pytest.raises(ValueError, match="unknown fault 'slow'"):
        ModelServer(faults=["slow"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="more than 1"):
        ModelServer(faults={"nan": 0.6, "zero": 0.6})
