"""The last step of every reader: a `Document` of what was found, or the reason why there is none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ragctl.errors import EmptyDocument
from ragctl.types import Anchor, Block, Document, Item, Section

_SPACES = re.compile(r"\s+")
_NOT_IN_TEXT = re.compile("[\0\ud800-\udfff]")
TITLE_LIMIT = 500
"""Characters; a longer title is no title, but it is cut rather than refused."""


def one_line(text: str) -> str:
    """`text` with its white space collapsed, fit for a title or heading: no NUL, no lone surrogate."""
    return _SPACES.sub(" ", _NOT_IN_TEXT.sub("\ufffd", text)).strip()[:TITLE_LIMIT].rstrip()


def assemble(
    item: Item,
    data: bytes,
    text: str,
    *,
    reader: str,
    media_type: str,
    sections: tuple[Section, ...] = (),
    anchors: tuple[Anchor, ...] = (),
    blocks: tuple[Block, ...] = (),
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Document:
    """The document. Without a title it is called by its file name, less the suffix.

    Args:
        reader: `name@output_version`.
        sections: cover `text`; none: one section without headings.
        metadata: of the document itself; the item's own goes before it where both name a key.

    Raises:
        EmptyDocument: `text` has nothing but white space.
    """
    if not text or text.isspace():
        reason = "the file is empty" if not data else "there is no text in it"
        raise EmptyDocument(reason, where=f"{item.source}:{item.path}")
    title = one_line(title)
    name = PurePosixPath(item.path)
    return Document(
        source=item.source,
        path=item.path,
        uri=item.uri,
        text=text,
        title=title or one_line(name.stem) or item.path,
        title_is_fallback=not title,
        media_type=media_type,
        sections=sections or (Section(0, len(text)),),
        anchors=anchors or (Anchor(0, line=1),),
        blocks=blocks,
        item=item.path,
        digest=hashlib.sha256(data).hexdigest(),
        reader=reader,
        metadata={**(metadata or {}), **item.metadata},
    )


def encoding_metadata(encoding: str) -> dict[str, str]:
    """What to note of an encoding: nothing of UTF-8, the name of any other."""
    return {} if encoding == "utf-8" else {"encoding": encoding}
