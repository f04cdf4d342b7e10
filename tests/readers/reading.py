"""Reading bytes in a test, and checking what holds for every document."""

from __future__ import annotations

from bisect import bisect_right

from ragctl.readers.auto import AutoReader
from ragctl.types import Document, Item


def read(path: str, content: str | bytes) -> Document:
    """The one document of `content` under the name `path`."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    (document,) = AutoReader().read(Item("docs", path, f"file:///{path}", "f"), data)
    check(document)
    return document


def check(document: Document) -> None:
    """Sections in order cover the text; anchors begin at 0; there is nothing that cannot be stored."""
    end = 0
    for section in document.sections:
        assert section.start == end
        assert section.end > section.start
        assert all(heading == heading.strip() and heading for heading in section.headings)
        end = section.end
    assert end == len(document.text)
    starts = [anchor.start for anchor in document.anchors]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert "\0" not in document.text + document.title
    assert "\r" not in document.text
    document.text.encode("utf-8")
    document.title.encode("utf-8")
    assert document.title


def line_of(document: Document, text: str) -> int | None:
    """The source line of the first occurrence of `text` in the document."""
    offset = document.text.index(text)
    anchor = document.anchors[bisect_right([one.start for one in document.anchors], offset) - 1]
    if anchor.line is None:
        return None
    return anchor.line + document.text.count("\n", anchor.start, offset)


def outline(document: Document) -> list[tuple[str, ...]]:
    """The heading paths of the sections."""
    return [section.headings for section in document.sections]
