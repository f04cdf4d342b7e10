"""Which reader takes an item, and why none does."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import get_args

import pytest
from readers.archives import zipped
from readers.reading import read

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import kinds, table
from ragctl.readers.auto import AutoReader, Choice, Readers, reader_for, reader_versions, recipe_readers
from ragctl.readers.encrypted_office import EncryptedOfficeReader
from ragctl.readers.media_types import media_type_of
from ragctl.readers.table import READERS
from ragctl.spec.extract_settings import ReaderName
from ragctl.types import RECORD_MEDIA_TYPE, Item

MAIL = b"From: a@example.org\nTo: b@example.org\nSubject: x\nDate: now\n\nWords.\n"


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


@pytest.mark.parametrize("path", ["x.md.bak", "photo.heic", "a.something"])
def test_of_other_names_the_content_decides(path: str) -> None:
    assert reader_for(item(path)) == Choice(None)
    text = reader_for(item(path), b"plain words\n")
    suffix = path.rpartition(".")[2]
    assert text.reader is None
    assert text.reason.startswith(f"no reader for .{suffix} files")
    assert f"`extract: {{readers: {{.{suffix}: text}}}}` reads it as text" in text.reason
    page = reader_for(item(path), b"<!DOCTYPE html><p>x").reader
    assert page is not None
    assert page.name == "html"


@pytest.mark.parametrize(
    ("content", "reader", "note"),
    [
        (b"%PDF-1.7\n", "pdf", "its name says plain text, its content is PDF"),
        (b"PK\x03\x04rest", "archive", "its name says plain text, its content is a ZIP archive"),
        (b"{\\rtf1 x}", "rtf", "its name says plain text, its content is RTF"),
        (MAIL, "mail", "its name says plain text, its content is a mail"),
    ],
)
def test_content_comes_before_the_name(content: bytes, reader: str, note: str) -> None:
    choice = reader_for(item("a.txt"), content)
    assert choice.reader is not None
    assert (choice.reader.name, choice.note) == (reader, note)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"text and then\0more", "its content is binary (it has NUL bytes), not text"),
        (b"\x01\x02\x03\x04\x05\x06words", "its content is binary (too many control characters), not text"),
        (b"GIF89a" + bytes(20), "(image/gif), which nothing here reads"),
        (b"\0\0\0\x18ftypmp42" + bytes(20), "(video/mp4), which nothing here reads"),
        (b"SQLite format 3\0" + bytes(100), "SQLite database file, which nothing here reads"),
    ],
)
def test_binaries_that_nothing_reads_are_named(head: bytes, reason: str) -> None:
    for path in ("a.txt", "a.unknown"):
        choice = reader_for(item(path), head)
        assert choice.reader is None
        assert reason in choice.reason


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.json", b'{"a": 1}', "application/json"),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson"),
        ("a.jsonl", b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson"),
        ("a.jsonl", b'{\n "a": 1\n}\n', "application/json"),
        ("a.json", b"[\n 1,\n 2\n]\n", "application/json"),
        ("a.xml", b'<?xml version="1.0"?><html><p>x</p></html>', "text/html"),
        ("a.xml", b'<?xml version="1.0"?><feed/>', "application/xml"),
        ("data", b'{"a": 1}', "application/json"),
        ("data", b"{not json", "text/plain"),
        ("data.odd", b'<?xml version="1.0"?><feed/>', "application/xml"),
        ("a.eml", b"not much of a mail", "message/rfc822"),
        ("a.log", MAIL, "text/plain"),
        ("a.md", MAIL, "text/markdown"),
        ("a.csv", b"a,b\n1,2\n", "text/csv"),
        ("a.docx", b"words in plain text\n", "text/plain"),
        ("a.doc", b"{\\rtf1 x}", "application/rtf"),
        ("a.xls", b"<html><table></table></html>", "text/html"),
        ("a.docx", b"\x00\x01\x02 no office file", kinds.DOCX),
        ("a.docx", b"PK\x03\x04" + bytes(40), kinds.DOCX),
        ("a.tar.gz", b"\x1f\x8b\x08" + bytes(20), "application/gzip"),
        ("a.txt", "w\xf6rter of a text".encode("utf-16-le"), "text/plain"),
        ("a.py", b"import os\n", "text/x-code"),
    ],
)
def test_formats_of_text_and_broken_files(path: str, content: bytes, kind: str) -> None:
    assert media_type_of(item(path), content).name == kind


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (["[Content_Types].xml", "word/document.xml"], kinds.DOCX),
        (["[Content_Types].xml", "xl/workbook.xml"], kinds.XLSX),
        (["[Content_Types].xml", "docProps/app.xml", "ppt/presentation.xml"], kinds.PPTX),
        (["word/document.xml", "notes.txt"], kinds.ZIP),
        (["a.md"], kinds.ZIP),
    ],
)
def test_what_a_zip_is(members: list[str], kind: str) -> None:
    data = zipped(dict.fromkeys(members, b"x" * 3000), compression=zipfile.ZIP_STORED)
    for path in ("a", "a.zip", "a.docx"):
        assert media_type_of(item(path), data).name == kind


@pytest.mark.parametrize("kind", [kinds.EPUB, kinds.ODT, kinds.ODS, kinds.ODP])
def test_formats_that_name_themselves(kind: str) -> None:
    data = zipped({"mimetype": kind.encode("ascii"), "content.xml": b"x"}, compression=zipfile.ZIP_STORED)
    assert media_type_of(item("a.zip"), data).name == kind


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["Index/Document.iwa"], "no reader for Apple's Pages"),
        (["index.xml", "buildVersionHistory.plist"], "no reader for Apple's Pages"),
        (["[Content_Types].xml", "visio/document.xml"], "no reader for Office files other than"),
    ],
)
def test_zips_that_are_no_archives_to_anybody(members: list[str], reason: str) -> None:
    assert media_type_of(item("a"), zipped(dict.fromkeys(members, b"x"))).reason.startswith(reason)


def test_an_encrypted_office_document_is_called_that() -> None:
    name = "EncryptedPackage"
    choice = Readers().choose(item("a.docx"), b"")
    assert choice.reader is not None
    with pytest.raises(MalformedDocument, match="password-protected"):
        EncryptedOfficeReader().read(item("a.docx"), name.encode("utf-16-le"))


def test_the_spec_names_readers_by_suffix_and_by_media_type() -> None:
    readers = Readers(named={".conf": "text", "text/html": "text", ".md": "html"})
    for path, content, name in (
        ("a.conf", b"a = b\n", "text"),
        ("a.html", b"<p>x", "text"),
        ("a.md", b"# x\n", "html"),
        ("a.txt", b"x\n", "text"),
    ):
        for data in (None, content):
            reader = readers.choose(item(path), data).reader
            assert reader is not None
            assert reader.name == name


def test_unstructured_takes_everything_but_containers_and_records() -> None:
    readers = Readers(reader="unstructured")
    names = {
        path: reader.name
        for path in ("a.md", "a.pdf", "a.zip")
        if (reader := readers.choose(item(path)).reader) is not None
    }
    assert names == {"a.md": "unstructured", "a.pdf": "unstructured", "a.zip": "archive"}


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
    assert reader_for(item("a.md", "video/mp4")).reason == "no reader for video/mp4"
    sent = reader_for(item("a.md", "application/octet-stream")).reader
    assert sent is not None
    assert sent.name == "markdown"


def test_records_are_declared_by_their_source_and_never_guessed() -> None:
    for head in (None, b'{"text": "a"}', b""):
        reader = reader_for(item("a.txt#1", RECORD_MEDIA_TYPE), head).reader
        assert reader is not None
        assert reader.name == "record"
    other = reader_for(item("a.json"), b'{"text": "a"}').reader
    assert other is not None
    assert other.name == "json"


def test_auto_refuses_what_no_reader_takes() -> None:
    with pytest.raises(MalformedDocument, match=r"no reader for \.odd files"):
        AutoReader().read(item("a.odd"), b"words")


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
    assert {"text", "markdown", "rst", "html", "record"} < reader_versions().keys()
    code = (
        "import sys; from ragctl.readers.auto import reader_versions; reader_versions();"
        "print(sorted({'lxml', 'markdown_it', 'yaml', 'charset_normalizer', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_recipes_from_before_there_were_records_stay() -> None:
    before = {"text": 1, "markdown": 1, "rst": 1, "html": 2}
    assert recipe_readers(records=False) == before
    assert recipe_readers(records=True) == before


@pytest.mark.parametrize("name", READERS)
def test_the_table_says_of_each_reader_what_it_is(name: str) -> None:
    entry = READERS[name]
    cls = getattr(importlib.import_module(f"ragctl.readers.{entry.module}"), entry.cls)
    assert (cls.name, cls.output_version) == (name, entry.version)
    if entry.encodings:
        assert cls(encodings=("cp1251",))
    if entry.program:
        module = importlib.import_module(f"ragctl.readers.{entry.module}")
        assert module.available() is None or module.available()


def test_a_spec_may_name_every_reader_of_files() -> None:
    assert set(get_args(ReaderName)) == READERS.keys() - {"record", "encrypted_office"}


def test_readers_that_came_later_are_named_from_their_second_version_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = recipe_readers(records=False)
    monkeypatch.setattr(table, "READERS", {**READERS, "pdf": replace(READERS["pdf"], version=2)})
    assert recipe_readers(records=False) == {**before, "pdf": 2}


def test_readers_that_the_spec_names_are_in_the_recipe() -> None:
    before = recipe_readers(records=False)
    assert recipe_readers(records=False, named={"pdf"}) == {**before, "pdf": 1}


def test_a_later_record_reader_makes_another_recipe_where_there_are_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = recipe_readers(records=False)
    monkeypatch.setattr(table, "READERS", {**READERS, "record": replace(READERS["record"], version=2)})
    assert recipe_readers(records=False) == before
    assert recipe_readers(records=True) == {**before, "record": 2}
