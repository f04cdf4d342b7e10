"""OpenDocument: texts, sheets and slides."""

from __future__ import annotations

import pytest
from readers.office_files import flat_odf, odf, zipped
from readers.reading import outline, read

from ragctl.errors import MalformedDocument
from ragctl.readers import sheet_tables

_TEXT = (
    "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
    '<text:h text:outline-level="1">One</text:h><text:p>A<text:s text:c="2"/>b <text:span>c</text:span>'
    "<text:note><text:note-citation>9</text:note-citation><text:note-body><text:p>Note.</text:p></text:note-body>"
    "</text:note></text:p><text:list><text:list-item><text:p>x</text:p><text:list><text:list-item>"
    "<text:p>y</text:p>"
    "</text:list-item></text:list></text:list-item></text:list>"
    '<text:h text:outline-level="2">Two</text:h>'
    "<table:table><table:table-row><table:table-cell><text:p>k</text:p>"
    "</table:table-cell><table:table-cell><text:p>v</text:p></table:table-cell></table:table-row><table:table-row>"
    "<table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell><text:p>2</text:p></table:table-cell>"
    "</table:table-row></table:table>"
)
_READ = "One\n\nA  b c[1]\n\n[1] Note.\n- x\n  - y\n\nTwo\n\nk | v\n1 | 2"


def test_text() -> None:
    document = read("a.odt", odf("text", _TEXT, title="Given"))
    assert document.text == _READ
    assert outline(document) == [("One",), ("One", "Two")]
    assert [(one.kind, one.header) for one in document.blocks] == [("table", "k | v")]
    assert document.title == "Given"


def test_a_flat_file_is_read_as_a_zipped_one() -> None:
    from ragctl.readers.odf import OpenDocumentReader
    from ragctl.types import Item

    (document,) = OpenDocumentReader().read(Item("s", "a.fodt", "u", "f"), flat_odf("text", _TEXT).encode())
    assert document.text == _READ


def test_code_and_title_by_their_styles() -> None:
    styles = '<style:style style:name="P1" style:parent-style-name="Preformatted_20_Text"/>'
    body = '<text:p text:style-name="Title">Book</text:p>'
    body += '<text:p text:style-name="P1">a<text:s text:c="3"/>b</text:p>'
    document = read("a.odt", odf("text", body + '<text:p text:style-name="P1">c</text:p>', styles))
    assert document.text == "Book\n\na   b\nc"
    assert document.title == "Book"
    assert [one.kind for one in document.blocks] == ["code"]


def test_sheets() -> None:
    styles = '<style:style style:name="hid"><style:table-properties table:display="false"/></style:style>'
    table = (
        '<table:table table:name="Data"><table:table-row>'
        "<table:table-cell><text:p>When</text:p></table:table-cell>"
        "<table:table-cell><text:p>What</text:p></table:table-cell></table:table-row><table:table-row>"
        '<table:table-cell office:value-type="date" office:date-value="2024-02-01"><text:p>1.2.24</text:p>'
        "</table:table-cell><table:table-cell><text:p>rain</text:p></table:table-cell><table:table-cell "
        'table:number-columns-repeated="16380"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1048573">'
        "<table:table-cell/></table:table-row></table:table>"
        '<table:table table:name="More" table:style-name="hid">'
        "<table:table-row><table:table-cell><text:p>x</text:p>"
        "</table:table-cell></table:table-row></table:table>"
    )
    document = read("a.ods", odf("spreadsheet", table, styles))
    assert document.text == "When | What\n2024-02-01 | rain\n\nx"
    assert outline(document) == [("Data",), ("More",)]
    assert [one.sheet for one in document.anchors] == ["Data", "More"]
    assert document.metadata == {"sheets": ["Data", "More"], "hidden_sheets": ["More"]}


def test_slides() -> None:
    def frame(text: str, kind: str = "outline") -> str:
        return (
            f'<draw:frame presentation:class="{kind}"><draw:text-box><text:p>{text}</text:p></draw:text-box>'
            "</draw:frame>"
        )

    notes = f"<presentation:notes>{frame('Slowly.', 'notes')}</presentation:notes>"
    pages = f"<draw:page>{frame('Body')}{frame('Plans', 'title')}{notes}</draw:page>"
    pages += f"<draw:page>{frame('x')}</draw:page>"
    document = read("a.odp", odf("presentation", pages))
    assert document.text == "Plans\n\nBody\n\nNotes: Slowly.\n\nx"
    assert outline(document) == [("Plans",), ()]
    assert [(one.kind, one.start) for one in document.blocks] == [("slide", 0), ("slide", 29)]
    assert [one.page for one in document.anchors] == [1, 2]


def test_a_password_is_said_so() -> None:
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry>'
        "<m:encryption-data/></m:file-entry></m:manifest>"
    )
    data = zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": b"\x12\x34",
            "META-INF/manifest.xml": manifest,
        },
        stored=["mimetype"],
    )
    with pytest.raises(MalformedDocument, match="password-protected"):
        read("a.odt", data)


def test_repeated_cells_do_not_explode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_tables, "MOST_CHARACTERS", 100_000)
    cell = (
        '<table:table-cell table:number-columns-repeated="999"><text:p>xxxxxxxxxx</text:p></table:table-cell>'
    )
    row = f'<table:table-row table:number-rows-repeated="999">{cell}</table:table-row>'
    with pytest.raises(MalformedDocument, match="comes to more than"):
        read("a.ods", odf("spreadsheet", f"<table:table>{row}</table:table>"))
    wide = f"<table:table-row>{cell * 30}</table:table-row>"
    with pytest.raises(MalformedDocument, match="20,000 columns"):
        read("a.ods", odf("spreadsheet", f"<table:table>{wide}</table:table>"))
