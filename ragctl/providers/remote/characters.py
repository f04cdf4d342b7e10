"""Refuses what is no text."""

from __future__ import annotations

from ragctl.errors import MalformedDocument


def lone_surrogate(text: str) -> MalformedDocument | None:
    """Why `text` cannot be sent: it holds half a character. None if it can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return MalformedDocument(
            f"there is a lone surrogate (U+{ord(text[error.start]):04X}) at offset {error.start} of an "
            "embed input, which is no character",
            hint="the reader of the document decoded it wrongly",
        )
    return None
