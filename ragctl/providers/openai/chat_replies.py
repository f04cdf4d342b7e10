"""Reads a chat model's reply, whole or as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragctl.errors import ProviderError
from ragctl.providers.remote.caller import Answer, UnreadableReply

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

Finish = Literal["stop", "length", "filtered", "other"]

_FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "filtered"}


@dataclass(frozen=True, slots=True)
class Said:
    """What the model wrote, and why it ended."""

    text: str
    finish: Finish


def whole_reply(content: bytes) -> Answer[Said]:
    """A reply that came in one piece. What a model says instead of a reply (a refusal) is `filtered`.

    Raises:
        UnreadableReply: it is not JSON, or not of that form.
    """
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        finish = choice.get("finish_reason")
        usage = reply.get("usage") or {}
        tokens, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except ValueError:
        raise UnreadableReply("the server answered with something that is not JSON") from None
    except (LookupError, TypeError, AttributeError):
        raise UnreadableReply("the server's answer holds no reply") from None
    if refusal and not text:
        return Answer(Said(str(refusal), "filtered"), _number(tokens), _number(output) or 0)
    if text is not None and not isinstance(text, str):
        raise UnreadableReply("the server's answer holds no text")
    return Answer(Said(text or "", _FINISHES.get(finish, "other")), _number(tokens), _number(output) or 0)


def streamed_reply(chunks: Iterable[ChatCompletionChunk], on_text: Callable[[str], None]) -> Answer[Said]:
    """A reply in pieces; each is shown as it comes.

    Raises:
        UnreadableReply: it ended too early, or could not be read, before anything was shown.
        ProviderError: the same, after that: to ask again would show it twice.
    """
    shown: list[str] = []
    try:
        answer = _read_stream(chunks, on_text, shown)
    except _ShowingFailed as failed:
        raise failed.error from None
    except Exception as error:
        if not shown:
            if isinstance(error, ValueError):
                raise UnreadableReply("the server's stream holds something that is not JSON") from None
            raise
        raise _broken(shown, type(error).__name__) from None
    if answer is not None:
        return answer
    if shown:
        raise _broken(shown, "it has no end")
    raise UnreadableReply("the server's stream ended before the reply began")


def _read_stream(
    chunks: Iterable[ChatCompletionChunk], on_text: Callable[[str], None], shown: list[str]
) -> Answer[Said] | None:
    """None if the stream ended without saying why."""
    ended, filtered = None, False
    tokens: int | None = None
    output = 0
    for chunk in chunks:
        if chunk.usage is not None:
            tokens, output = _number(chunk.usage.prompt_tokens), _number(chunk.usage.completion_tokens) or 0
        for choice in (chunk.choices or [])[:1]:
            piece = choice.delta.content or choice.delta.refusal if choice.delta else None
            filtered = filtered or bool(choice.delta and choice.delta.refusal)
            if piece:
                shown.append(piece)
                _show(piece, on_text)
            ended = choice.finish_reason or ended
    if ended is None:
        return None
    finish = "filtered" if filtered else _FINISHES.get(ended, "other")
    return Answer(Said("".join(shown), finish), tokens, output)


class _ShowingFailed(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _show(piece: str, on_text: Callable[[str], None]) -> None:
    try:
        on_text(piece)
    except Exception as error:  # the caller's own, and no fault of the server
        raise _ShowingFailed(error) from error


def _broken(shown: list[str], why: str) -> ProviderError:
    characters = sum(map(len, shown))
    return ProviderError(
        f"the reply broke off after {characters} characters ({why})", hint="ask again: it was not repeated"
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def messages_have(word: str, messages: Iterable[Mapping[str, str]]) -> bool:
    """Does any message hold the word, in whatever case?"""
    return any(word in message["content"].lower() for message in messages)
