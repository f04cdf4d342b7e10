"""DOCX: what stands in the body, in its order, and nothing that was deleted."""

from __future__ import annotations

from readers.office_files import docx, docx_table, paragraph, word_part, zipped
from readers.reading import outline, read

from ragctl.types import Block

_DELETED = "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
_INSERTED = "<w:ins><w:r><w:t>new</w:t></w:r></w:ins>"


def test_headings_and_paragraphs() -> None:
    document = read(
        "a.docx",
        docx(
            paragraph("Report", "Title")
            + paragraph("One", "Heading1")
            + paragraph("First.")
            + paragraph("Two", "Heading2")
            + paragraph("Second.")
            + paragraph("Three", "Mine")
            + paragraph("Third.")
        ),
    )
    assert document.text == "Report\n\nOne\n\nFirst.\n\nTwo\n\nSecond.\n\nThree\n\nThird."
    assert outline(document) == [("Report",), ("One",), ("One", "Two"), ("Three",)]
    assert document.title == "Report"
    assert document.media_type.endswith("wordprocessingml.document")


def test_an_outline_level_makes_a_heading() -> None:
    body = paragraph("Deep", "Outlined") + paragraph("Own", "", '<w:outlineLvl w:val="0"/>') + paragraph("x")
    assert outline(read("a.docx", docx(body))) == [("Deep",), ("Own",)]


def test_the_title_of_the_properties_comes_first() -> None:
    assert read("a.docx", docx(paragraph("One", "Heading1"), title="Given")).title == "Given"
    assert read("a.docx", docx(paragraph("One", "Heading1"), title="Microsoft Word - a.doc")).title == "One"
    document = read("a.docx", docx(paragraph("one")))
    assert (document.title, document.title_is_fallback) == ("a", True)


def test_insertions_are_kept_and_deletions_are_not() -> None:
    moved = "<w:moveFrom><w:r><w:t>from</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>to</w:t></w:r></w:moveTo>"
    body = f"<w:p><w:r><w:t xml:space='preserve'>It is </w:t></w:r>{_DELETED}{_INSERTED}{moved}</w:p>"
    assert read("a.docx", docx(body)).text == "It is newto"


def test_a_row_that_was_deleted_is_left_out() -> None:
    rows = docx_table([["a", "b"], ["c", "d"], ["e", "f"]])
    gone = rows.replace("<w:tr>", "<w:tr><w:trPr><w:del/></w:trPr>", 2).replace(
        "<w:tr><w:trPr><w:del/></w:trPr>", "<w:tr>", 1
    )
    assert read("a.docx", docx(gone)).text == "a | b\ne | f"


def test_a_table_is_a_block_with_its_header() -> None:
    body = paragraph("Before.") + docx_table([["Name", "Cost"], ["a|b", "1"], ["", ""], ["c", ""]])
    document = read("a.docx", docx(body + paragraph("After.")))
    assert document.text == "Before.\n\nName | Cost\na/b | 1\nc\n\nAfter."
    assert document.blocks == (Block(9, document.text.index("\n\nAfter"), "table", "Name | Cost"),)


def test_merged_cells_are_empty_where_another_one_covers() -> None:
    wide = f'<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>{paragraph("wide")}</w:tc>'
    tall = f'<w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr>{paragraph("tall")}</w:tc>'
    below = f"<w:tc><w:tcPr><w:vMerge/></w:tcPr>{paragraph('hidden')}</w:tc>"
    plain = f"<w:tc>{paragraph('x')}</w:tc>"
    body = f"<w:tbl><w:tr>{wide}{plain}</w:tr><w:tr>{tall}{plain}{plain}</w:tr>"
    body += f"<w:tr>{below}{plain}{plain}</w:tr></w:tbl>"
    assert read("a.docx", docx(body)).text == "wide |  | x\ntall | x | x\n | x | x"


def test_a_table_of_one_cell_is_a_frame() -> None:
    document = read("a.docx", docx(docx_table([["In a box"]]) + paragraph("x")))
    assert (document.text, document.blocks) == ("In a box\n\nx", ())


def test_lists_have_their_numbers() -> None:
    def item(text: str, level: int, number: int = 1) -> str:
        listed = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
        return paragraph(text, "", listed)

    numbering = word_part(
        "numbering",
        '<w:abstractNum w:abstractNumId="0">'
        '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/>'
        '<w:lvlText w:val="%1.%2)"/></w:lvl>'
        '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
        '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0">'
        '<w:startOverride w:val="7"/>'
        "</w:lvlOverride></w:num>",
    )
    body = item("one", 0) + item("a", 1) + item("b", 1) + item("two", 0) + item("a again", 1)
    body += paragraph("Then:") + item("dot", 0, 2) + item("seven", 0, 3) + item("eight", 0, 3)
    document = read("a.docx", docx(body, more={"n": ("numbering", "numbering.xml", numbering)}))
    assert document.text == (
        "1. one\n  1.a) a\n  1.b) b\n2. two\n  2.a) a again\n\nThen:\n\n- dot\n7. seven\n8. eight"
    )


def test_footnotes_stand_after_their_paragraph() -> None:
    notes = word_part("footnotes", f'<w:footnote w:id="5">{paragraph("See there.")}</w:footnote>')
    body = '<w:p><w:r><w:t>Claim</w:t></w:r><w:r><w:footnoteReference w:id="5"/></w:r></w:p>' + paragraph("x")
    document = read("a.docx", docx(body, more={"f": ("footnotes", "footnotes.xml", notes)}))
    assert document.text == "Claim[1]\n\n[1] See there.\n\nx"


def test_code_is_a_block_with_its_blanks() -> None:
    body = paragraph("Look:") + paragraph("if x:", "SourceCode")
    body += "<w:p><w:pPr><w:pStyle w:val='SourceCode'/></w:pPr><w:r><w:t>    y()</w:t></w:r></w:p>"
    document = read("a.docx", docx(body + paragraph("Done.")))
    assert document.text == "Look:\n\nif x:\n    y()\n\nDone."
    assert [(block.kind, document.text[block.start : block.end]) for block in document.blocks] == [
        ("code", "if x:\n    y()")
    ]


def test_a_text_box_is_read_once() -> None:
    box = f"<w:txbxContent>{paragraph('In the box')}</w:txbxContent>"
    body = (
        "<w:p><w:r><mc:AlternateContent><mc:Choice><w:drawing>" + box + "</w:drawing></mc:Choice>"
        "<mc:Fallback><w:pict>" + box + "</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert read("a.docx", docx(body)).text == "In the box"


def test_pages_are_where_word_began_them() -> None:
    turn = "<w:lastRenderedPageBreak/>"
    body = paragraph("One.") + f"<w:p><w:r>{turn}<w:t>Two.</w:t></w:r></w:p>"
    body += f"<w:p><w:r><w:t>Still two, </w:t>{turn}<w:t>three.</w:t></w:r></w:p>"
    document = read("a.docx", docx(body))
    assert document.text == "One.\n\nTwo.\n\nStill two, three."
    places = [(document.text[one.start :].split(".")[0], one.page) for one in document.anchors]
    assert places == [("One", 1), ("Two", 2), ("three", 3)]


def test_breaks_formulas_and_fields() -> None:
    above, below = (f"<m:r><m:t>{text}</m:t></m:r>" for text in ("a+b", "2"))
    fraction = f"<m:oMath><m:f><m:num>{above}</m:num><m:den>{below}</m:den></m:f></m:oMath>"
    body = f"<w:p><w:r><w:t>x</w:t><w:br/><w:t>y</w:t><w:tab/><w:t>z</w:t></w:r>{fraction}</w:p>"
    body += "<w:p><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:t>7</w:t></w:r></w:p>"
    assert read("a.docx", docx(body)).text == "x\ny\tz(a+b)/2\n\n7"


def test_strict_files_are_read_as_others_are() -> None:
    main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = f'<w:document xmlns:w="{main}"><w:body>{paragraph("Strict.")}</w:body></w:document>'
    strict = document.replace(main, "http://purl.oclc.org/ooxml/wordprocessingml/main")
    data = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": strict})
    assert read("a.docx", data).text == "Strict."
