"""Writes with OpenAI's chat models, or with any server that speaks the same protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ragctl.errors import OverlongInput, ProviderError, RejectedText, UsageError
from ragctl.ports import Spending, Throttle
from ragctl.providers.openai.chat_replies import Said, messages_have, streamed_reply, whole_reply
from ragctl.providers.openai.client import make_client, server_key, server_url
from ragctl.providers.openai.faults import fault_of
from ragctl.providers.openai.parameters import Parameters
from ragctl.providers.openai.tokens import tokenizer_for
from ragctl.providers.remote.access import require_sdk
from ragctl.providers.remote.caller import Answer, AskOtherwise, Caller, Request, Service
from ragctl.providers.remote.characters import lone_surrogate
from ragctl.providers.remote.counting import RemoteTokenizer
from ragctl.providers.remote.endpoint import host_of
from ragctl.types import Message, Price, Reply, Usage

if TYPE_CHECKING:
    from openai import OpenAI

_OUTPUT_VERSION = 1

_AROUND_A_MESSAGE, _BEFORE_THE_REPLY = 4, 3
"""Tokens besides the texts: an upper bound for OpenAI's models, see its cookbook on counting tokens."""

_MOST_OUTPUT = 16_384
"""Tokens that a model may write if nobody says how many and there is a budget to be kept."""

_ASK_FOR_JSON = "Answer with a JSON object."


class OpenAIGenerator:
    """A chat model behind OpenAI's protocol; implements `ports.Generator`.

    Nothing is sent before the first use of `generate`. May be shared between threads. Parameters that a
    model refuses (reasoning models take no `temperature`) are left out from then on.

    Args:
        model: as the server names it.
        api_key: None: the server needs none.
        base_url: where the API begins, mostly with /v1 at its end; None: OpenAI itself. Variables of the
            environment change nothing.
        timeout: seconds for an answer; for each piece of a streamed one.
        retries: how often a request is repeated, at least 0.
        max_in_flight: connections kept open.
        price: None: not known.
        throttle, spending: None: no limits.
        on_retry: told in a sentence of every repetition.
        sleep: for tests.
        temperature: 0 to 2.
        context_tokens: the most that the model reads and writes together; None: not known.
        tokenizer: how to count for a model that is not OpenAI's, see `tokenizer_for`.
        base: the directory that `tokenizer` is relative to.

    Raises:
        UsageError: a value is out of range, or the address is none.
        MissingPackage: the SDK is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout: float = 60.0,
        retries: int = 6,
        max_in_flight: int = 8,
        price: Price | None = None,
        throttle: Throttle | None = None,
        spending: Spending | None = None,
        on_retry: Callable[[str], None] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        temperature: float = 0.0,
        context_tokens: int | None = None,
        tokenizer: Path | str | None = None,
        base: Path | None = None,
    ) -> None:
        require_sdk("openai")
        if not model:
            raise UsageError("the model has no name", where="model")
        if not 0 <= temperature <= 2:
            raise UsageError(f"temperature must be between 0 and 2, not {temperature}", where="temperature")
        self._model = model
        self._url = server_url(base_url)
        self._key = server_key(api_key, base_url)
        self._own_server = base_url is not None
        self._timeout, self._max_in_flight = timeout, max_in_flight
        self._temperature, self._context_tokens = temperature, context_tokens
        self._tokenizer_of = tokenizer, base
        self._bounded = spending is not None and not (price and price.usd_per_million_output_tokens == 0)
        service = Service("openai", model, host_of(self._url), self._key, fault_of)
        self._caller = Caller(
            service,
            retries=retries,
            price=price,
            throttle=throttle,
            spending=spending,
            on_retry=on_retry,
            sleep=sleep,
        )
        self._parameters = Parameters(
            {
                "temperature": "",
                "response_format": "",
                "stream_options": "",
                "max_tokens": "max_completion_tokens",
                "max_completion_tokens": "max_tokens",
            }
        )
        self._lock = Lock()

    @property
    def identity(self) -> str:
        """Model, temperature and output version; and the host, if it is not OpenAI's own."""
        parts = [f"openai-chat:{self._model}", f"temperature={self._temperature:g}"]
        if self._own_server:
            parts.append(f"host={self.endpoint}")
        return " ".join([*parts, f"v{_OUTPUT_VERSION}"])

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """Provider, model, host, and how tokens are counted."""
        return {
            "provider": "openai",
            "model": self._model,
            "endpoint": self.endpoint,
            "tokens": self._tokenizer.name,
        }

    @property
    def endpoint(self) -> str:
        """Host that text is sent to."""
        return host_of(self._url)

    @property
    def usage(self) -> Usage:
        """All that was asked of it by this object."""
        return self._caller.usage

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    @property
    def counts_exactly(self) -> bool:
        """Is `count` the model's own, or an upper bound?"""
        return self._tokenizer.exact

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without what the protocol puts around it.

        Raises:
            MalformedDocument: a text has a lone surrogate.
            MissingPackage: see `tokenizer_for`.
        """
        return self._tokenizer.count(texts)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        as_json: bool = False,
        max_tokens: int | None = None,
        on_text: Callable[[str], None] | None = None,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> Reply:
        """The model's reply.

        Args:
            as_json: have it write a JSON object, where the server can enforce that. The protocol wants
                the word in a message: a sentence is added where no message has it.
            max_tokens: the most that it may write. With a budget and without this, 16,384.
            on_text: called with each piece of the reply as it comes. A reply that breaks off after the
                first is not asked for again.
            on_usage: told what each request came to, also of those that failed.

        Raises:
            OverlongInput: it is more than the model reads.
            MalformedDocument: a message has a lone surrogate.
            KeyRejected, UnknownModel, ProviderError, OverBudget: see `ragctl.errors`.
        """
        said = [{"role": message.role, "content": message.content} for message in messages]
        if as_json and not messages_have("json", said):
            said.insert(0, {"role": "system", "content": _ASK_FOR_JSON})
        tokens = self._tokens_of(said)
        output = self._most_output(tokens, max_tokens)
        used: list[Usage] = []

        def count(usage: Usage) -> None:
            used.append(usage)
            if on_usage is not None:
                on_usage(usage)

        request = Request(
            send=lambda: self._send(said, as_json, output, on_text),
            read=lambda value: value,
            tokens=tokens,
            output_tokens=output or 0,
            texts=[message["content"] for message in said],
            on_usage=count,
        )
        try:
            reply = self._caller.ask(request)
        except RejectedText as error:
            raise ProviderError(error.message, where=error.where, hint=error.hint) from None
        return Reply(reply.text, reply.finish, sum(used, Usage()))

    def _tokens_of(self, said: Sequence[Mapping[str, str]]) -> int:
        texts = [message["content"] for message in said]
        for text in texts:
            error = lone_surrogate(text)
            if error is not None:
                raise error
        tokens = sum(self.count(texts)) + _AROUND_A_MESSAGE * len(texts) + _BEFORE_THE_REPLY
        if self._context_tokens is not None and self.counts_exactly and tokens > self._context_tokens:
            raise OverlongInput(
                f"the messages have {tokens} tokens, {self._model} reads at most {self._context_tokens}",
                where=self._caller.service.where,
                hint="send fewer or shorter passages: nothing is cut in silence",
            )
        return tokens

    def _most_output(self, tokens: int, max_tokens: int | None) -> int | None:
        if max_tokens is not None or not self._bounded:
            return max_tokens
        left = _MOST_OUTPUT if self._context_tokens is None else self._context_tokens - tokens
        return max(1, min(_MOST_OUTPUT, left))

    @cached_property
    def _tokenizer(self) -> RemoteTokenizer:
        tokenizer, base = self._tokenizer_of
        return tokenizer_for(self._model, tokenizer=tokenizer, base=base)

    @cached_property
    def _client(self) -> OpenAI:
        return make_client(
            url=self._url, api_key=self._key, timeout=self._timeout, max_in_flight=self._max_in_flight
        )

    def _connected(self) -> OpenAI:
        with self._lock:
            return self._client

    def _send(
        self,
        said: Sequence[Mapping[str, str]],
        as_json: bool,
        output: int | None,
        on_text: Callable[[str], None] | None,
    ) -> Answer[Said]:
        import httpx2
        import openai
        from openai.types.chat import ChatCompletionChunk

        wanted: dict[str, Any] = {"temperature": self._temperature}
        if as_json:
            wanted["response_format"] = {"type": "json_object"}
        if output is not None:
            # OpenAI's own models want the newer name, many a server knows the older one only.
            wanted["max_tokens" if self._own_server else "max_completion_tokens"] = output
        if on_text is not None:
            wanted["stream_options"] = {"include_usage": True}
        sent = self._parameters.taken(wanted)
        body = {"model": self._model, "messages": list(said), **sent}
        client = self._connected()
        try:
            if on_text is None:
                response = client.post("/chat/completions", body=body, cast_to=httpx2.Response)
                return self._counted(whole_reply(response.content))
            with client.post(
                "/chat/completions",
                body={**body, "stream": True},
                cast_to=ChatCompletionChunk,
                stream=True,
                stream_cls=openai.Stream[ChatCompletionChunk],
            ) as chunks:
                return self._counted(streamed_reply(chunks, on_text))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if self._parameters.refuse(sent, parameter=error.param, message=str(error)):
                raise AskOtherwise from None
            raise
        except ProviderError as error:
            raise ProviderError(error.message, where=self._caller.service.where, hint=error.hint) from None

    def _counted(self, answer: Answer[Said]) -> Answer[Said]:
        """With the tokens of the reply counted here, where the server does not say."""
        if answer.output_tokens or not answer.value.text:
            return answer
        return replace(answer, output_tokens=self.count([answer.value.text])[0])
