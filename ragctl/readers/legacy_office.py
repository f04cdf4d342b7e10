"""DOC and PPT of Office 97 to 2003: made DOCX and PPTX by LibreOffice, and read as such."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import replace

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.docx import DocxReader
from ragctl.readers.libreoffice import INSTALL, converted, program
from ragctl.readers.pptx import PptxReader
from ragctl.types import Document, Item

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR = 512
_WORD_MAGIC = b"\xec\xa5"
_ENCRYPTED_FLAG = 0x0100
_POWERPOINT = "PowerPoint Document".encode("utf-16-le")
_WORD = "WordDocument".encode("utf-16-le")
_ENCRYPTED_SLIDES = "EncryptedSummary".encode("utf-16-le")


def available() -> str | None:
    """Why such documents cannot be read here; None if they can."""
    if program() is None:
        return f"old Office documents are read with LibreOffice, which is not installed ({INSTALL})"
    return None


class LegacyOfficeReader:
    """Reads DOC and PPT by way of LibreOffice, which takes some seconds a document."""

    name = "legacy_office"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: LibreOffice cannot open it; it is password-protected.
            EmptyDocument: there is no text in it.
        """
        if not data:
            raise EmptyDocument("the file is empty", where=item.path)
        if not data.startswith(_OLE):
            raise MalformedDocument("it is not a file of Word or PowerPoint 97 to 2003")
        if _is_encrypted(data):
            raise MalformedDocument("it is password-protected", hint="Save a copy of it without a password.")
        is_slides = _POWERPOINT in data and _WORD not in data
        reader: DocxReader | PptxReader = PptxReader() if is_slides else DocxReader()
        made = converted(data, ".ppt", "pptx") if is_slides else converted(data, ".doc", "docx")
        for document in reader.read(item, made):
            yield replace(
                document,
                digest=hashlib.sha256(data).hexdigest(),
                media_type=kinds.PPT if is_slides else kinds.DOC,
                reader=f"{self.name}@{self.output_version}",
            )


def _is_encrypted(data: bytes) -> bool:
    """By the flag in the head of a Word document ([MS-DOC] 2.5.2), or a stream that only such slides have."""
    if _ENCRYPTED_SLIDES in data:
        return True
    for at in range(_SECTOR, len(data) - 12, _SECTOR):
        if data[at : at + 2] == _WORD_MAGIC:
            (flags,) = struct.unpack_from("<H", data, at + 10)
            return bool(flags & _ENCRYPTED_FLAG)
    return False
