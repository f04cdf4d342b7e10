"""OpenDocument: texts, sheets and slides (ODT, ODS, ODP), zipped or as one XML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.document_title import given_title
from ragctl.readers.kinds import ODP, ODS, ODT
from ragctl.readers.odf_text import (
    DRAW,
    OFFICE,
    PRESENTATION,
    STYLE,
    TABLE,
    OdfBody,
    parents_of,
    rows_of,
)
from ragctl.readers.safe_xml import parse_xml
from ragctl.readers.sheet_tables import add_sheet
from ragctl.readers.text_builder import TextBuilder
from ragctl.readers.zip_package import ZipPackage
from ragctl.types import Document, Item

if TYPE_CHECKING:
    from lxml.etree import _Element

_MANIFEST = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_TITLES = ("title",)
_NOT_READ = ("date-time", "footer", "header", "page-number")
_MOST_REPEATED = 1000
_KINDS = (("text", ODT), ("spreadsheet", ODS), ("presentation", ODP))
_DEEPEST = 60


class OpenDocumentReader:
    """Reads ODT, ODS and ODP, and their flat XML forms.

    A sheet is a section, a slide a page and a block; footnotes stand after their paragraph. Deletions that
    were tracked, comments, headers and footers are not read.
    """

    name = "odf"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no such file, broken, or password-protected.
            EmptyDocument: there is no text in it.
        """
        if not data:
            raise EmptyDocument("the file is empty", where=item.path)
        content, styles, meta = _parts(data)
        body = content.find(OFFICE + "body")
        name, kind = next(
            (one for one in _KINDS if body is not None and body.find(OFFICE + one[0]) is not None), ("", "")
        )
        if body is None or not name:
            raise MalformedDocument("it is an OpenDocument file, but of no kind with a text")
        inside = body.find(OFFICE + name)
        assert inside is not None
        builder = TextBuilder()
        parents = parents_of(content, styles)
        title, metadata = "", {}
        if kind == ODT:
            text = OdfBody(builder, parents)
            text.read(inside)
            title = text.title
        elif kind == ODS:
            metadata = _add_sheets(builder, content, inside, parents)
        else:
            metadata = _add_slides(builder, inside, parents)
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=kind,
            title=_given(meta) or title,
            metadata=metadata,
        )


def _parts(data: bytes) -> tuple[_Element, _Element | None, _Element | None]:
    """Content, styles and properties; of a flat file, one tree is all of them."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        root = parse_xml(data, "the file")
        return root, None, root
    package = ZipPackage(data, "an OpenDocument file")
    manifest = package.xml("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter(_MANIFEST + "encryption-data"), None) is not None:
        raise MalformedDocument("it is password-protected", hint="Save a copy of it without a password.")
    return package.needed_xml("content.xml"), package.xml("styles.xml"), package.xml("meta.xml")


def _given(meta: _Element | None) -> str:
    found = next(meta.iter(_DC_TITLE), None) if meta is not None else None
    return given_title(found.text) if found is not None else ""


def _add_sheets(
    builder: TextBuilder, content: _Element, body: _Element, parents: dict[str, str]
) -> dict[str, Any]:
    hidden_styles = {
        style.get(STYLE + "name")
        for style in content.iter(STYLE + "style")
        for properties in style.iterfind(STYLE + "table-properties")
        if properties.get(TABLE + "display") == "false"
    }
    names: list[str] = []
    hidden: list[str] = []
    for table in body.iterfind(TABLE + "table"):
        name = table.get(TABLE + "name") or f"Sheet{len(names) + 1}"
        names.append(name)
        if table.get(TABLE + "style-name") in hidden_styles:
            hidden.append(name)
        add_sheet(builder, name, _sheet_rows(table, OdfBody(builder, parents)))
    return {"sheets": names, **({"hidden_sheets": hidden} if hidden else {})}


def _sheet_rows(table: _Element, reader: OdfBody) -> Iterator[list[str]]:
    for cells, times in rows_of(table):
        row = ["" if cell is None else _value(cell, reader) for cell in cells]
        for _ in range(min(times, _MOST_REPEATED)):
            yield row


def _value(cell: _Element, reader: OdfBody) -> str:
    """Dates as ISO 8601, other values as the sheet shows them."""
    date = cell.get(OFFICE + "date-value")
    return date.replace("T", " ") if date else " ".join(reader.lines(cell))


def _add_slides(builder: TextBuilder, body: _Element, parents: dict[str, str]) -> dict[str, Any]:
    hidden_styles = {
        style.get(STYLE + "name")
        for style in body.getroottree().iter(STYLE + "style")
        for properties in style.iterfind(STYLE + "drawing-page-properties")
        if properties.get(PRESENTATION + "visibility") == "hidden"
    }
    hidden: list[int] = []
    number = 0
    for number, page in enumerate(body.iterfind(DRAW + "page"), start=1):
        if page.get(DRAW + "style-name") in hidden_styles:
            hidden.append(number)
        builder.page(number)
        with builder.slide():
            _add_slide(builder, page, parents)
    return {"slides": number, **({"hidden_slides": hidden} if hidden else {})}


def _add_slide(builder: TextBuilder, page: _Element, parents: dict[str, str]) -> None:
    frames = [one for one in page if one.get(PRESENTATION + "class") not in _NOT_READ]
    title = next((one for one in frames if one.get(PRESENTATION + "class") in _TITLES), None)
    reader = OdfBody(builder, parents)
    words = " ".join(reader.lines(title)) if title is not None else ""
    if words.strip():
        builder.heading(1, words)
    else:
        builder.section(1, "")
    for frame in frames:
        if frame is not title and frame.tag != PRESENTATION + "notes":
            reader.read(frame)
    notes = page.find(PRESENTATION + "notes")
    if notes is not None:
        boxes = notes.iterfind(f"{DRAW}frame/{DRAW}text-box")
        text = "\n".join(line for box in boxes for line in reader.lines(box))
        if text.strip():
            builder.paragraph(f"Notes: {text}")
