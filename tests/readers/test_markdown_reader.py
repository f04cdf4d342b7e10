"""Markdown: sections, titles, front matter and lines."""

from __future__ import annotations

import pytest
from readers.reading import line_of, outline, read


def test_sections_follow_headings() -> None:
    document = read(
        "a.md",
        "before\n\n# Guide\n\nintro\n\n## Install\n\nsteps\n\n"
        "Setext\n======\n\nx\n\nSub\n---\ny\n### Deep ###\nz\n",
    )
    assert outline(document) == [
        (),
        ("Guide",),
        ("Guide", "Install"),
        ("Setext",),
        ("Setext", "Sub"),
        ("Setext", "Sub", "Deep"),
    ]
    assert document.title == "Guide"
    assert not document.title_is_fallback
    section = document.sections[2]
    assert document.text[section.start : section.end] == "## Install\n\nsteps\n\n"


def test_what_looks_like_a_heading_but_is_none() -> None:
    document = read(
        "a.md",
        "# One\n\n```sh\n# comment\n```\n\n    # code\n\n> # quoted\n\n- # item\n\n#tag\n\n\\# escaped\n\n"
        "<div>\n# in html\n</div>\n\n| a |\n|---|\n",
    )
    assert outline(document) == [("One",)]


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("# The `code` *and* **bold**", "The code and bold"),
        ("# A [link](http://x.y) and ![image](i.png)", "A link and image"),
        ("# AT&amp;T &lt;x&gt;", "AT&T <x>"),
        ("# Raw <b>html</b>", "Raw html"),
        ("# Two  spaces #", "Two spaces"),
        ("Long\ntitle\n=====", "Long title"),
    ],
)
def test_headings_lose_their_markup(heading: str, text: str) -> None:
    assert read("a.md", f"{heading}\n\nwords\n").title == text


def test_the_title_is_the_first_heading_of_level_one() -> None:
    assert read("a.md", "## Two\n\n# One\n\n# Other\n").title == "One"
    fallback = read("dir/name.of.file.md", "## Two\n\nwords\n")
    assert (fallback.title, fallback.title_is_fallback) == ("name.of.file", True)


def test_an_empty_heading_ends_sections_but_names_none() -> None:
    assert outline(read("a.md", "# One\n\nx\n\n#\n\ny\n\n## Two\n\nz\n")) == [("One",), (), ("Two",)]


def test_front_matter_becomes_metadata() -> None:
    document = read(
        "a.md",
        "---\ntitle: The Title\ntags: [a, b, {c: d}]\ndate: 2026-01-02\ndraft: false\nweight: 3\n"
        "ratio: 0.5\nnested: {a: 1}\nempty:\nbad: .nan\n---\n# Other\n\nwords\n",
    )
    assert document.title == "The Title"
    assert document.metadata == {
        "tags": ["a", "b"],
        "date": "2026-01-02",
        "draft": False,
        "weight": 3,
        "ratio": 0.5,
    }
    assert document.text.startswith("# Other")
    assert line_of(document, "# Other") == 12
    assert outline(document) == [("Other",)]


@pytest.mark.parametrize(
    "text",
    [
        "---\n\njust a line\n\n---\n\nwords\n",
        "---\n- a\n- list\n---\nwords\n",
        "---\nkey: [unclosed\n---\nwords\n",
        "---\nno end: 1\nwords\n",
        "---\na: &x [1]\nb: *x\n---\nwords\n",
        "---\nwhen: 2026-99-99\n---\nwords\n",
        "---\na: !!python/object:os.system x\n---\nwords\n",
        "---\n? [a]\n: {b: c}\n? {d: e}\n: f\n---\nwords\n",
        "---\n" + "[" * 5000 + "\n---\nwords\n",
        "--- \nx\n---\nwords\n",
        " ---\ntitle: x\n---\nwords\n",
    ],
)
def test_what_is_no_front_matter_stays_text(text: str) -> None:
    document = read("a.md", text)
    assert document.text == text
    assert document.metadata == {}


def test_front_matter_cannot_smuggle_in_what_is_no_text() -> None:
    document = read("x.md", '---\ntitle: "a\\0b"\nother: "\\0"\n---\nwords\n')
    assert document.title == "a\ufffdb"
    assert document.metadata == {"other": "\ufffd"}
    # whether a loader takes the escape of a lone surrogate or not: `read` checks that none gets through
    assert read("x.md", '---\ntitle: "a\\ud800b"\n---\nwords\n').text.endswith("words\n")


def test_comments_go_and_lines_stay() -> None:
    document = read(
        "a.md",
        "<!-- licence\n\n# not a heading\n-->\n\n# One\n\n"
        "words <!-- inline --> stay\n\n<!-- a --> <!-- b -->\n\nlast\n",
    )
    assert "licence" not in document.text
    assert "<!-- a -->" not in document.text
    assert "words <!-- inline --> stay" in document.text
    assert outline(document)[-1] == ("One",)
    assert line_of(document, "# One") == 6
    assert line_of(document, "last") == 12


def test_lines_with_other_line_ends() -> None:
    document = read("a.md", b"# One\r\n\r\nwords\r\rlast\r\n")
    assert document.text == "# One\n\nwords\n\nlast\n"
    assert line_of(document, "last") == 5


@pytest.mark.parametrize(
    "text",
    [
        "> " * 5000 + "deep\n",
        "- " * 5000 + "deep\n",
        "# " + "[" * 50_000 + "\n",
        "# " + "*a " * 50_000 + "\n",
        "[" * 50_000,
        "<!--" * 20_000,
        "`" * 50_000 + "\n",
        "# x\n" * 5_000,
    ],
)
def test_hostile_markup_is_read(text: str) -> None:
    assert read("a.md", text).text == text
