"""Which reader takes an item, and why none does."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from readers.reading import read

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.auto import AutoReader, reader_for, reader_versions, recipe_readers
from ragctl.readers.record import RecordReader
from ragctl.types import RECORD_MEDIA_TYPE, Item


def item(path: str, media_type: str | None = None) -> Item:
    return Item("docs", path, f"file:///{path}", "f", media_type=media_type)


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("a.txt", "text"),
        ("a.text", "text"),
        ("a.log", "text"),
        ("README", "text"),
        ("LICENSE", "text"),
        ("a.md", "markdown"),
        ("A.MD", "markdown"),
        ("a.b.markdown", "markdown"),
        ("a.mdx", "markdown"),
        ("a.rst", "rst"),
        ("a.rest", "rst"),
        ("a.html", "html"),
        ("a.htm", "html"),
        ("a.xhtml", "html"),
    ],
)
def test_names_choose(path: str, reader: str) -> None:
    for head in (None, b"plain words\n"):
        choice = reader_for(item(path), head)
        assert choice.reader is not None
        assert choice.reader.name == reader


@pytest.mark.parametrize("path", ["a.py", "a.json", "a.csv", "a.pdf", "x.md.bak", "a.tar.gz"])
def test_other_names_are_skipped_unopened(path: str) -> None:
    choice = reader_for(item(path))
    assert choice.reader is None
    assert choice.reason == f"no reader for .{path.rpartition('.')[2]} files"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x89PNG\r\n", "PNG"),
        (b"text and then\0more", "binary"),
        (b"\x01\x02\x03\x04\x05\x06words", "control characters"),
    ],
)
def test_content_comes_before_the_name(head: bytes, reason: str) -> None:
    choice = reader_for(item("a.txt"), head)
    assert choice.reader is None
    assert reason in choice.reason


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_nul_bytes_of_wide_encodings_are_no_binary(encoding: str) -> None:
    head = "\ufeffwords".encode(encoding) if encoding.endswith("be") else "words".encode(encoding)
    assert reader_for(item("a.txt"), head).reader is not None


def test_html_without_a_suffix_is_seen() -> None:
    for head in (b"<!DOCTYPE html><p>x", b"\n <!-- c -->\n<HTML>", b'<?xml version="1.0"?><html>'):
        choice = reader_for(item("page"), head)
        assert choice.reader is not None
        assert choice.reader.name == "html"
    text = reader_for(item("page.txt"), b"<!DOCTYPE html><p>x").reader
    assert text is not None
    assert text.name == "text"


def test_a_declared_media_type_comes_before_the_name() -> None:
    choice = reader_for(item("a.php", "text/html; charset=utf-8"), b"<p>x")
    assert choice.reader is not None
    assert choice.reader.name == "html"
    assert reader_for(item("a.md", "application/pdf")).reason == "no reader for application/pdf"


def test_records_are_declared_by_their_source_and_never_guessed() -> None:
    for head in (None, b'{"text": "a"}', b""):
        reader = reader_for(item("a.txt#1", RECORD_MEDIA_TYPE), head).reader
        assert reader is not None
        assert reader.name == "record"
    assert reader_for(item("a.json"), b'{"text": "a"}').reader is None


def test_auto_refuses_what_no_reader_takes() -> None:
    with pytest.raises(MalformedDocument, match=r"no reader for \.py files"):
        AutoReader().read(item("a.py"), b"import os")


@pytest.mark.parametrize("path", ["a.txt", "a.md", "a.rst", "a.html"])
@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_no_text_is_a_failure(path: str, data: bytes) -> None:
    with pytest.raises(EmptyDocument) as caught:
        list(AutoReader().read(item(path), data))
    assert caught.value.where == f"docs:{path}"


@pytest.mark.parametrize("content", ["---\ntitle: x\n---\n", "<!-- nothing -->\n", "---\n---\n\n"])
def test_a_markdown_file_with_nothing_to_show_is_empty(content: str) -> None:
    with pytest.raises(EmptyDocument):
        read("a.md", content)


def test_what_every_document_says_of_itself() -> None:
    document = read("guide/a file.md", "words\n")
    assert (document.source, document.path, document.item) == ("docs", "guide/a file.md", "guide/a file.md")
    assert document.uri == "file:///guide/a file.md"
    assert document.title == "a file"
    assert document.title_is_fallback
    assert document.reader == "markdown@1"
    assert document.digest == hashlib.sha256(b"words\n").hexdigest()


def test_metadata_of_the_item_wins() -> None:
    source = Item("docs", "a.md", "file:///a.md", "f", metadata={"language": "en"})
    (document,) = AutoReader().read(source, b"---\nlanguage: de\nteam: core\n---\nwords\n")
    assert document.metadata == {"language": "en", "team": "core"}


def test_versions_load_no_parser() -> None:
    assert reader_versions().keys() == {"text", "markdown", "rst", "html", "record"}
    code = (
        "import sys; from ragctl.readers.auto import reader_versions; reader_versions();"
        "print(sorted({'lxml', 'markdown_it', 'yaml', 'charset_normalizer', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recipes_from_before_there_were_records_stay() -> None:
    before = {"text": 1, "markdown": 1, "rst": 1, "html": 1}
    assert recipe_readers(records=False) == before
    assert recipe_readers(records=True) == before


def test_a_later_record_reader_makes_another_recipe_where_there_are_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = recipe_readers(records=False)
    monkeypatch.setattr(RecordReader, "output_version", RecordReader.output_version + 1)
    assert recipe_readers(records=False) == before
    assert recipe_readers(records=True) == {**before, "record": RecordReader.output_version}
