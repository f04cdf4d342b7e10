"""EPUB: the chapters in the order of the book's spine, each read as a page of HTML."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.assemble import assemble, one_line
from ragctl.readers.document_title import given_title
from ragctl.readers.html import HtmlReader
from ragctl.readers.kinds import EPUB, HTML
from ragctl.readers.zip_package import ZipPackage, inside
from ragctl.types import Anchor, Block, Document, Item, Section

if TYPE_CHECKING:
    from lxml.etree import _Element

_CONTAINER = "META-INF/container.xml"
_CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Fonts may be made unreadable by these; nothing else is encrypted then."""


class EpubReader:
    """Reads an EPUB. A chapter without a heading of its own stands under its name in the contents."""

    name = "epub"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no EPUB, broken, or protected against copying.
            EmptyDocument: there is no text in it.
        """
        package = ZipPackage(data, "an EPUB")
        _check_protection(package)
        main = _package_file(package)
        book = package.needed_xml(main)
        whole = _Chapters(item)
        contents = _contents(package, book, main)
        for path in _spine(book, main):
            content = package.read(path)
            if content is not None:
                whole.add(content, contents.get(path, ""))
        yield assemble(
            item,
            data,
            "".join(whole.parts),
            reader=f"{self.name}@{self.output_version}",
            media_type=EPUB,
            sections=tuple(whole.sections),
            anchors=(Anchor(0),),
            blocks=tuple(whole.blocks),
            title=given_title(_first_text(book, "title")) or whole.first_heading,
        )


class _Chapters:
    """Documents of chapters, put one after another."""

    def __init__(self, item: Item) -> None:
        self._item = replace(item, media_type=HTML)
        self._reader = HtmlReader()
        self._length = 0
        self._last: tuple[str, ...] = ()
        self.parts: list[str] = []
        self.sections: list[Section] = []
        self.blocks: list[Block] = []
        self.first_heading = ""

    def add(self, content: bytes, name: str) -> None:
        """One file of the book; without a name and a heading, it goes on where the one before ended."""
        try:
            (chapter,) = self._reader.read(self._item, content)
        except EmptyDocument:
            return  # a picture, a blank page
        if self.parts:
            self._write("\n\n")
            last = self.sections[-1]
            self.sections[-1] = Section(last.start, self._length, last.headings)
        start = self._length
        self._write(chapter.text)
        before = (one_line(name),) if one_line(name) else self._last
        for one in chapter.sections:
            headings = one.headings or before
            self._last = headings
            self.first_heading = self.first_heading or (headings[0] if headings else "")
            self.sections.append(Section(start + one.start, start + one.end, headings))
        for block in chapter.blocks:
            self.blocks.append(replace(block, start=start + block.start, end=start + block.end))

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)


def _local(element: _Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(root: _Element, name: str) -> Iterator[_Element]:
    """Elements of that name in whatever namespace: books are careless with them."""
    return (one for one in root.iter() if _local(one) == name)


def _first_text(root: _Element, name: str) -> str:
    found = next(_all(root, name), None)
    return "".join(map(str, found.itertext())) if found is not None else ""


def _check_protection(package: ZipPackage) -> None:
    if package.read("META-INF/rights.xml") is not None:
        raise MalformedDocument("it is protected against copying (DRM)")
    encryption = package.xml("META-INF/encryption.xml")
    for one in _all(encryption, "EncryptionMethod") if encryption is not None else ():
        if one.get("Algorithm") not in _FONTS and _local(one.getparent() or one) == "EncryptedData":
            raise MalformedDocument("it is protected against copying (DRM)")


def _package_file(package: ZipPackage) -> str:
    container = package.xml(_CONTAINER)
    for one in _all(container, "rootfile") if container is not None else ():
        path = one.get("full-path")
        if path:
            return inside("", path)
    named = next((name for name in package.names if name.lower().endswith(".opf")), None)
    if named is None:
        raise MalformedDocument("it is not an EPUB: nothing in it says what the book consists of")
    return named


def _manifest(book: _Element, main: str) -> dict[str, tuple[str, str, str]]:
    """Id → path, media type and properties of every file of the book."""
    folder = posixpath.dirname(main)
    return {
        one.get("id", ""): (
            inside(folder, one.get("href") or ""),
            one.get("media-type") or "",
            one.get("properties") or "",
        )
        for one in _all(book, "item")
    }


def _spine(book: _Element, main: str) -> Iterator[str]:
    """Paths of the chapters in reading order, but for the table of contents itself."""
    manifest = _manifest(book, main)
    seen: set[str] = set()
    for one in _all(book, "itemref"):
        path, kind, properties = manifest.get(one.get("idref") or "", ("", "", ""))
        if path and path not in seen and kind in _CHAPTERS and "nav" not in properties.split():
            seen.add(path)
            yield path


def _contents(package: ZipPackage, book: _Element, main: str) -> dict[str, str]:
    """Path of a chapter → its name in the table of contents (NCX), where it is named first."""
    names: dict[str, str] = {}
    for path, kind, _ in _manifest(book, main).values():
        if kind != "application/x-dtbncx+xml":
            continue
        try:
            root = package.xml(path)
        except MalformedDocument:
            continue  # the chapters can be read without their names
        for point in _all(root, "navPoint") if root is not None else ():
            label = next(_all(point, "text"), None)
            target = next(_all(point, "content"), None)
            if label is not None and target is not None and label.text:
                place = inside(posixpath.dirname(path), target.get("src") or "")
                names.setdefault(place, label.text)
    return names
