"""A chat model that says what it is told to: a stand-in, for what the stages make of a reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ragctl.types import Message, Reply, Usage

Script = Callable[[Sequence[Message]], str | Reply | Exception]


class Scripted:
    """Implements `ports.Generator`.

    Args:
        replies: one a call, in order, or what makes them of the messages.
        piece: characters of each piece where a reply is streamed.
    """

    identity = "scripted"
    endpoint = None
    context_tokens: int | None = 8_000
    counts_exactly = True
    usage = Usage()
    provenance: Mapping[str, str | int | bool] = {"provider": "scripted"}

    def __init__(
        self, *replies: str | Reply | Exception, script: Script | None = None, piece: int = 3
    ) -> None:
        self._replies = list(replies)
        self._script = script
        self._piece = piece
        self.asked: list[Sequence[Message]] = []

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def generate(
        self,
        messages: Sequence[Message],
        *,
        as_json: bool = False,
        max_tokens: int | None = None,
        on_text: Callable[[str], None] | None = None,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> Reply:
        self.asked.append(messages)
        said = self._script(messages) if self._script else self._replies.pop(0)
        if isinstance(said, Exception):
            raise said
        reply = said if isinstance(said, Reply) else Reply(said)
        if on_text:
            for start in range(0, len(reply.text), self._piece):
                on_text(reply.text[start : start + self._piece])
        if on_usage:
            on_usage(reply.usage)
        return reply
