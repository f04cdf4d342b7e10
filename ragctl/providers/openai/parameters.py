"""Parameters that not every server or model knows: left out, or named otherwise, once one is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from threading import Lock
from typing import Any

_NOT_TAKEN = re.compile(
    r"unsupported|not support|unrecognized|unknown|unexpected|extra (inputs|fields)"
    r"|not permitted|not allowed",
    re.I,
)


class Parameters:
    """What a server takes, as far as it has been found out. Safe to share between threads.

    Args:
        otherwise: parameter → the name that it has elsewhere; empty: it is left out.
    """

    def __init__(self, otherwise: Mapping[str, str]) -> None:
        self._otherwise = dict(otherwise)
        self._refused: set[str] = set()
        self._lock = Lock()

    def taken(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `wanted` to send, under the names that are known to the server."""
        with self._lock:
            refused = set(self._refused)
        sent = {}
        for name, value in wanted.items():
            if name not in refused:
                sent[name] = value
            elif (other := self._otherwise[name]) and other not in refused:
                sent[other] = value
        return sent

    def is_refused(self, name: str) -> bool:
        """Has the server been found not to take it?"""
        with self._lock:
            return name in self._refused

    def refuse(self, sent: Mapping[str, Any], *, parameter: str | None, message: str) -> bool:
        """Is it one of these that the server refused? Then it is not `taken` again.

        Args:
            sent: with the request.
            parameter: that the server names; None: it has to be found in `message`.
        """
        if not _NOT_TAKEN.search(message):
            return False
        found = parameter if parameter in self._otherwise else None
        if found is None and not parameter:
            # The first that it names: "Use 'max_completion_tokens' instead" comes later.
            places = {name: _place(name, message) for name in self._otherwise if name in sent}
            named = {name: place for name, place in places.items() if place >= 0}
            found = min(named, key=lambda name: named[name], default=None)
        if found is None or found not in sent:
            return False
        with self._lock:
            self._refused.add(found)
        return True


def _place(name: str, message: str) -> int:
    singular = re.escape(name.removesuffix("s"))
    found = re.search(rf"(?<![\w.]){singular}s?(?!\w)", message)
    return found.start() if found else -1
