"""What a server says in its own words, without the key and without the texts that it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_SHORTEST_OF_KEY = 6
_SHORTEST_OF_TEXT = 12
"""Characters in a row that a message may share with a text; fewer tell nothing of it."""

_LONGEST_MESSAGE = 300
_HIDDEN = "…"


def masked(message: str, *, key: str | None, texts: Sequence[str] = ()) -> str:
    """`message` on one line, at most 300 characters, with pieces of the key and of the texts left out.

    Servers quote both: "Incorrect API key provided: …", "'…' is not a valid input".
    """
    message = " ".join(message.split())
    hidden = [False] * len(message)
    if key:
        _hide(hidden, message, [key], min(_SHORTEST_OF_KEY, len(key)))
    flat = (" ".join(text.split()) for text in texts)
    _hide(hidden, message, flat, _SHORTEST_OF_TEXT)
    for text in texts:
        if text.strip() and len(text) < _SHORTEST_OF_TEXT:
            _hide(hidden, message, [f"'{text}'", f'"{text}"'], len(text) + 2)
    return _without(message, hidden)[:_LONGEST_MESSAGE]


def _hide(hidden: list[bool], message: str, secrets: Iterable[str], length: int) -> None:
    """Marks what `message` shares with a secret, `length` characters in a row or more."""
    starts = range(len(message) - length + 1)
    for secret in secrets:
        if len(secret) < length:
            continue
        for start in starts:
            if message[start : start + length] in secret:
                hidden[start : start + length] = [True] * length


def _without(message: str, hidden: Sequence[bool]) -> str:
    shown: list[str] = []
    for character, hide in zip(message, hidden, strict=True):
        if not hide:
            shown.append(character)
        elif not shown or shown[-1] != _HIDDEN:
            shown.append(_HIDDEN)
    return "".join(shown)
