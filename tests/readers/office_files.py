"""Small files of office formats, made from their parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
_M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
_LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("style", "style"),
        ("presentation", "presentation"),
    )
)
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"


def zipped(members: Mapping[str, str | bytes], *, stored: Sequence[str] = ()) -> bytes:
    """A ZIP file; those in `stored` are not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            how = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            file.writestr(name, content, how)
    return out.getvalue()


def links(targets: Mapping[str, tuple[str, str]]) -> str:
    """A part of relationships: id → (kind, target)."""
    entries = "".join(
        f'<Relationship Id="{name}" Type="{_LINK}{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_LINKS}">{entries}</Relationships>'


def core(title: str) -> str:
    return (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>'
    )


def paragraph(text: str, style: str = "", properties: str = "") -> str:
    """A `w:p` with one run."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx_table(rows: Sequence[Sequence[str]]) -> str:
    body = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows
    )
    return f"<w:tbl>{body}</w:tbl>"


STYLES = "".join(
    f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{shown}"/>{more}</w:style>'
    for name, shown, more in (
        ("Heading1", "heading 1", ""),
        ("Heading2", "heading 2", ""),
        ("Mine", "My Chapter", '<w:basedOn w:val="Heading1"/>'),
        ("Outlined", "Outlined", '<w:pPr><w:outlineLvl w:val="2"/></w:pPr>'),
        ("Title", "Title", ""),
        ("SourceCode", "Source Code", ""),
    )
)


def docx(body: str, title: str = "", more: Mapping[str, tuple[str, str, str]] | None = None) -> bytes:
    """A DOCX. `more`: relationship id → (kind, name of the part, its XML)."""
    parts = {"styles": ("styles", "styles.xml", f"<w:styles {_W}>{STYLES}</w:styles>"), **(more or {})}
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"/>',
        "_rels/.rels": links({"r1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": f"<w:document {_W} {_R} {_A} {_MC} {_M}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": links(
            {name: (kind, target) for name, (kind, target, _) in parts.items()}
        ),
        **{f"word/{target}": content for _, target, content in parts.values()},
    }
    if title:
        members["docProps/core.xml"] = core(title)
    return zipped(members)


def word_part(root: str, content: str) -> str:
    return f"<w:{root} {_W}>{content}</w:{root}>"


def shape(text: str, placeholder: str = "") -> str:
    """A `p:sp` with a line for each line of `text`."""
    kind = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp><p:nvSpPr><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody>{lines}</p:txBody></p:sp>"


def slide_table(rows: Sequence[Sequence[str]]) -> str:
    cell = "<a:tc><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc>"
    body = "".join("<a:tr>" + "".join(cell.format(text) for text in row) + "</a:tr>" for row in rows)
    return (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{body}</a:tbl></a:graphicData></a:graphic>"
        "</p:graphicFrame>"
    )


class Slide(NamedTuple):
    shapes: str
    notes: str = ""
    hidden: bool = False


def pptx(slides: Sequence[Slide], title: str = "") -> bytes:
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="s{n}"/>' for n in range(len(slides)))
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"/>',
        "_rels/.rels": links({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": f"<p:presentation {_P} {_R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": links(
            {f"s{n}": ("slide", f"slides/slide{n}.xml") for n in range(len(slides))}
        ),
    }
    for number, slide in enumerate(slides):
        show = ' show="0"' if slide.hidden else ""
        tree = "<p:cSld><p:spTree>{}</p:spTree></p:cSld>"
        members[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {_P} {_A} {_R}{show}>{tree.format(slide.shapes)}</p:sld>"
        )
        if slide.notes:
            members[f"ppt/slides/_rels/slide{number}.xml.rels"] = links(
                {"n": ("notesSlide", f"../notesSlides/notes{number}.xml")}
            )
            members[f"ppt/notesSlides/notes{number}.xml"] = (
                f"<p:notes {_P} {_A}>{tree.format(shape(slide.notes, 'body'))}</p:notes>"
            )
    if title:
        members["docProps/core.xml"] = core(title)
    return zipped(members)


def cell(reference: str, value: str) -> str:
    """A cell of a sheet: text in line, or whatever XML is given."""
    if value.startswith("<"):
        return value
    return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'


def sheet_rows(rows: Sequence[Sequence[str]]) -> str:
    """Cells from A1 on; empty ones are left out."""
    out = ""
    for number, row in enumerate(rows, start=1):
        cells = "".join(cell(f"{chr(65 + n)}{number}", text) for n, text in enumerate(row) if text)
        out += f'<row r="{number}">{cells}</row>' if cells else ""
    return out


def xlsx(sheets: Mapping[str, str], hidden: Sequence[str] = (), title: str = "") -> bytes:
    """A workbook: name of a sheet → its rows as XML. Style 1 is a date."""
    states = ("visible", "hidden")
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="s{n}" state="{states[name in hidden]}"/>'
        for n, name in enumerate(sheets, start=1)
    )
    styles = (
        f'<styleSheet {_S}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
        "</cellXfs></styleSheet>"
    )
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"/>',
        "_rels/.rels": links({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f"<workbook {_S} {_R}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": links(
            {
                **{f"s{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)},
                "styles": ("styles", "styles.xml"),
            }
        ),
        "xl/styles.xml": styles,
    }
    for number, rows in enumerate(sheets.values(), start=1):
        members[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {_S}><sheetData>{rows}</sheetData></worksheet>"
        )
    if title:
        members["docProps/core.xml"] = core(title)
    return zipped(members)


def odf(kind: str, body: str, styles: str = "", title: str = "") -> bytes:
    """An OpenDocument file: `text`, `spreadsheet` or `presentation`."""
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": flat_odf(kind, body, styles),
            "meta.xml": f'<office:document-meta {_ODF} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
            f"<dc:title>{title}</dc:title></office:meta></office:document-meta>",
        },
        stored=["mimetype"],
    )


def flat_odf(kind: str, body: str, styles: str = "") -> str:
    return (
        f"<office:document {_ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    )


def epub(chapters: Mapping[str, str], names: Mapping[str, str] | None = None, title: str = "") -> bytes:
    """A book: file → body of its page; file → its name in the table of contents."""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    points = "".join(
        f"<navPoint><navLabel><text>{label}</text></navLabel><content src='{name}#x'/></navPoint>"
        for name, label in (names or {}).items()
    )
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{}</body></html>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
            f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata><manifest>'
            f'{items}<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
            f"<spine>{spine}</spine></package>",
            "OEBPS/toc.ncx": f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>',
            **{f"OEBPS/{name}": page.format(body) for name, body in chapters.items()},
        },
        stored=["mimetype"],
    )


class Words(NamedTuple):
    """Text of one line of a PDF page: from (x, y) on, in points, in a font of that size."""

    x: float
    y: float
    text: str
    size: float = 10.0
    bold: bool = False


def pdf(
    pages: Sequence[Sequence[Words]], title: str = "", bookmarks: Sequence[tuple[str, int]] = ()
) -> bytes:
    """A PDF of pages of 600 by 800 points. `bookmarks`: (title, index of the page)."""
    contents = [
        "\n".join(
            f"BT /{'B' if one.bold else 'F'} {one.size} Tf {one.x} {one.y} Td ({_escaped(one.text)}) Tj ET"
            for one in page
        )
        for page in pages
    ]
    return pdf_of_contents([content.encode("latin-1") for content in contents], title, bookmarks)


def pdf_of_contents(
    contents: Sequence[bytes], title: str = "", bookmarks: Sequence[tuple[str, int]] = (), more: str = ""
) -> bytes:
    """A PDF of pages with these content streams; `more`: further resources."""
    objects: list[bytes] = [b"", b"", b"", b""]  # catalogue, pages, two fonts
    page_numbers = []
    for content in contents:
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects)} 0 R "
            f"/Resources << /Font << /F 3 0 R /B 4 0 R >> {more} >> >>"
        )
        objects.append(page.encode())
        page_numbers.append(len(objects))
    kids = " ".join(f"{number} 0 R" for number in page_numbers)
    outlines = ""
    if bookmarks:
        root = len(objects) + 1
        outlines = f"/Outlines {root} 0 R"
        last = root + len(bookmarks)
        objects.append(f"<< /First {root + 1} 0 R /Last {last} 0 R /Count {len(bookmarks)} >>".encode())
        for number, (name, page_index) in enumerate(bookmarks, start=root + 1):
            following = f"/Next {number + 1} 0 R" if number < last else ""
            objects.append(
                f"<< /Title ({_escaped(name)}) /Parent {root} 0 R {following} "
                f"/Dest [{page_numbers[page_index]} 0 R /Fit] >>".encode()
            )
    objects[0] = f"<< /Type /Catalog /Pages 2 0 R {outlines} >>".encode()
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(page_numbers)} >>".encode()
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects[2], objects[3] = font.format("Helvetica").encode(), font.format("Helvetica-Bold").encode()
    objects.append(f"<< /Title ({_escaped(title)}) >>".encode())
    return _pdf_file(objects, info=len(objects))


def _pdf_file(objects: Sequence[bytes], info: int) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        info,
        start,
    )
    return bytes(out)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
