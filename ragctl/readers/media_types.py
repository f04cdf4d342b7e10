"""What an item is, by its first bytes and its name: a media type, or the reason why it has none here."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from ragctl.types import RECORD_MEDIA_TYPE, Item

TEXT = "text/plain"
MARKDOWN = "text/markdown"
RST = "text/x-rst"
HTML = "text/html"
RECORD = RECORD_MEDIA_TYPE

HEAD_BYTES = 8192
"""As many first bytes are looked at; git looks at 8,000 to tell binary from text."""

_BY_SUFFIX = {
    ".txt": TEXT,
    ".text": TEXT,
    ".log": TEXT,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdx": MARKDOWN,
    ".rst": RST,
    ".rest": RST,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
}

_BY_DECLARATION = {
    TEXT: TEXT,
    MARKDOWN: MARKDOWN,
    "text/x-markdown": MARKDOWN,
    RST: RST,
    "text/prs.fallenstein.rst": RST,
    HTML: HTML,
    "application/xhtml+xml": HTML,
    RECORD: RECORD,
}

_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "RTF"),
)

_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_CONTROLS = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")


class MediaType(NamedTuple):
    """A media type that some reader takes, or None and the reason."""

    name: str | None
    reason: str = ""


def media_type_of(item: Item, head: bytes | None = None) -> MediaType:
    """Decides by content first, then by what the source declares, then by the suffix.

    A name without a suffix (README, LICENSE) is plain text, or HTML if it begins like HTML. A
    suffix that is not in the table has no reader, even if the content is text: source code, data
    files and configuration make poor passages, so they are skipped, with the reason, rather than
    read as prose.

    Args:
        head: the first `HEAD_BYTES` bytes; of more, only those are looked at. None decides without
            them: an item whose name no reader takes need not be opened.
    """
    by_name = _declared_or_named(item)
    if by_name.name is None or head is None:
        return by_name
    head = head[:HEAD_BYTES]
    binary = _binary(head)
    if binary:
        return MediaType(None, binary)
    if by_name.name == TEXT and not _has_suffix(item) and _HTML_START.match(head):
        return MediaType(HTML)
    return by_name


def _has_suffix(item: Item) -> bool:
    return item.media_type is not None or bool(PurePosixPath(item.path).suffix)


def _declared_or_named(item: Item) -> MediaType:
    if item.media_type:
        declared = item.media_type.partition(";")[0].strip().lower()
        if declared in _BY_DECLARATION:
            return MediaType(_BY_DECLARATION[declared])
        return MediaType(None, f"no reader for {declared}")
    suffix = PurePosixPath(item.path).suffix.lower()
    if not suffix:
        return MediaType(TEXT)
    if suffix in _BY_SUFFIX:
        return MediaType(_BY_SUFFIX[suffix])
    return MediaType(None, f"no reader for {suffix} files")


def _binary(head: bytes) -> str:
    """Why these bytes are no text; empty if they may be."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return f"its content is {what}, whatever its name says"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return ""
    if b"\0" in head:
        return "its content is binary (it has NUL bytes), not text"
    if len(_CONTROLS.findall(head)) * 20 > len(head):
        return "its content is binary (too many control characters), not text"
    return ""
