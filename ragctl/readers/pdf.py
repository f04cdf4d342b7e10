"""PDF by PDFium: text in the order of the content, pages, headings; scanned pages by OCR if there is any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from statistics import median
from typing import Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import ocr
from ragctl.readers.document_title import given_title
from ragctl.readers.kinds import PDF
from ragctl.readers.pdf_furniture import furniture
from ragctl.readers.pdf_headings import Bookmark, Place, headings
from ragctl.readers.pdf_lines import HYPHEN, Line, lines_of
from ragctl.readers.table import missing_library
from ragctl.readers.text_builder import TextBuilder
from ragctl.types import Document, Item

_HYPHENATED = re.compile(rf"(\w+){HYPHEN}(\w*)")
_WITH_HYPHEN = re.compile(r"\b\w+-\w+\b")
_PARAGRAPH_GAP = 0.4
"""Of a line's height, that a gap is larger than most others of the page where a paragraph begins."""
_DPI = 300
_MOST_PIXELS = 40_000_000
_MOST_BOOKMARKS = 20_000
_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", '"', "”", ")")


class PdfReader:
    """Reads PDF with PDFium. A page without text that has an image is read by OCR where there is Tesseract.

    Metadata: `pages`; `pages_read_by_ocr` and `pages_not_read`, lists of numbers, where there are such.
    """

    name = "pdf"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: PDFium cannot open it, or none of its pages; it is password-protected.
            EmptyDocument: there is no text in it, or only in images and there is no Tesseract.
            MissingPackage: pypdfium2 is not installed.
        """
        if not data:
            raise EmptyDocument("the file is empty", where=item.path)
        with closing(_opened(data)) as file:
            pages = _Pages(file)
            title = given_title(file.get_metadata_value("Title"))
            bookmarks = _bookmarks(file)
        text = _PdfText(pages, bookmarks)
        if not text.builder.length:
            if pages.all_broken:
                raise MalformedDocument("none of its pages can be read")
            raise EmptyDocument(pages.why_empty, where=item.path, hint=pages.hint)
        yield text.builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=PDF,
            title=title,
            metadata=pages.metadata,
        )


def _opened(data: bytes) -> Any:
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise missing_library("pdf", error) from error
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise MalformedDocument(
                "it is password-protected", hint="Save a copy of it without a password."
            ) from None
        reason = str(error).partition("PDFium: ")[2].rstrip(".)") or str(error)
        raise MalformedDocument(f"it is no whole PDF file: {reason}") from None


def _bookmarks(file: Any) -> list[Bookmark]:
    found: list[Bookmark] = []
    for mark in file.get_toc():
        target = mark.get_dest()
        page = target.get_index() if target else None
        if page is not None:
            found.append(Bookmark(mark.get_title(), mark.level + 1, page))
        if len(found) >= _MOST_BOOKMARKS:
            break
    return found


class _Pages:
    """The lines of every page; of scanned ones, the paragraphs that Tesseract reads."""

    def __init__(self, file: Any) -> None:
        self.lines: list[list[Line]] = []
        self.edges: list[tuple[float, float]] = []
        self.by_ocr: dict[int, list[str]] = {}
        self.not_read: list[int] = []
        self._has_form = file.get_formtype() != 0
        if self._has_form:
            file.init_forms()
        self._broken = 0
        for index in range(len(file)):
            self._read_page(file, index)

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {"pages": len(self.lines)}
        if self.by_ocr:
            found["pages_read_by_ocr"] = sorted(index + 1 for index in self.by_ocr)
        if self.not_read:
            found["pages_not_read"] = list(self.not_read)
        return found

    @property
    def all_broken(self) -> bool:
        """Of a file without text: has it pages, and can none of those that say nothing be read?"""
        return 0 < self._broken == len(self.not_read)

    @property
    def why_empty(self) -> str:
        if not self.not_read:
            return "there is no text in it"
        return f"there is no text in it: {len(self.not_read)} of its pages are images"

    @property
    def hint(self) -> str | None:
        return ocr.available() if self.not_read else None

    def _read_page(self, file: Any, index: int) -> None:
        import pypdfium2

        self.lines.append([])
        self.edges.append((0.0, 0.0))
        try:
            with closing(file[index]) as page:
                if self._has_form:
                    page.flatten()  # what stands in the fields becomes part of the page
                with closing(file[index] if self._has_form else page) as page:
                    _, lower, _, upper = page.get_cropbox()
                    self.edges[index] = (lower, upper)
                    with closing(page.get_textpage()) as textpage:
                        self.lines[index] = lines_of(textpage)
                    if not self.lines[index]:
                        self._look_at_image(page, index)
        except pypdfium2.PdfiumError:
            self._broken += 1
            self.not_read.append(index + 1)

    def _look_at_image(self, page: Any, index: int) -> None:
        import pypdfium2.raw as raw  # type: ignore[import-untyped]

        if not any(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)):
            return
        if ocr.available():
            self.not_read.append(index + 1)
            return
        text = "\n\n".join(ocr.recognised(_picture(page)))
        self.by_ocr[index] = [one for one in text.split("\n\n") if one.strip()]


def _picture(page: Any) -> bytes:
    """The page in grey at 300 dots an inch, or at as many as make 40 million pixels: a PGM file."""
    width, height = page.get_size()
    scale = min(_DPI / 72, (_MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    with closing(bitmap):
        rows = memoryview(bitmap.buffer).cast("B")
        step, wide = bitmap.stride, bitmap.width
        pixels = b"".join(bytes(rows[at : at + wide]) for at in range(0, step * bitmap.height, step))
        return b"P5 %d %d 255\n" % (wide, bitmap.height) + pixels


class _PdfText:
    """From lines to paragraphs and headings, page by page."""

    def __init__(self, pages: _Pages, bookmarks: Sequence[Bookmark]) -> None:
        dropped = furniture(list(zip(pages.edges, pages.lines, strict=True)))
        kept = [
            [line for index, line in enumerate(lines) if (number, index) not in dropped]
            for number, lines in enumerate(pages.lines)
        ]
        self._headings = headings(kept, bookmarks)
        self._written = {
            word.casefold() for lines in kept for line in lines for word in _WITH_HYPHEN.findall(line.text)
        }
        self.builder = TextBuilder()
        for number, lines in enumerate(kept):
            self.builder.page(number + 1)
            for paragraph in pages.by_ocr.get(number, ()):
                self.builder.paragraph(paragraph)
            self._add_page(number, lines, self._headings)

    def _add_page(self, number: int, lines: Sequence[Line], places: Mapping[tuple[int, int], Place]) -> None:
        usual = _usual_gap(lines)
        waiting: list[str] = []
        last: Line | None = None
        index = 0
        while index < len(lines):
            place = places.get((number, index))
            if place is not None:
                self._add_paragraph(waiting)
                words = " ".join(line.text for line in lines[index : index + place.lines])
                self.builder.heading(place.level, self._unhyphenated(words))
                index += place.lines
                last = None
                continue
            line = lines[index]
            if last is not None and _begins_paragraph(last, line, usual):
                self._add_paragraph(waiting)
            waiting.append(line.text)
            last = line
            index += 1
        self._add_paragraph(waiting)

    def _add_paragraph(self, lines: list[str]) -> None:
        self.builder.paragraph(self._unhyphenated("\n".join(lines)))
        lines.clear()

    def _unhyphenated(self, text: str) -> str:
        """Words that were divided at a line's end are whole again; a hyphen that belongs to one stays."""
        if HYPHEN not in text:
            return text
        return _HYPHENATED.sub(self._whole_word, text).replace(HYPHEN, "-")

    def _whole_word(self, found: re.Match[str]) -> str:
        before, after = found[1], found[2]
        belongs = (
            not after
            or after[0].isupper()
            or after[0].isdigit()
            or before[-1].isdigit()
            or f"{before}-{after}".casefold() in self._written
        )
        return f"{before}-{after}" if belongs else before + after


def _usual_gap(lines: Sequence[Line]) -> float:
    """Points between lines that follow each other downwards."""
    gaps = [
        before.bottom - line.top
        for before, line in pairwise(lines)
        if 0 < before.bottom - line.bottom < 4 * max(line.height, 1.0)
    ]
    return median(gaps) if gaps else 0.0


def _begins_paragraph(before: Line, line: Line, usual: float) -> bool:
    if line.bottom > before.bottom + before.height:  # the next column
        return before.text.endswith(_ENDS) or not line.text[:1].islower()
    gap = before.bottom - line.top
    return gap > usual + _PARAGRAPH_GAP * max(min(line.height, before.height), 1.0)
