"""Encrypted Office documents: nothing can be read of them, and that is said in those words."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.errors import MalformedDocument
from ragctl.types import Document, Item


class EncryptedOfficeReader:
    """Fails for every OLE file that holds an encrypted DOCX, PPTX or XLSX."""

    name = "encrypted_office"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """Nothing.

        Raises:
            MalformedDocument: always.
        """
        raise MalformedDocument(
            "it is password-protected", hint="Save a copy of it without a password.", where=item.path
        )
