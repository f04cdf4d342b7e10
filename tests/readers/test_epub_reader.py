"""EPUB: chapters in the order of the spine."""

from __future__ import annotations

import pytest
from readers.office_files import epub, zipped
from readers.reading import outline, read

from ragctl.errors import MalformedDocument


def test_chapters() -> None:
    chapters = {
        "b.xhtml": "<h1>Beginning</h1><p>It was.</p>",
        "cover.xhtml": "<img src='x.png'/>",
        "a.xhtml": "<p>It went on.</p>",
        "c.xhtml": "<p>Named outside.</p><h2>Inside</h2><p>End.</p>",
    }
    document = read("book.epub", epub(chapters, {"c.xhtml": "Third"}, title="A Book"))
    assert document.text == "Beginning\n\nIt was.\n\nIt went on.\n\nNamed outside.\n\nInside\n\nEnd."
    assert outline(document) == [("Beginning",), ("Beginning",), ("Third",), ("Inside",)]
    assert document.title == "A Book"
    assert document.media_type == "application/epub+zip"
    assert document.anchors[0].line is None


def test_a_book_without_a_title_is_called_by_its_first_heading() -> None:
    assert read("book.epub", epub({"a.xhtml": "<h1>Alone</h1><p>x</p>"})).title == "Alone"


def test_protected_against_copying() -> None:
    data = zipped(
        {"mimetype": "application/epub+zip", "META-INF/rights.xml": "<rights/>"}, stored=["mimetype"]
    )
    with pytest.raises(MalformedDocument, match="protected against copying"):
        read("book.epub", data)


def test_nothing_says_what_the_book_is() -> None:
    with pytest.raises(MalformedDocument, match="not an EPUB"):
        read("book.epub", zipped({"mimetype": "application/epub+zip", "x.html": "<p>x"}, stored=["mimetype"]))
