"""RTF: paragraphs, headings by their outline level, tables."""

from __future__ import annotations

import pytest
from readers.reading import outline, read

from ragctl.errors import MalformedDocument

_RTF = (
    r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title Caf\'e9}}"
    r"{\stylesheet{\s1\outlinelevel0 heading 1;}}"
    r"\pard\outlinelevel0 First\par \pard Pipe | and \'fc\u8364?\par "
    r"\trowd\cellx1\cellx2\pard\intbl a|b\cell c\cell\row \pard\intbl 1\cell 2\cell\row "
    r"\pard\outlinelevel1 Second\par \pard Done.\par}"
)


def test_rtf() -> None:
    document = read("a.rtf", _RTF)
    assert document.text == "First\n\nPipe | and ü€\n\na/b | c\n1 | 2\n\nSecond\n\nDone."
    assert outline(document) == [("First",), ("First", "Second")]
    assert [one.header for one in document.blocks] == ["a/b | c"]
    assert document.title == "Café"


def test_cut_off() -> None:
    with pytest.raises(MalformedDocument, match="cut off"):
        read("a.rtf", _RTF[:-40])


def test_a_broken_one_gives_our_error() -> None:
    with pytest.raises(MalformedDocument, match="no whole RTF"):
        read("a.rtf", r"{\rtf1\ansi \u99999999999 x}")
