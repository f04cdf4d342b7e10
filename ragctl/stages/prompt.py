"""Prompts: texts with places for values, as messages for a chat model. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

from ragctl.types import Message

DIVIDER = "---"
"""The line between what the system says and what the user says."""

# Line breaks and tabs are text; everything else that steers a terminal or hides in a text is not.
_KEPT_CONTROLS = "\n\t"
_HIDDEN = ("Cc", "Cf", "Cs", "Co")
_SPACES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a chat model is told: `system`, and `user` with places such as `$question`.

    Attributes:
        version: the first 12 hexadecimal digits of the text's SHA-256, for run records.
    """

    system: str
    user: str
    version: str

    @classmethod
    def parse(cls, text: str, *, places: Iterable[str]) -> Prompt:
        """A prompt of a file: system, a line `---`, user.

        Args:
            places: names that the user's part must have, each as `$name` or `${name}`, and no others.

        Raises:
            ValueError: it has no such line, or other places; the message says which.
        """
        system, found, user = text.partition(f"\n{DIVIDER}\n")
        if not found:
            raise ValueError(f"it needs a line {DIVIDER} between what the system and what the user says")
        template, wanted = Template(user), set(places)
        if not template.is_valid():
            raise ValueError("a $ stands alone; write $$ for a dollar sign")
        named = set(template.get_identifiers())
        if missing := wanted - named:
            raise ValueError(f"it lacks {_names(missing)}")
        if unknown := named - wanted:
            raise ValueError(f"it has {_names(unknown)}; known are {_names(wanted)}")
        version = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
        return cls(system.strip(), user.strip(), version)

    def messages(self, **values: object) -> list[Message]:
        """The messages, with the values in their places; nothing in a value is a place."""
        return [
            Message("system", self.system),
            Message("user", Template(self.user).substitute({key: str(one) for key, one in values.items()})),
        ]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(names))


def plain(text: str) -> str:
    """Text without control, formatting (bidirectional, zero-width, tags) and private characters.

    What is left is what a person would see: nothing in it steers a terminal, or is read by a model and not
    seen by people.
    """
    return _SPACES.sub("\n\n", visible(text)).strip()


def visible(text: str) -> str:
    """The same of a piece of text: white space at its ends stays."""
    kept = (
        one
        for one in text.replace("\r\n", "\n")
        if one in _KEPT_CONTROLS or unicodedata.category(one) not in _HIDDEN
    )
    return "".join(kept)
