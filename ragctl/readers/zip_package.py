"""Office documents and e-books are ZIP files of XML parts: their members, under limits, and their links."""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ragctl.errors import MalformedDocument
from ragctl.readers.safe_xml import parse_xml

if TYPE_CHECKING:
    from lxml.etree import _Element

LEAST_MOST_BYTES = 1 << 30
MOST_RATIO = 200
"""A package unpacks to at most 1 GiB, or to as many times its own size if that is more."""
_PIECE = 1 << 20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, NotImplementedError)
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(officeDocument/relationships|\w+/\w+)")
_TRANSITIONAL = {
    b"officeDocument/relationships": b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    b"officeDocument/math": b"http://schemas.openxmlformats.org/officeDocument/2006/math",
    b"wordprocessingml/main": b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    b"presentationml/main": b"http://schemas.openxmlformats.org/presentationml/2006/main",
    b"drawingml/main": b"http://schemas.openxmlformats.org/drawingml/2006/main",
    b"drawingml/chart": b"http://schemas.openxmlformats.org/drawingml/2006/chart",
    b"drawingml/diagram": b"http://schemas.openxmlformats.org/drawingml/2006/diagram",
}
"""Namespaces of strict Office Open XML (ISO/IEC 29500) → those that nearly every file has."""


class Link(NamedTuple):
    """A relationship of a part: the last word of its type, and the path that it leads to."""

    kind: str
    target: str


class ZipPackage:
    """The members of a document that is a ZIP file. Nothing is written to a disk.

    Args:
        what: the format in words, for reasons: `a DOCX file`.

    Raises:
        MalformedDocument: it is no ZIP file, or is password-protected.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._what = what
        self._left = max(LEAST_MOST_BYTES, MOST_RATIO * len(data))
        if not data:
            raise MalformedDocument("the file is empty")
        if data.startswith(_OLE):
            raise _ole(data, what)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except _BROKEN as error:
            raise MalformedDocument(f"it is not {what}, or is cut off: {_short(error)}") from None
        self._members = {one.filename.replace("\\", "/").lstrip("/"): one for one in members}
        self._by_small_name = {name.lower(): name for name in self._members}

    @property
    def names(self) -> list[str]:
        """Paths of the members, in the order of the file."""
        return list(self._members)

    def read(self, name: str) -> bytes | None:
        """The content of a member; None if there is none of that name.

        Raises:
            MalformedDocument: it is encrypted or broken, or unpacks to too much.
        """
        member = self._member(name)
        if member is None:
            return None
        if member.flag_bits & 0x1:
            raise MalformedDocument("it is password-protected", hint="Save a copy of it without a password.")
        pieces: list[bytes] = []
        try:
            with self._zip.open(member) as stream:
                while piece := stream.read(_PIECE):
                    self._take(len(piece))
                    pieces.append(piece)
        except _BROKEN as error:
            raise MalformedDocument(f"its part {name} is broken: {_short(error)}") from None
        return b"".join(pieces)

    def needed(self, name: str) -> bytes:
        """As `read`, of a member without which the document is none.

        Raises:
            MalformedDocument: there is no such member.
        """
        found = self.read(name)
        if found is None:
            raise MalformedDocument(f"it is not {self._what}, or not a whole one: it has no {name}")
        return found

    def xml(self, name: str) -> _Element | None:
        """The root element of a part; None if there is no part of that name.

        Raises:
            MalformedDocument: see `read`; or it is no XML.
        """
        content = self.read(name)
        return None if content is None else self._parsed(content, name)

    def needed_xml(self, name: str) -> _Element:
        """As `xml`, of a part without which the document is none."""
        return self._parsed(self.needed(name), name)

    def links(self, part: str) -> dict[str, Link]:
        """The relationships of an Office Open XML part that stay in the package, by their id."""
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, Link] = {}
        for one in root if root is not None else ():
            if one.get("TargetMode") == "External" or not one.get("Id"):
                continue
            kind = (one.get("Type") or "").rpartition("/")[2]
            found[one.get("Id", "")] = Link(kind, inside(folder, one.get("Target") or ""))
        return found

    def main_part(self, default: str) -> str:
        """The path of the document itself, as the package's relationships name it."""
        for link in self.links("").values():
            if link.kind == "officeDocument" and self._member(link.target):
                return link.target
        return default

    def count_all(self) -> None:
        """Unpacks every member for its size alone, for a library that unpacks them itself.

        Raises:
            MalformedDocument: as `read` does.
        """
        if (
            len(self._members)
            and sum(one.compress_size for one in self._members.values()) * 1100 < self._left
        ):
            return  # deflate makes 1,032 bytes of one at the most
        for name in self._members:
            self.read(name)

    def _member(self, name: str) -> zipfile.ZipInfo | None:
        return self._members.get(name) or self._members.get(self._by_small_name.get(name.lower(), ""))

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise MalformedDocument(
                "it unpacks to more than 1 GiB and more than 200 times its own size: a decompression bomb?"
            )

    @staticmethod
    def _parsed(content: bytes, name: str) -> _Element:
        if b"purl.oclc.org" in content:
            content = _STRICT.sub(lambda found: _TRANSITIONAL.get(found[1], found[0]), content)
        return parse_xml(content, name)


def inside(folder: str, target: str) -> str:
    """The path in a package that `target`, as a part in `folder` writes it, leads to."""
    target = unquote(target.partition("#")[0]).replace("\\", "/")
    joined = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
    return posixpath.normpath(joined)


def _ole(data: bytes, what: str) -> MalformedDocument:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return MalformedDocument("it is password-protected", hint="Save a copy of it without a password.")
    return MalformedDocument(f"it is not {what} but a file of an older Office")


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0][:200]
