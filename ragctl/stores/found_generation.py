"""What lies in a store of one generation, whatever the state says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FoundGeneration:
    """What of a generation is there: its two tables; or a collection, which is both.

    `note` says what made it, and is empty if it carries none of ours.
    """

    number: int
    documents: bool
    chunks: bool
    note: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Are both there?"""
        return self.documents and self.chunks


def note_of_text(text: str | None) -> Mapping[str, Any]:
    """The note in a comment or a description. One that is not ours, or was edited, counts as none."""
    try:
        note = json.loads(text or "")
    except ValueError:
        return {}
    return note if isinstance(note, dict) and "ragctl" in note else {}
