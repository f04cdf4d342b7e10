"""PPTX: a slide is a page, a block and a section under its title."""

from __future__ import annotations

import pytest
from readers.office_files import Slide, pptx, shape, slide_table
from readers.reading import outline, read

from ragctl.errors import EmptyDocument


def test_slides() -> None:
    document = read(
        "a.pptx",
        pptx(
            [
                Slide(shape("Second line", "body") + shape("Plans", "ctrTitle")),
                Slide(shape("No title here") + shape("3", "sldNum")),
                Slide(shape("Costs", "title") + slide_table([["Item", "Price"], ["Tea", "2"]]), hidden=True),
            ],
            title="A talk",
        ),
    )
    assert document.text == "Plans\n\nSecond line\n\nNo title here\n\nCosts\n\nItem | Price\nTea | 2"
    assert outline(document) == [("Plans",), (), ("Costs",)]
    assert [(one.start, one.page) for one in document.anchors] == [(0, 1), (20, 2), (35, 3)]
    assert [(one.kind, document.text[one.start : one.end]) for one in document.blocks] == [
        ("slide", "Plans\n\nSecond line"),
        ("slide", "No title here"),
        ("slide", "Costs\n\nItem | Price\nTea | 2"),
    ]
    assert document.title == "A talk"
    assert document.metadata == {"slides": 3, "hidden_slides": [3]}


def test_notes_belong_to_their_slide() -> None:
    document = read(
        "a.pptx", pptx([Slide(shape("Plans", "title"), notes="Say it slowly."), Slide(shape("x"))])
    )
    assert document.text == "Plans\n\nNotes: Say it slowly.\n\nx"
    assert document.blocks[0].end == len("Plans\n\nNotes: Say it slowly.")


def test_shapes_in_groups() -> None:
    group = f"<p:grpSp>{shape('inner')}<p:grpSp>{shape('innermost')}</p:grpSp></p:grpSp>"
    assert read("a.pptx", pptx([Slide(group)])).text == "inner\n\ninnermost"


def test_pictures_alone_are_no_text() -> None:
    with pytest.raises(EmptyDocument, match="no text"):
        read("a.pptx", pptx([Slide("<p:pic/>")]))
