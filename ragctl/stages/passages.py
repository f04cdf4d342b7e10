"""Passages as a chat model is shown them: numbered, delimited, without what hides in a text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragctl.stages.prompt import plain
from ragctl.types import Hit

_NOT_IN_AN_ATTRIBUTE = str.maketrans({'"': "'", "<": "‹", ">": "›", "\n": " "})
_TAG = re.compile(r"<(\s*/?\s*passage)", re.IGNORECASE)


def passage(hit: Hit, number: int) -> str:
    """One passage between tags that its text cannot close, with where it comes from."""
    headings = hit.headings[1:] if hit.headings[:1] == (hit.title,) else hit.headings
    place = " > ".join(part for part in (hit.title, *headings) if part)
    return f'<passage id="{number}" from="{_attribute(place)}">\n{passage_text(hit)}\n</passage>'


def passage_text(hit: Hit) -> str:
    """The passage's text as the model reads it."""
    return _TAG.sub(r"‹\1", plain(hit.text))


def _attribute(text: str) -> str:
    return plain(text).translate(_NOT_IN_AN_ATTRIBUTE)


def fitting(hits: Sequence[Hit], costs: Sequence[int], room: int) -> list[Hit]:
    """The first hits, best first, as many as fit into `room` tokens; at most one less than fits is left out.

    Args:
        costs: tokens of each passage as it would be shown.
    """
    taken: list[Hit] = []
    for hit, cost in zip(hits, costs, strict=True):
        if cost > room:
            break
        room -= cost
        taken.append(hit)
    return taken
