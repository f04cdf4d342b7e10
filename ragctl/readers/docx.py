"""DOCX, read from its XML: python-docx leaves out insertions, footnotes, text boxes and numbers of lists."""

from __future__ import annotations

from collections.abc import Iterator

from ragctl.readers.document_title import given_title
from ragctl.readers.docx_body import BodyReader, Parts
from ragctl.readers.docx_numbering import Numbering
from ragctl.readers.docx_styles import W, styles_of
from ragctl.readers.kinds import DOCX
from ragctl.readers.text_builder import TextBuilder
from ragctl.readers.zip_package import Link, ZipPackage
from ragctl.types import Document, Item

_NOTES = ("footnotes", "endnotes")


class DocxReader:
    """Reads the body of a DOCX: headings, lists, tables, text boxes, footnotes after their paragraph.

    Insertions that were tracked are read, deletions are not; nor are headers, footers and comments. Pages are
    where Word began them when it last laid the document out, if the file says so.
    """

    name = "docx"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no DOCX, broken, or password-protected.
            EmptyDocument: there is no text in it.
        """
        package = ZipPackage(data, "a DOCX file")
        main = package.main_part("word/document.xml")
        root = package.needed_xml(main)
        parts = _parts(package, package.links(main))
        builder = TextBuilder()
        has_pages = next(root.iter(W + "lastRenderedPageBreak"), None) is not None
        body = BodyReader(builder, parts, has_pages=has_pages)
        body.read(root)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=DOCX,
            title=core_title(package) or body.title,
        )


def core_title(package: ZipPackage) -> str:
    """The title among the properties of an Office Open XML file."""
    root = package.xml("docProps/core.xml")
    found = root.find("{http://purl.org/dc/elements/1.1/}title") if root is not None else None
    return given_title(found.text if found is not None else None)


def _parts(package: ZipPackage, links: dict[str, Link]) -> Parts:
    """What the body refers to; a part that is missing says nothing."""
    parts = Parts()
    for name, link in links.items():
        if link.kind == "styles":
            root = package.xml(link.target)
            parts.styles = styles_of(root)
            for one in root.iterfind(W + "style") if root is not None else ():
                if one.get(W + "default") in ("1", "true") and one.get(W + "type") == "paragraph":
                    parts.default_style = one.get(W + "styleId", "")
        elif link.kind == "numbering":
            parts.numbering = Numbering(package.xml(link.target))
        elif link.kind == "chart":
            chart = package.xml(link.target)
            if chart is not None:
                parts.charts[name] = chart
        elif link.kind in _NOTES:
            kind = link.kind.removesuffix("s")
            root = package.xml(link.target)
            for note in root if root is not None else ():
                parts.notes[kind, note.get(W + "id") or ""] = list(note.iter(W + "p"))
    return parts
