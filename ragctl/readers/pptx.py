"""PPTX: a slide is a page and a block, its title a heading; tables, charts, diagrams and notes are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ragctl.readers.docx import core_title
from ragctl.readers.kinds import PPTX
from ragctl.readers.office_charts import R, chart_rows
from ragctl.readers.pptx_shapes import P, Shape, diagram_text, shapes_of
from ragctl.readers.text_builder import TextBuilder
from ragctl.readers.zip_package import Link, ZipPackage
from ragctl.types import Document, Item

_FALSE = ("0", "false")


class PptxReader:
    """Reads the slides of a PPTX in their order, hidden ones too, each with its notes.

    Metadata: `slides`; `hidden_slides`, a list of numbers, where there are such.
    """

    name = "pptx"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """One document.

        Raises:
            MalformedDocument: it is no PPTX, broken, or password-protected.
            EmptyDocument: there is no text in it.
        """
        package = ZipPackage(data, "a PPTX file")
        main = package.main_part("ppt/presentation.xml")
        links = package.links(main)
        builder = TextBuilder()
        metadata: dict[str, Any] = {"slides": 0}
        hidden: list[int] = []
        for one in package.needed_xml(main).iterfind(f"{P}sldIdLst/{P}sldId"):
            link = links.get(one.get(R + "id") or "")
            if link is None:
                continue
            metadata["slides"] += 1
            if _add_slide(builder, package, link.target, metadata["slides"]):
                hidden.append(metadata["slides"])
        if hidden:
            metadata["hidden_slides"] = hidden
        yield builder.document(
            item,
            data,
            reader=f"{self.name}@{self.output_version}",
            media_type=PPTX,
            title=core_title(package),
            metadata=metadata,
        )


def _add_slide(builder: TextBuilder, package: ZipPackage, part: str, number: int) -> bool:
    """Adds a slide; is it hidden?"""
    slide = package.needed_xml(part)
    links = package.links(part)
    shapes = list(shapes_of(slide))
    title = next((shape for shape in shapes if shape.is_title), None)
    builder.page(number)
    with builder.slide():
        if title is None:
            builder.section(1, "")
        else:
            builder.heading(1, title.text)
        for shape in shapes:
            if shape is not title:
                _add_shape(builder, package, links, shape)
        for link in links.values():
            if link.kind == "notesSlide":
                _add_notes(builder, package, link.target)
    return slide.get("show") in _FALSE


def _add_shape(builder: TextBuilder, package: ZipPackage, links: dict[str, Link], shape: Shape) -> None:
    if shape.rows:
        builder.table(shape.rows)
    elif shape.text:
        builder.paragraph(shape.text)
    elif shape.linked[1] in links:
        part = package.xml(links[shape.linked[1]].target)
        if part is not None and shape.linked[0] == "chart":
            name, rows = chart_rows(part)
            builder.paragraph(name)
            builder.table(rows)
        elif part is not None:
            builder.paragraph(diagram_text(part))


def _add_notes(builder: TextBuilder, package: ZipPackage, part: str) -> None:
    root = package.xml(part)
    if root is None:
        return
    text = "\n".join(shape.text for shape in shapes_of(root) if shape.placeholder == "body")
    if text.strip():
        builder.paragraph(f"Notes: {text}")
