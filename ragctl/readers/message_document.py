"""The document of a mail, of whatever format: header lines, then the text, all one block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragctl.readers.assemble import assemble
from ragctl.readers.mail_headers import header_lines, mail_metadata
from ragctl.types import Anchor, Block, Document, Item


def message_document(
    item: Item,
    data: bytes,
    headers: Mapping[str, str],
    body: str,
    *,
    reader: str,
    media_type: str,
    metadata: Mapping[str, Any] | None = None,
) -> Document:
    """Header lines, a blank line, the body. The title is the subject.

    Args:
        headers: as `mail_headers.headers_of` gives them.

    Raises:
        EmptyDocument: neither headers nor a body.
    """
    text = "\n\n".join(part for part in (header_lines(headers), body) if part)
    return assemble(
        item,
        data,
        text,
        reader=reader,
        media_type=media_type,
        anchors=(Anchor(0),),
        blocks=(Block(0, len(text), "message"),),
        title=headers.get("Subject", ""),
        metadata={**mail_metadata(headers), **(metadata or {})},
    )
