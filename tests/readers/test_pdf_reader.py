"""PDF: pages, paragraphs, headings, hyphens, and what stands on every page."""

from __future__ import annotations

import pytest
from readers.office_files import Words, pdf, pdf_of_contents
from readers.reading import outline, read

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import ocr
from ragctl.types import Document


def lines(x: float, top: float, *texts: str, step: float = 12.0) -> list[Words]:
    """Lines of one paragraph from (x, top) downwards."""
    return [Words(x, top - step * index, text) for index, text in enumerate(texts)]


def page_of(document: Document, text: str) -> int | None:
    at = document.text.index(text)
    return [one.page for one in document.anchors if one.start <= at][-1]


def test_pages_and_paragraphs() -> None:
    first = lines(50, 700, "It begins here", "and goes on.") + lines(50, 640, "Another paragraph.")
    document = read("a.pdf", pdf([first, lines(50, 700, "The second page.")]))
    assert document.text == "It begins here\nand goes on.\n\nAnother paragraph.\n\nThe second page."
    assert [(one.start, one.page) for one in document.anchors] == [(0, 1), (49, 2)]
    assert document.metadata == {"pages": 2}
    assert document.media_type == "application/pdf"
    assert (document.title, document.title_is_fallback) == ("a", True)


def test_large_letters_are_headings() -> None:
    body = [f"The text of line {number} is as long as such lines are." for number in range(8)]
    page = [Words(50, 750, "A Report", 20.0), Words(50, 700, "First part", 14.0), *lines(50, 660, *body)]
    page += [Words(50, 500, "Second part", 14.0), *lines(50, 470, *body)]
    page += [Words(50, 350, "2.1 Numbered and bold", bold=True), *lines(50, 330, *body)]
    document = read("a.pdf", pdf([page]))
    assert outline(document) == [
        ("A Report",),
        ("A Report", "First part"),
        ("A Report", "Second part"),
        ("A Report", "Second part", "2.1 Numbered and bold"),
    ]
    assert document.title == "A Report"


def test_bookmarks_come_before_sizes() -> None:
    body = [f"The text of line {number} is as long as such lines are." for number in range(8)]
    names = ["Alpha", "Beta", "Gamma"]
    pages = [
        [Words(50, 700, f"{n}. {name}"), Words(50, 650, "Large", 20.0), *lines(50, 600, *body)]
        for n, name in enumerate(names, start=1)
    ]
    document = read("a.pdf", pdf(pages, bookmarks=[(name, n) for n, name in enumerate(names)]))
    assert outline(document) == [("1. Alpha",), ("2. Beta",), ("3. Gamma",)]


def test_words_divided_at_line_ends_are_whole() -> None:
    page = lines(
        50, 700, "We look at some infor-", "mation about well-", "known things, a well-known mat-", "ter."
    )
    assert (
        read("a.pdf", pdf([page])).text
        == "We look at some information about well-known things, a well-known matter."
    )


def test_columns_one_after_the_other() -> None:
    left = lines(50, 700, "The left column", "comes before")
    right = lines(320, 700, "the right column,", "which ends here.")
    assert read("a.pdf", pdf([left + right])).text == (
        "The left column\ncomes before\nthe right column,\nwhich ends here."
    )


def test_running_heads_and_page_numbers_are_left_out() -> None:
    pages = [
        [
            Words(50, 780, "Handbook of Things"),
            *lines(50, 700, f"What page {word} says."),
            Words(290, 20, f"Page {number}"),
        ]
        for number, word in enumerate(("one", "two", "three", "four"), start=7)
    ]
    document = read("a.pdf", pdf(pages))
    assert document.text == "\n\n".join(f"What page {word} says." for word in ("one", "two", "three", "four"))


def test_lines_of_numbers_at_the_edge_are_kept_if_they_do_not_count_pages() -> None:
    pages = [[Words(50, 780, f"Total {n}"), *lines(50, 700, "x y z")] for n in (3, 11, 5, 8)]
    document = read("a.pdf", pdf(pages))
    assert [f"Total {n}" in document.text for n in (3, 11, 5, 8)] == [True] * 4


def test_two_pages_are_not_enough_for_a_running_head() -> None:
    pages = [[Words(50, 780, "Title"), *lines(50, 700, "x y z")]] * 2
    assert read("a.pdf", pdf(pages)).text.count("Title") == 2


def test_a_superscript_does_not_break_its_line() -> None:
    page = [Words(50, 700, "in practice"), Words(96, 704, "2", 6.0), Words(99.5, 700, ", as seen")]
    assert read("a.pdf", pdf([page])).text == "in practice2, as seen"


def test_title_of_the_properties() -> None:
    assert read("a.pdf", pdf([lines(50, 700, "x")], title="Given Title")).title == "Given Title"
    assert read("a.pdf", pdf([lines(50, 700, "x")], title="untitled")).title_is_fallback
    assert read("a.pdf", pdf([lines(50, 700, "x")], title="draft-3.docx")).title_is_fallback


_SCAN = (
    b"q 400 0 0 200 50 500 cm BI /W 2 /H 2 /CS /G /BPC 8 ID \x00\xff\xff\x00 EI Q"
    # an image within the content, of four pixels
)


def test_a_scanned_page_is_reported_where_there_is_no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "available", lambda: "no Tesseract here")
    written = b"BT /F 10 Tf 50 700 Td (Written.) Tj ET"
    document = read("a.pdf", pdf_of_contents([written, _SCAN, b""]))
    assert document.text == "Written."
    assert document.metadata == {"pages": 3, "pages_not_read": [2]}
    with pytest.raises(EmptyDocument, match="1 of its pages are images") as caught:
        read("a.pdf", pdf_of_contents([_SCAN]))
    assert caught.value.hint == "no Tesseract here"


@pytest.mark.skipif(ocr.available() is not None, reason="Tesseract is not installed")
def test_a_scanned_page_is_read_by_ocr() -> None:
    import pypdfium2

    with pypdfium2.PdfDocument(pdf([[Words(50, 600, "Quarterly figures", 40.0)]])) as file:
        bitmap = file[0].render(scale=1.5, grayscale=True)
        rows = [
            bytes(bitmap.buffer)[at : at + bitmap.width]
            for at in range(0, bitmap.stride * bitmap.height, bitmap.stride)
        ]
        width, height = bitmap.width, bitmap.height
    image = b"q 600 0 0 800 0 0 cm BI /W %d /H %d /CS /G /BPC 8 ID " % (width, height)
    document = read("a.pdf", pdf_of_contents([image + b"".join(rows) + b" EI Q"]))
    assert document.text == "Quarterly figures"
    assert document.metadata == {"pages": 1, "pages_read_by_ocr": [1]}
    assert page_of(document, "figures") == 1


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.7\nnothing of the kind\n%%EOF", pdf([[]])[:200]])
def test_broken(data: bytes) -> None:
    with pytest.raises(MalformedDocument, match="no whole PDF"):
        read("a.pdf", data)


def test_no_text() -> None:
    with pytest.raises(EmptyDocument, match="no text"):
        read("a.pdf", pdf([[]]))
