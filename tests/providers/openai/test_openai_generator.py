"""Chat by the real SDK against servers on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from providers.openai.loopback import Reply as HttpReply
from providers.openai.loopback import as_json, listening, refusal

from model_server import ChatReply, Fault, Kind, ModelServer
from ragctl.errors import (
    KeyRejected,
    MalformedDocument,
    OverBudget,
    OverlongInput,
    ProviderError,
    UnknownModel,
    UsageError,
)
from ragctl.providers.openai.generator import OpenAIGenerator
from ragctl.types import Message, Price, Usage

KEY = "sk-test-0123456789abcdef"
ASKED = [Message("system", "Be brief."), Message("user", "What is it?")]


def generator(url: str, model: str = "gpt-4o-mini", **settings: Any) -> OpenAIGenerator:
    settings.setdefault("sleep", lambda seconds: None)
    return OpenAIGenerator(model, api_key=KEY, base_url=url, **settings)


def said(text: str | None, finish: str | None = "stop", **message: Any) -> HttpReply:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish,
    }
    return as_json({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})


def test_a_reply_and_what_it_came_to() -> None:
    with ModelServer(replies=["It is a test."]) as server:
        model = generator(f"{server.url}/v1", price=Price(1e6, 1e7), temperature=0.3)
        reply = model.generate(ASKED, max_tokens=50)
        assert (reply.text, reply.finish) == ("It is a test.", "stop")
        assert (reply.usage.tokens, reply.usage.output_tokens, reply.usage.requests) == (5, 4, 1)
        assert reply.usage.cost_usd == pytest.approx(5 + 40)
        assert model.usage == reply.usage
        body = server.requests[0].body
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is it?"},
        ]
        assert (body["temperature"], body["max_tokens"]) == (0.3, 50)
        assert "stream" not in body and "response_format" not in body


def test_pieces_are_shown_as_they_come_and_usage_is_known() -> None:
    pieces: list[str] = []
    with ModelServer(replies=["It is a longer test, in pieces."]) as server:
        reply = generator(f"{server.url}/v1").generate(ASKED, on_text=pieces.append)
        assert server.requests[0].body["stream_options"] == {"include_usage": True}
    assert len(pieces) == 7 and "".join(pieces) == reply.text == "It is a longer test, in pieces."
    assert (reply.finish, reply.usage.tokens, reply.usage.output_tokens) == ("stop", 5, 7)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("finish", "meant"), [("stop", "stop"), ("length", "length"), ("content_filter", "filtered")]
)
def test_why_a_reply_ended(finish: Any, meant: str, streamed: bool) -> None:
    with ModelServer(replies=[ChatReply("Some words", finish)]) as server:
        on_text = (lambda piece: None) if streamed else None
        assert generator(f"{server.url}/v1").generate(ASKED, on_text=on_text).finish == meant


def test_a_reply_that_reaches_its_limit_says_so() -> None:
    with ModelServer(replies=["one two three four"]) as server:
        reply = generator(f"{server.url}/v1").generate(ASKED, max_tokens=2)
    assert (reply.text, reply.finish) == ("one two", "length")


@pytest.mark.parametrize(
    ("answer", "text", "finish"),
    [
        (said(None, "stop", refusal="I cannot."), "I cannot.", "filtered"),
        (said(None, "tool_calls"), "", "other"),
        (said("Some", None), "Some", "other"),
    ],
)
def test_other_ends(answer: HttpReply, text: str, finish: str) -> None:
    with listening(lambda body: answer) as server:
        reply = generator(server.url).generate(ASKED)
    assert (reply.text, reply.finish) == (text, finish)


def test_json_is_asked_for_and_the_word_is_in_a_message() -> None:
    with ModelServer(replies=['{"a": 1}', '{"a": 2}']) as server:
        model = generator(f"{server.url}/v1")
        assert json.loads(model.generate(ASKED, as_json=True).text) == {"a": 1}
        assert server.requests[0].body["response_format"] == {"type": "json_object"}
        assert server.requests[0].body["messages"][0] == {
            "role": "system",
            "content": "Answer with a JSON object.",
        }
        own = [Message("user", "As Json, please")]
        model.generate(own, as_json=True)
        assert len(server.requests[1].body["messages"]) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_parameters_that_a_model_refuses_are_left_out_from_then_on(streamed: bool) -> None:
    def reasoning(body: dict[str, Any]) -> HttpReply:
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."  # noqa: E501
            return refusal(400, message, code="unsupported_parameter", param="max_tokens")
        if "temperature" in body:
            message = "Unsupported value: 'temperature' does not support 0.0 with this model."
            return refusal(400, message, code="unsupported_value", param="temperature")
        if not body.get("stream"):
            return said("Thought about.")
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        lines = [
            {
                **chunk,
                "choices": [{"index": 0, "delta": {"content": "Thought about."}, "finish_reason": "stop"}],
            }
        ]
        stream = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"
        return 200, {"content-type": "text/event-stream"}, stream.encode("utf-8")

    on_text = (lambda piece: None) if streamed else None
    with listening(reasoning) as server:
        model = generator(server.url, "o3-mini", retries=0)
        assert model.generate(ASKED, max_tokens=9, on_text=on_text).text == "Thought about."
        assert len(server.requests) == 3
        reply = model.generate(ASKED, max_tokens=9, on_text=on_text)
        assert len(server.requests) == 4
        assert server.requests[-1][2]["max_completion_tokens"] == 9
        # The server does not say, so both are counted here.
        assert reply.usage.output_tokens == model.count(["Thought about."])[0]
        assert reply.usage.tokens >= sum(model.count(["Be brief.", "What is it?"]))


PASSING: list[Kind] = [
    "rate_limit",
    "server_error",
    "overloaded",
    "cut_before_headers",
    "cut_in_body",
    "html",
]


@pytest.mark.parametrize("kind", [*PASSING, "invalid_json"])
def test_a_passing_fault_is_asked_again(kind: Kind) -> None:
    with ModelServer(faults=[kind]) as server:
        reply = generator(f"{server.url}/v1").generate(ASKED)
        assert reply.text == "What is it?"
        assert (reply.usage.requests, reply.usage.retries) == (2, 1)


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "cut_before_headers", "html"])
def test_a_fault_before_the_first_piece_is_asked_again(kind: Kind) -> None:
    pieces: list[str] = []
    with ModelServer(faults=[kind], replies=["It is a test."] * 2) as server:
        reply = generator(f"{server.url}/v1").generate(ASKED, on_text=pieces.append)
    assert "".join(pieces) == reply.text == "It is a test."
    assert reply.usage.retries == 1


@pytest.mark.parametrize("kind", ["cut_in_body", "stream_error"])
def test_a_reply_that_breaks_off_is_not_shown_twice(kind: Kind) -> None:
    pieces: list[str] = []
    spent = Recorded()
    with ModelServer(faults=[kind], replies=["It is a rather long test of it."] * 2) as server:
        model = generator(f"{server.url}/v1", price=Price(1.0, 1.0), spending=spent)
        with pytest.raises(ProviderError, match="broke off after") as caught:
            model.generate(ASKED, on_text=pieces.append)
        assert len(server.requests) == 1
    assert pieces and str(caught.value).startswith("openai gpt-4o-mini at 127.0.0.1")
    assert spent.settled == spent.reserved  # what it came to is not known


def test_an_error_of_the_one_who_shows_is_his_own() -> None:
    def closed(piece: str) -> None:
        raise BrokenPipeError("the terminal is gone")

    with ModelServer() as server, pytest.raises(BrokenPipeError):
        generator(f"{server.url}/v1").generate(ASKED, on_text=closed)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("bad_key", KeyRejected),
        ("unknown_model", UnknownModel),
        ("quota", ProviderError),
        ("redirect", ProviderError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_does_not_pass_is_told_apart(kind: Kind, error: type[Exception], streamed: bool) -> None:
    on_text = (lambda piece: None) if streamed else None
    with ModelServer(faults=[kind] * 5) as server:
        with pytest.raises(error) as caught:
            generator(f"{server.url}/v1").generate(ASKED, on_text=on_text)
        assert len(server.requests) == 1
    assert KEY not in str(caught.value)


def test_more_than_the_model_reads_is_told_apart() -> None:
    with ModelServer(max_tokens=20) as server:
        model = generator(f"{server.url}/v1")
        with pytest.raises(OverlongInput, match="maximum context length is 20"):
            model.generate([Message("user", "word " * 30)])
        assert len(server.requests) == 1
        known = generator(f"{server.url}/v1", context_tokens=25)
        with pytest.raises(OverlongInput, match="gpt-4o-mini reads at most 25"):
            known.generate([Message("user", "word " * 30)])
        assert len(server.requests) == 1


def test_a_refused_prompt_fails_without_being_shown() -> None:
    with ModelServer() as server, pytest.raises(ProviderError) as caught:
        generator(f"{server.url}/v1").generate([Message("user", "REJECT-ME the merger on Friday")])
    assert "merger" not in str(caught.value)
    with ModelServer() as server, pytest.raises(MalformedDocument):
        generator(f"{server.url}/v1").generate([Message("user", "half \ud83d")])


class Recorded:
    """Spending that records, and lets `limit` dollars go at once."""

    def __init__(self, limit: float = 1e9) -> None:
        self.limit = limit
        self.reserved: list[float] = []
        self.settled: list[float | None] = []

    def reserve(self, most_usd: float) -> int:
        if most_usd > self.limit:
            raise OverBudget("it would cost more than it may")
        self.reserved.append(most_usd)
        return len(self.reserved)

    def settle(self, reservation: int, usage: Usage) -> None:
        self.settled.append(usage.cost_usd)


def test_with_a_budget_the_most_that_a_reply_can_cost_is_bounded() -> None:
    with ModelServer() as server:
        spent = Recorded()
        model = generator(f"{server.url}/v1", price=Price(0.0, 1e6), spending=spent)
        model.generate(ASKED)
        assert server.requests[0].body["max_tokens"] == 16_384
        assert spent.reserved == [pytest.approx(16_384)] and spent.settled == [pytest.approx(3)]
        model.generate(ASKED, max_tokens=10)
        assert spent.reserved[1] == pytest.approx(10)
        small = generator(f"{server.url}/v1", price=Price(0.0, 1e6), spending=spent, context_tokens=100)
        small.generate(ASKED)
        assert 70 < server.requests[-1].body["max_tokens"] < 90
        free = generator(f"{server.url}/v1", price=Price(0.0, 0.0), spending=spent)
        free.generate(ASKED)
        assert "max_tokens" not in server.requests[-1].body
        poor = generator(f"{server.url}/v1", price=Price(0.0, 1e6), spending=Recorded(limit=1))
        sent = len(server.requests)
        with pytest.raises(OverBudget):
            poor.generate(ASKED)
        assert len(server.requests) == sent


def test_a_slow_stream_may_take_longer_than_one_answer() -> None:
    pieces: list[str] = []
    with ModelServer(faults=[Fault("drip", seconds=2.0)], replies=["one two three four five six"]) as server:
        model = generator(f"{server.url}/v1", timeout=1.0, retries=0)
        assert model.generate(ASKED, on_text=pieces.append).finish == "stop"
    assert len(pieces) == 6


@pytest.mark.parametrize("settings", [{"temperature": -1.0}, {"temperature": 2.5}, {"base_url": "x"}])
def test_wrong_settings_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        OpenAIGenerator("m", **{"api_key": KEY, **settings})


def test_what_it_says_of_itself() -> None:
    make: Callable[..., OpenAIGenerator] = lambda model, **more: OpenAIGenerator(model, api_key=KEY, **more)  # noqa: E731
    mine = make("gpt-4o-mini", context_tokens=128_000)
    assert mine.identity == "openai-chat:gpt-4o-mini temperature=0 v1"
    assert make("gpt-4o-mini", base_url="http://gpu/v1").identity.endswith("host=gpu v1")
    assert mine.provenance == {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "endpoint": "api.openai.com",
        "tokens": "o200k_base",
    }
    assert mine.counts_exactly and not make("llama").counts_exactly
    assert mine.context_tokens == 128_000 and mine.usage == Usage()
    assert mine.count(["tiktoken is great!", ""]) == [6, 0]
