"""Titles and headings as all readers make them."""

from __future__ import annotations

import pytest
from readers.reading import outline, read

from ragctl.readers.assemble import TITLE_LIMIT, one_line


@pytest.mark.parametrize("text", ["a" * TITLE_LIMIT + " b", "a" * (TITLE_LIMIT - 1) + " b", " a\n\tb "])
def test_one_line_has_no_blanks_around_it(text: str) -> None:
    line = one_line(text)
    assert line == line.strip()
    assert 0 < len(line) <= TITLE_LIMIT


def test_a_heading_that_is_cut_at_a_blank() -> None:
    words = "word " * (TITLE_LIMIT // 5 + 9)
    document = read("a.html", f"<h1>{words}</h1><p>Text.</p>")
    assert outline(document) == [(words[:TITLE_LIMIT].strip(),)]
