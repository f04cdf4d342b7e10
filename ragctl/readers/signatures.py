"""Binary formats by their first bytes, and by what is in them where several share a container."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ragctl.readers import kinds

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_WITHIN = 1024
"""Readers look for the header of a PDF in as many first bytes (ISO 32000-1, annex H, note 13)."""
_TAR_MAGIC = slice(257, 262)
_ENTRIES_LOOKED_AT = 4000
_END_WITHIN = (1 << 16) + 22
"""The end record of a ZIP and the longest comment after it."""

_MAGIC = (
    (b"{\\rtf", kinds.RTF),
    (b"\x89PNG\r\n\x1a\n", kinds.PNG),
    (b"\xff\xd8\xff", kinds.JPEG),
    (b"II*\0", kinds.TIFF),
    (b"MM\0*", kinds.TIFF),
    (b"\x1f\x8b\x08", kinds.GZIP),
    (b"BZh", kinds.BZIP2),
    (b"\xfd7zXZ\0", kinds.XZ),
)
_PARTS = (("word/", kinds.DOCX), ("ppt/", kinds.PPTX), ("xl/", kinds.XLSX))
_OLE_STREAMS = (
    ("EncryptedPackage", kinds.ENCRYPTED_OFFICE),
    ("WordDocument", kinds.DOC),
    ("PowerPoint Document", kinds.PPT),
    ("Workbook", kinds.XLS),
    ("Book", kinds.XLS),
    ("__properties_version1.0", kinds.MSG),
)
_CONTROLS = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f]")


def kind_of_bytes(content: bytes, named: str | None = None) -> str | None:
    """The media type of binary content that is known here; None of text, or of anything else.

    Args:
        content: whole, or a beginning.
        named: what the name says, for a container that cannot be looked into.
    """
    if content.startswith((_ZIP, _EMPTY_ZIP)):
        return _kind_of_zip(content, named)
    if content.startswith(_OLE):
        return _kind_of_ole(content, named)
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return kinds.WEBP
    if content[:2] == b"BM" and content[6:10] == b"\0\0\0\0":
        return kinds.BMP
    if content[_TAR_MAGIC] == b"ustar":
        return kinds.TAR
    at = content.find(b"%PDF-", 0, _PDF_WITHIN)
    return kinds.PDF if at == 0 or (at > 0 and named in (kinds.PDF, None)) else None


def looks_binary(head: bytes) -> str:
    """Why these bytes are no text; empty if they may be."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or _is_wide(head):
        return ""
    if b"\0" in head:
        return "it has NUL bytes"
    if len(_CONTROLS.findall(head)) * 20 > len(head):
        return "too many control characters"
    return ""


def name_of_binary(head: bytes) -> str | None:
    """What puremagic takes these bytes for, in words for a person; None if it knows nothing of them."""
    try:
        import puremagic
    except ModuleNotFoundError:  # it only gives the reason for a file that is skipped
        return None
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    best = next((one for one in found if one.name), None)
    if best is None or len(best.byte_match) < 3:
        return None
    return f"{best.name} ({best.mime_type})" if best.mime_type else str(best.name)


def _is_wide(head: bytes) -> bool:
    """UTF-16 without a mark: every other byte of text in Latin letters is NUL, and none of the others."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    return half > 4 and min(even, odd) == 0 and max(even, odd) * 2 > half


def _kind_of_zip(content: bytes, named: str | None) -> str:
    first = _stored_mimetype(content)
    if first == kinds.EPUB or first in kinds.OPEN_DOCUMENT:
        return first
    seen: set[str] = set()
    for name in _names(content):
        seen.add(name)
        if name == "META-INF/container.xml" and named == kinds.EPUB:
            return kinds.EPUB
    if "[Content_Types].xml" in seen:
        for part, kind in _PARTS:
            if any(name.startswith(part) for name in seen):
                return kind
        return kinds.OTHER_OOXML
    if any(name.endswith(".iwa") for name in seen) or seen & {"Index.zip", "buildVersionHistory.plist"}:
        return kinds.IWORK
    whole = _end_record(content) is not None
    office = (*kinds.OFFICE, kinds.EPUB)
    return named if named in office and (not whole or not seen) else kinds.ZIP


def _stored_mimetype(content: bytes) -> str:
    """EPUB and OpenDocument put a file `mimetype`, uncompressed, first (OCF 3.3, ODF 1.3 part 2)."""
    if content[30:38] != b"mimetype":
        return ""
    start = 38 + struct.unpack_from("<H", content, 28)[0]
    found = content[start : start + 80].decode("ascii", "replace")
    known = (kinds.EPUB, *kinds.OPEN_DOCUMENT)
    return next((kind for kind in known if found.startswith(kind)), "")


def _end_record(content: bytes) -> tuple[int, int] | None:
    """Where the directory is and how many entries it has; None of a beginning, or of a broken file."""
    at = content.rfind(_EMPTY_ZIP, max(0, len(content) - _END_WITHIN))
    if at < 0 or at + 22 > len(content):
        return None
    entries, _, start = struct.unpack_from("<HII", content, at + 10)
    return start, entries


def _names(content: bytes) -> Iterator[str]:
    """Names in the directory, or in the local headers where there is no directory."""
    end = _end_record(content)
    if end is None or content[end[0] : end[0] + 4] != b"PK\x01\x02":
        at = content.find(_ZIP)
        for _ in range(_ENTRIES_LOOKED_AT):
            if at < 0 or at + 30 > len(content):
                return
            size = struct.unpack_from("<H", content, at + 26)[0]
            yield content[at + 30 : at + 30 + size].decode("utf-8", "replace")
            at = content.find(_ZIP, at + 30 + size)
        return
    at = end[0]
    for _ in range(_ENTRIES_LOOKED_AT):
        if content[at : at + 4] != b"PK\x01\x02" or at + 46 > len(content):
            return
        name, extra, comment = struct.unpack_from("<HHH", content, at + 28)
        yield content[at + 46 : at + 46 + name].decode("utf-8", "replace").replace("\\", "/")
        at += 46 + name + extra + comment


def _kind_of_ole(content: bytes, named: str | None) -> str | None:
    """By the streams in the root of the file; by its name where that cannot be read."""
    fallback = named if named in (*kinds.LEGACY_OFFICE, kinds.MSG) else None
    try:
        olefile: Any = import_module("olefile")

        with olefile.OleFileIO(content) as file:
            for stream, kind in _OLE_STREAMS:
                if file.exists(stream):
                    return kind
    except Exception:  # it raises anything of a broken or cut file, and then the name is what there is
        return fallback
    return fallback
