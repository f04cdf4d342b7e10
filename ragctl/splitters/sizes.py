"""The sizes that a splitter works to: what they must be, and how a long stretch is shared out."""

from __future__ import annotations

from ragctl.errors import SpecError

_LEAST_TOKENS = 16
_LEAST_BODY = 8
"""Tokens that must be left for header and text."""


def check_sizes(max_tokens: int, overlap: int, min_tokens: int, embedder_limit: int) -> None:
    """Refuses what no chunk can be made of.

    Raises:
        SpecError: a number is out of its range.
    """
    if max_tokens > embedder_limit:
        raise SpecError(
            f"chunk.max_tokens is {max_tokens}, but the embedder reads at most {embedder_limit} tokens",
            where="chunk.max_tokens",
            hint=f"Set it to {embedder_limit} or less, or choose another embedder.",
        )
    if max_tokens < _LEAST_TOKENS:
        raise SpecError(
            f"chunk.max_tokens is {max_tokens}; a chunk needs at least {_LEAST_TOKENS}",
            where="chunk.max_tokens",
        )
    if not 0 <= overlap <= max_tokens // 2:
        raise SpecError(
            f"chunk.overlap is {overlap}; it must be from 0 to half of max_tokens ({max_tokens // 2})",
            where="chunk.overlap",
        )
    if min_tokens < 0:
        raise SpecError(f"chunk.min_tokens is {min_tokens}; it must be 0 or more", where="chunk.min_tokens")


def room_for_text(max_tokens: int, special_tokens: int) -> int:
    """Tokens that an input of `max_tokens` has for header and text.

    Raises:
        SpecError: next to none, because the model's prefix takes so many.
    """
    room = max_tokens - special_tokens
    if room < _LEAST_BODY:
        raise SpecError(
            f"chunk.max_tokens is {max_tokens}, and the model's own tokens and prefix take {special_tokens} "
            "of them",
            where="chunk.max_tokens",
            hint=f"Set it to {special_tokens + _LEAST_BODY} or more.",
        )
    return room


def even(total: int, limit: int) -> int:
    """A size for pieces of about the same length instead of full ones and a scrap at the end.

    A quarter is left over the exact share, so that cuts can be at good places.
    """
    number = -(-total // limit)
    return min(limit, -(-total * 5 // (number * 4)))
