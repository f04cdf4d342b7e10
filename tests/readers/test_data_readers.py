"""Data files as text: JSON, JSON Lines, CSV, XML, notebooks, org and source code."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readers.reading import check, line_of, outline

from ragctl.errors import DocumentError, MalformedDocument
from ragctl.readers.delimited import DelimitedReader
from ragctl.readers.json_document import JsonReader
from ragctl.readers.json_lines import JsonLinesReader
from ragctl.readers.notebook import MOST_OUTPUT, NotebookReader
from ragctl.readers.org import OrgReader
from ragctl.readers.parts import FormatReader
from ragctl.readers.source_code import SourceCodeReader
from ragctl.readers.xml_document import XmlReader
from ragctl.types import Document, Item

READERS: dict[str, type[FormatReader]] = {
    "a.csv": DelimitedReader,
    "a.tsv": DelimitedReader,
    "a.json": JsonReader,
    "a.jsonl": JsonLinesReader,
    "a.xml": XmlReader,
    "a.ipynb": NotebookReader,
    "a.org": OrgReader,
    "a.py": SourceCodeReader,
}


def read(path: str, content: str | bytes, *encodings: str) -> Document:
    data = content.encode("utf-8") if isinstance(content, str) else content
    reader = READERS[path](encodings) if encodings else READERS[path]()
    (document,) = reader.read(Item("docs", path, f"file:///{path}", "f"), data)
    assert isinstance(document, Document)
    check(document)
    for block in document.blocks:
        assert 0 <= block.start < block.end <= len(document.text)
    return document


def test_a_table_keeps_its_rows_its_header_and_the_lines_of_the_file() -> None:
    document = read("a.csv", 'city;people\n\nBerlin;"3,7\nmillion"\nParis;2|1\n')
    assert document.text == "city | people\nBerlin | 3,7 million\nParis | 2/1"
    (block,) = document.blocks
    assert (block.kind, block.header) == ("table", "city | people")
    assert [line_of(document, name) for name in ("city", "Berlin", "Paris")] == [1, 3, 5]


def test_ragged_rows_nul_and_other_encodings_of_tables() -> None:
    assert read("a.csv", "a,b\n1\n2,3,4\n").text == "a | b\n1\n2 | 3 | 4"
    assert read("a.tsv", "a\tb\n1,5\t\x002\n").text == "a | b\n1,5 | \ufffd2"
    document = read("a.csv", "naïve,café,ß\né,ü,ö\n".encode("cp850"), "cp850")
    assert document.text.startswith("naïve | café | ß")
    assert document.metadata["encoding"] == "cp850"


def test_a_field_without_an_end_is_refused() -> None:
    with pytest.raises(MalformedDocument):
        read("a.csv", 'a,b\n"' + "x" * (65 << 20))


def test_json_becomes_lines_headings_and_tables() -> None:
    value = {
        "title": "Plan",
        "owner": {"name": "Ada", "tags": ["x", "y"]},
        "tasks": [{"id": 1, "what": "read"}, {"id": 2, "what": None}],
        "note": "word " * 60,
    }
    document = read("a.json", json.dumps(value))
    assert document.title == "Plan"
    assert "name: Ada\ntags: x, y" in document.text
    assert ("owner",) in outline(document)
    (table,) = document.blocks
    assert document.text[table.start : table.end] == "id | what\n1 | read\n2"
    assert table.header == "id | what"


@pytest.mark.parametrize(
    ("content", "told"),
    [('{"a": 1', "line 1"), ("[" * 100_000, "nested"), ('{"a": 1} x', "Extra data"), ("1" * 5000, "be read")],
)
def test_what_is_no_json_is_said_with_its_place(content: str, told: str) -> None:
    with pytest.raises(MalformedDocument, match=told):
        read("a.json", content)


def test_deep_json_is_read_to_its_end() -> None:
    value: object = "the end"
    for _ in range(60):
        value = {"in": value}
    assert "the end" in read("a.json", json.dumps(value)).text


def test_json_lines_keep_their_line_numbers() -> None:
    document = read("a.jsonl", '{"id": 1, "text": "two\\nlines"}\n\n{"id": 2, "x": {"y": 1}}\n')
    assert document.text == 'id: 1 | text: two lines\nid: 2 | x: {"y": 1}'
    assert line_of(document, "id: 2") == 3
    with pytest.raises(MalformedDocument, match="line 2"):
        read("a.jsonl", '{"id": 1}\n{"id": \n')


def test_xml_has_headings_prose_records_and_code() -> None:
    document = read(
        "a.xml",
        """<?xml version="1.0" encoding="UTF-8"?>
<book xmlns="urn:x"><title>Tea</title>
  <chapter><title>Green</title><para>Brew <em>gently</em> at eighty.</para><code>boil()
wait()</code></chapter>
  <chapter><title>Black</title><link href="b.html"/></chapter>
  <shop><item><name>Sencha</name><price>5</price></item><item><name>Assam</name><price>4</price></item></shop>
</book>""",
    )
    assert document.title == "Tea"
    assert ("Tea", "Green") in outline(document)
    assert "Brew gently at eighty." in document.text
    assert "link: href=b.html" in document.text
    kinds = {block.kind: document.text[block.start : block.end] for block in document.blocks}
    assert kinds == {"code": "boil()\nwait()", "table": "name | price\nSencha | 5\nAssam | 4"}


def test_entities_are_neither_followed_nor_expanded() -> None:
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><x>before &l9; after</x>'
    with pytest.raises(MalformedDocument, match="amplification"):
        read("a.xml", bomb)
    one = '<!DOCTYPE x [<!ENTITY one "1">]><x>before &one; after</x>'
    assert read("a.xml", one).text == "x: before after"
    outside = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>a &f; b</x>'
    assert "root:" not in read("a.xml", outside).text
    in_attribute = bomb.replace("<x>before &l9; after</x>", '<x a="&l9;"/>')
    with pytest.raises(DocumentError):
        read("a.xml", in_attribute)
    with pytest.raises(MalformedDocument, match="well-formed"):
        read("a.xml", "<a><b></a>")


def test_a_notebook_keeps_prose_code_and_output_apart() -> None:
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "Some prose.\n", "## Part\n", "More."]},
            {
                "cell_type": "code",
                "source": "print(1)\n",
                "outputs": [
                    {"output_type": "stream", "text": ["1\n"]},
                    {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "x" * 5000}},
                    {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": ["\x1b[31m"]},
                ],
            },
            {"cell_type": "raw", "source": "raw"},
            "nothing",
        ],
        "metadata": {"kernelspec": {"language": "Python"}},
    }
    document = read("a.ipynb", json.dumps(notebook))
    assert (document.title, document.metadata["language"]) == ("Title", "python")
    assert outline(document) == [("Title",), ("Title", "Part")]
    (code,) = document.blocks
    assert (code.kind, document.text[code.start : code.end]) == ("code", "print(1)")
    assert f"[…{5000 - MOST_OUTPUT:,} more characters of output]" in document.text
    assert "KeyError: 'a'" in document.text
    assert "AAAA" not in document.text
    with pytest.raises(MalformedDocument, match="no notebook"):
        read("a.ipynb", "{}")


def test_org_has_headings_tables_and_code() -> None:
    document = read(
        "a.org",
        "#+TITLE: Guide\n# a comment\n* TODO First [#A]  :tag:\n:PROPERTIES:\n:ID: 7\n:END:\nText.\n"
        "** Second\n| a | b |\n|---+---|\n| 1 | 2 |\n#+BEGIN_SRC python\nprint(1)\n#+END_SRC\n",
    )
    assert document.title == "Guide"
    assert ":ID:" not in document.text
    assert "a comment" not in document.text
    assert outline(document)[-1][-1] == "Second"
    kinds = {block.kind: document.text[block.start : block.end] for block in document.blocks}
    assert kinds == {"table": "| a | b |\n| 1 | 2 |", "code": "print(1)"}
    assert line_of(document, "Second") == 8


def test_python_has_a_section_for_each_definition() -> None:
    text = "@cache\ndef one():\n    pass\n\nclass Two:\n    x = 1\n\n    def three(self):\n        pass\n"
    document = read("a.py", text)
    assert document.text == text
    assert outline(document) == [("one",), ("Two",), ("Two", "three")]
    assert document.text[document.sections[0].start :].startswith("@cache")
    assert document.media_type == "text/x-python"
    assert outline(read("a.py", "def broken(:\n  pass\n")) == [()]


@pytest.mark.parametrize("path", READERS)
@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_document_or_a_reason(path: str, data: bytes) -> None:
    try:
        read(path, data)
    except DocumentError as error:
        assert error.message


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(_VALUES)
def test_any_json_is_read(value: object) -> None:
    for path, text in (("a.json", json.dumps(value)), ("a.jsonl", json.dumps(value))):
        try:
            read(path, text)
        except DocumentError as error:
            assert error.kind == "empty", error.message
