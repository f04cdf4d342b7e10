"""reStructuredText: titles as docutils sees them, comments removed, lines kept."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from readers.reading import check, line_of, outline, read

from ragctl.readers.restructured_text import plain_title
from ragctl.readers.rst_structure import structure_of

docutils_core = pytest.importorskip("docutils.core", reason="compares with docutils")
from docutils import nodes  # noqa: E402
from docutils.parsers.rst import roles  # noqa: E402

SAMPLE = """\
.. Licence of this file
   in two lines.

 .. And an indented one
    goes on.

.. _label:

========
The Book
========

Intro with ``code``.

Part One
--------

.. note:: kept

   .. comment in a directive stays

One :ref:`text <target>`
~~~~~~~~~~~~~~~~~~~~~~~~
body

..
   a comment

Part Two
--------
last
"""


def test_sections_and_text() -> None:
    document = read("a.rst", SAMPLE)
    assert document.title == "The Book"
    assert outline(document)[-4:] == [
        ("The Book",),
        ("The Book", "Part One"),
        ("The Book", "Part One", "One text"),
        ("The Book", "Part Two"),
    ]
    for gone in ("Licence", "in two lines", "indented one", "goes on", "_label", "a comment", "---", "==="):
        assert gone not in document.text
    assert ".. comment in a directive stays" in document.text


def test_lines_are_those_of_the_source() -> None:
    document = read("a.rst", SAMPLE)
    lines = SAMPLE.split("\n")
    for text in ("The Book", "Intro with", "Part One", ".. note::", "One :ref:", "body", "Part Two", "last"):
        line = line_of(document, text)
        assert line is not None
        assert lines[line - 1].lstrip().startswith(text)


# What docutils takes for a title and what it does not; the test compares with docutils itself.
CASES = [
    "Title\n=====\n\ntext\n",
    "Title\n===\n\ntext\n",
    "Title\n====\n",
    "Long title\n====\n",
    "A\n=\n",
    "ABC\n==\n",
    "=====\nTitle\n=====\n\ntext\n",
    "=====\n Title\n=====\n",
    "====\nLonger title\n====\n",
    "==\nAB\n==\n",
    "=====\nTitle\n-----\n\nNext\n----\n",
    "====\n\nText after a transition\n\n----\n\nT\n-\n",
    "A\n=\n\nB\n-\n\nC\n~\n\nD\n-\n\nE\n=\n",
    "A\n=\nB\n-\ntext\n",
    "para one\npara two\n========\n\nT\n=\n",
    "para::\n\n   Lit\n   ===\n\nT\n=\n",
    "para::\n\n> Quoted\n> ======\n\nT\n=\n",
    "::\n\n  Lit\n  ===\n\nT\n==\n",
    "- item\n  ====\n\nT\n=\n",
    "- item\n\n  In item\n\nT\n=\n",
    "1. Title\n========\n",
    "1. item\n\nT\n=\n",
    "1. item\n2. item\n\nT\n=\n",
    ":field: x\n\nT\n=\n",
    "| line\n| block\n\nT\n=\n",
    "term\n  definition\n\nT\n=\n",
    "term\n  definition\nT2\n==\n",
    ">>> x\nT\n=\n\nU\n=\n",
    "=====  =====\na      b\n=====  =====\nc      d\n=====  =====\n\nT\n=\n",
    "+---+\n| a |\n+---+\n\nT\n=\n",
    ".. note::\n\n   Not\n   ===\n\nT\n=\n",
    ".. comment\n   Not\n   ===\n\nT\n=\n",
    "..\n\n   quote\n\nT\n=\n",
    "..\nT\n=\n",
    ".. _target: http://x.y\n\nT\n=\n",
    ".. |sub| replace:: x\n\nT\n=\n",
    ".. [1] note\n\nT\n=\n",
    "__ http://x.y\n\nT\n=\n",
    "Тест\n====\n",
    "日本語\n======\n",
    "日本語のタイトル\n====\n",
    "Title  \n=====  \n",
    "\tTabbed\n\t======\n\nT\n=\n",
    "*Emph* and ``lit``\n==================\n",
    "T\n=\n\n   quote\n\nU\n=\n",
    "Title\n=====\n=====\nOver\n=====\n",
    "--option\n========\n\ntext\n",
    "a.b\n***\n\ntext\n",
    "Title\n:::::\n\ntext\n",
    '""""""\nQuotes\n""""""\n',
    "T\n=\n\n.. class:: x\n\nU\n=\n",
]


def docutils_titles(source: str) -> list[tuple[int, str]]:
    """(level, text) of every section that docutils makes, without moving titles to the document."""
    settings = {
        "doctitle_xform": False,
        "report_level": 5,
        "halt_level": 5,
        "file_insertion_enabled": False,
        "raw_enabled": False,
        "warning_stream": None,
        "_disable_config": True,
    }
    document = docutils_core.publish_doctree(source, settings_overrides=settings)
    out: list[tuple[int, str]] = []
    for section in document.findall(nodes.section):
        level = 0
        node: Any = section
        while node is not None:
            level += isinstance(node, nodes.section)
            node = node.parent
        out.append((level, " ".join(section.next_node(nodes.title).astext().split())))
    return out


def our_titles(source: str) -> list[tuple[int, str]]:
    structure = structure_of(source.split("\n"))
    return [(title.level, plain_title(title.text)) for title in structure.titles]


@pytest.mark.parametrize("source", CASES)
def test_titles_are_those_that_docutils_finds(source: str) -> None:
    assert our_titles(source) == docutils_titles(source)


def _generic_role(_name: str, raw: str, text: str, *_: Any, **__: Any) -> tuple[list[Any], list[Any]]:
    return [nodes.inline(raw, re.sub(r"\s*<[^<>]*>$", "", text))], []


def test_titles_of_a_large_documentation_are_those_that_docutils_finds(
    shared_data: Path, tmp_path: Path
) -> None:
    (archive,) = (shared_data / "docs-airflow").glob("*.tar.xz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    files = sorted(tmp_path.rglob("*.rst"))
    assert len(files) >= 450
    differing: list[str] = []
    for file in files:
        source = file.read_text(encoding="utf-8")
        for role in set(re.findall(r":([\w:-]+):`", source)):
            roles.register_local_role(role, _generic_role)
        if our_titles(source) != docutils_titles(source):
            differing.append(str(file.relative_to(tmp_path)))
        check(read(file.name, source))
    # docutils puts in what a substitution stands for, which a reader of one file does not know
    assert len(differing) <= 1, differing


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("``a_b`` and *c* and **d**", "a_b and c and d"),
        (":class:`~x.Y` :doc:`Guide </guide>`", "~x.Y Guide"),
        ("`Text <http://x.y>`__ and `ref`_ and word_", "Text and ref and word"),
        ("The |name| here", "The name here"),
        (r"Escaped \*star\* and a_b*c", "Escaped *star* and a_b*c"),
        ("2 * 3 * 4 and a | b | c", "2 * 3 * 4 and a | b | c"),
    ],
)
def test_titles_lose_their_markup(title: str, text: str) -> None:
    assert plain_title(title) == text


def test_labels_and_comments_go_but_links_stay() -> None:
    document = read(
        "a.rst",
        ".. _one:\n.. _two:\n\nT\n=\n\n.. _Python: https://python.org\n\n.. _long:\n   https://x.y\n\n"
        ".. _`quoted label`:\n\ntext\n",
    )
    assert "_one" not in document.text
    assert "_two" not in document.text
    assert "quoted label" not in document.text
    assert "https://python.org" in document.text
    assert "https://x.y" in document.text


def test_code_that_looks_like_a_comment_stays() -> None:
    document = read(
        "a.rst",
        "Write::\n\n    .. a comment in code\n       more\n\n- item::\n\n    .. in an item\n\n"
        ".. code-block:: rst\n\n    .. in a block\n",
    )
    for kept in (".. a comment in code", ".. in an item", ".. in a block"):
        assert kept in document.text


@pytest.mark.parametrize(
    "text",
    [
        "= =\nx\n" * 20_000,
        "*" * 100_000,
        "*a " * 100_000 + "\n====",
        "x\n" + "=" * 100_000,
        ".. " * 50_000,
        "a\n=\n" * 20_000,
        ":" + "a:" * 50_000,
        "::\n\n" * 20_000,
        "+-" * 50_000 + "+",
        "`" * 100_000 + "\n=====",
    ],
)
def test_hostile_markup_is_read(text: str) -> None:
    assert read("a.rst", text + "\n\nwords\n").text
