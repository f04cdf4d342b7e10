"""`ragctl ask --history FILE` and `--chat`: questions that belong to a conversation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ragctl.errors import RagctlError, UsageError

if TYPE_CHECKING:
    from ragctl.run.answering.ask import Asker
    from ragctl.run.answering.asked import AskResult
    from ragctl.types import Hit, Message

PROMPT = "> "
_REMEMBERED = 10
"""Turns whose passages are remembered, as many as a model is shown of the conversation."""


def read_history(path: Path) -> list[Message]:
    """The turns of a file of JSON Lines: `{"role": "user" or "assistant", "content": "…"}`, oldest first.

    Raises:
        UsageError: it cannot be read, or a line is no such object.
    """
    from ragctl.types import Message

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the history: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError("the history is not UTF-8", where=str(path)) from error
    turns = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            turn = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError("not a line of JSON", where=f"{path}:{number}") from error
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, dict) else (None, None)
        if role not in ("user", "assistant") or not isinstance(content, str):
            raise UsageError(
                'a turn is {"role": "user" or "assistant", "content": "…"}', where=f"{path}:{number}"
            )
        turns.append(Message(role, content))
    return turns


class Conversation:
    """Turns so far, and the passages that its answers were made of."""

    def __init__(self, turns: list[Message]) -> None:
        self.turns = turns
        self.shown: list[list[Hit]] = []

    def add(self, result: AskResult) -> None:
        from ragctl.types import Message

        self.turns.append(Message("user", result.question))
        if result.answer is not None and result.answer.text:
            self.turns.append(Message("assistant", result.answer.text))
        self.shown = [*self.shown, result.hits][-_REMEMBERED:]

    @property
    def passages(self) -> list[Hit]:
        return [hit for hits in self.shown for hit in hits]


def chat(
    asker: Asker,
    turns: list[Message],
    show: Callable[[Asker, str, Conversation], AskResult],
) -> None:
    """Asks what is typed until the input ends (Ctrl-D), each question in the conversation so far.

    A question that fails is said so of, and the next one is asked for; Ctrl-C ends an answer, and at the
    prompt the session.

    Args:
        show: asks the question and prints what comes of it.

    Raises:
        RagctlError: what would meet every question.
    """
    from ragctl.cli.output import talk
    from ragctl.run.answering.asked import fails_alone

    asker.prepare()
    said = Conversation(turns)
    with suppress(ImportError):  # line editing, where Python has it
        import readline  # noqa: F401
    while (question := _typed()) is not None:
        if not question.strip():
            continue
        try:
            said.add(show(asker, question, said))
        except KeyboardInterrupt:
            talk("\nstopped; Ctrl-D ends the session")
        except RagctlError as error:
            if not fails_alone(error):
                raise
            talk(f"error: {error}")
            if error.hint:
                talk(f"hint: {error.hint}")


def _typed() -> str | None:
    """A line of the input; None at its end."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            return input(PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return None
    return sys.stdin.readline() or None
