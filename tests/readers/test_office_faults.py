"""Office formats of strangers: bombs, entities, passwords, cut and mislabelled files fail with a reason."""

from __future__ import annotations

import io
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from readers.office_files import (
    Slide,
    Words,
    docx,
    epub,
    odf,
    paragraph,
    pdf,
    pptx,
    shape,
    sheet_rows,
    xlsx,
    zipped,
)
from readers.reading import check

from ragctl.errors import DocumentError, EmptyDocument, MalformedDocument, MissingPackage
from ragctl.readers import ocr, zip_package
from ragctl.readers.docx import DocxReader
from ragctl.readers.epub import EpubReader
from ragctl.readers.legacy_office import LegacyOfficeReader
from ragctl.readers.ocr import ImageReader
from ragctl.readers.odf import OpenDocumentReader
from ragctl.readers.parts import FormatReader
from ragctl.readers.pdf import PdfReader
from ragctl.readers.pptx import PptxReader
from ragctl.readers.rtf import RtfReader
from ragctl.readers.xlsx import XlsxReader
from ragctl.types import Document, Item

_FILES = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "files"
_SMALL: dict[str, tuple[Callable[[], FormatReader], bytes]] = {
    "docx": (DocxReader, docx(paragraph("One", "Heading1") + paragraph("Text."))),
    "pptx": (PptxReader, pptx([Slide(shape("One", "title") + shape("Text."), notes="Note.")])),
    "xlsx": (XlsxReader, xlsx({"A": sheet_rows([["a", "b"], ["c", "d"]])})),
    "odt": (OpenDocumentReader, odf("text", "<text:p>Text.</text:p>")),
    "epub": (EpubReader, epub({"a.xhtml": "<h1>One</h1><p>Text.</p>"})),
    "rtf": (RtfReader, rb"{\rtf1\ansi One\par Two\par}"),
    "pdf": (PdfReader, pdf([[Words(50, 700, "One line.")], [Words(50, 700, "Another.")]])),
}
_BY_SUFFIX: dict[str, Callable[[], FormatReader]] = {
    ".pdf": PdfReader,
    ".docx": DocxReader,
    ".pptx": PptxReader,
    ".xlsx": XlsxReader,
    ".xls": XlsxReader,
    ".odt": OpenDocumentReader,
    ".rtf": RtfReader,
    ".epub": EpubReader,
}


def item(name: str) -> Item:
    return Item("docs", name, f"file:///{name}", "f")


def documents(reader: FormatReader, name: str, data: bytes) -> list[Document]:
    return [one for one in reader.read(item(name), data) if isinstance(one, Document)]


@pytest.mark.parametrize("suffix", _SMALL)
def test_a_whole_one_is_read(suffix: str) -> None:
    made, data = _SMALL[suffix]
    (document,) = documents(made(), f"a.{suffix}", data)
    check(document)


@pytest.mark.parametrize("suffix", _SMALL)
def test_an_empty_file(suffix: str) -> None:
    with pytest.raises((EmptyDocument, MalformedDocument), match="empty"):
        documents(_SMALL[suffix][0](), f"a.{suffix}", b"")


@pytest.mark.parametrize("suffix", _SMALL)
@pytest.mark.parametrize("content", [b"only text", b"\x89PNG\r\n\x1a\n" + bytes(200), bytes(1000)])
def test_a_mislabelled_file(suffix: str, content: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        documents(_SMALL[suffix][0](), f"a.{suffix}", content)
    assert caught.value.message


@pytest.mark.parametrize("suffix", ["docx", "pptx", "xlsx", "odt", "epub", "rtf"])
def test_a_file_that_is_cut_off(suffix: str) -> None:
    made, data = _SMALL[suffix]
    with pytest.raises(MalformedDocument, match="cut off"):
        documents(made(), f"a.{suffix}", data[: len(data) * 2 // 3])


@pytest.mark.parametrize("suffix", ["docx", "pptx", "xlsx", "odt", "epub"])
def test_another_zip_file(suffix: str) -> None:
    with pytest.raises(MalformedDocument):
        documents(_SMALL[suffix][0](), f"a.{suffix}", zipped({"a.txt": "text"}))


@pytest.mark.parametrize("reader", [DocxReader, PptxReader, XlsxReader])
def test_an_encrypted_file_is_said_to_be_so(reader: Callable[[], FormatReader]) -> None:
    data = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    )
    with pytest.raises(MalformedDocument, match="password-protected"):
        documents(reader(), "a", data)


_LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    "<w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>"
)


def test_entities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedDocument, match="entities"):
        documents(DocxReader(), "a.docx", zipped({"word/document.xml": _LAUGHS}))
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    outside = _LAUGHS.replace('<!ENTITY a "ha">', f'<!ENTITY b SYSTEM "{secret.as_uri()}">')
    with pytest.raises(MalformedDocument, match="entities"):
        documents(DocxReader(), "a.docx", zipped({"word/document.xml": outside}))


@pytest.mark.parametrize("suffix", ["docx", "pptx", "xlsx", "odt", "epub"])
def test_a_decompression_bomb_is_not_unpacked(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_package, "LEAST_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(zip_package, "MOST_RATIO", 20)
    made, data = _SMALL[suffix]
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    main = {
        "docx": "word/document.xml",
        "pptx": "ppt/slides/slide0.xml",
        "xlsx": "xl/worksheets/sheet1.xml",
        "odt": "content.xml",
        "epub": "OEBPS/a.xhtml",
    }[suffix]
    members[main] += b" " * (3 << 20)
    with pytest.raises(MalformedDocument, match="decompression bomb"):
        documents(made(), f"a.{suffix}", zipped(members))


def test_paths_do_not_leave_the_package() -> None:
    assert zip_package.inside("word", "../media/a%20b.xml#x") == "media/a b.xml"
    assert zip_package.inside("word", "/word/styles.xml") == "word/styles.xml"
    assert zip_package.ZipPackage(zipped({"a": "b"}), "a file").read("../../etc/passwd") is None


def test_deeply_nested_tables_end_somewhere() -> None:
    body = paragraph("innermost")
    for _ in range(300):
        body = f"<w:tbl><w:tr><w:tc>{body}</w:tc><w:tc>{paragraph('x')}</w:tc></w:tr></w:tbl>"
    (document,) = documents(DocxReader(), "a.docx", docx(paragraph("Before.") + body))
    check(document)


@pytest.mark.parametrize("suffix", _SMALL)
def test_mutated_files_raise_nothing_else(suffix: str) -> None:
    made, data = _SMALL[suffix]
    random_ = random.Random(7)
    for _ in range(60):
        mutated = bytearray(data)
        for _ in range(random_.randint(1, 6)):
            at = random_.randrange(len(mutated))
            kind = random_.randrange(3)
            if kind == 0:
                mutated[at] = random_.randrange(256)
            elif kind == 1:
                del mutated[at : at + random_.randint(1, 20)]
            else:
                mutated[at:at] = random_.randbytes(random_.randint(1, 10))
        try:
            found = documents(made(), f"a.{suffix}", bytes(mutated))
        except DocumentError as error:
            assert error.message
        else:
            for document in found:
                check(document)


@pytest.mark.skipif(not _FILES.is_dir(), reason="there are no shared files")
def test_every_shared_file_is_read_or_fails_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "available", lambda: "left out here: it takes seconds a page")
    tried = 0
    for path in sorted(one for one in _FILES.rglob("*") if one.suffix.lower() in _BY_SUFFIX):
        tried += 1
        try:
            found = documents(_BY_SUFFIX[path.suffix.lower()](), path.name, path.read_bytes())
        except DocumentError as error:
            assert error.message
        else:
            for document in found:
                check(document)
                ends = [0, *(end for block in document.blocks for end in (block.start, block.end))]
                assert ends == sorted(ends)
                assert ends[-1] <= len(document.text)
    assert tried > 100


@pytest.mark.parametrize("reader", [LegacyOfficeReader, ImageReader])
def test_empty_files_need_no_program(reader: Callable[[], FormatReader]) -> None:
    with pytest.raises(EmptyDocument, match="empty"):
        documents(reader(), "a", b"")


@pytest.mark.parametrize(
    ("suffix", "package"), [("pdf", "pypdfium2"), ("xlsx", "python_calamine"), ("rtf", "striprtf.striprtf")]
)
def test_a_library_that_is_missing_is_named(
    suffix: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    made, data = _SMALL[suffix]
    with pytest.raises(MissingPackage, match=package) as caught:
        documents(made(), f"a.{suffix}", data)
    assert "ragctl[formats]" in (caught.value.hint or "")


def test_xls_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(MissingPackage, match="xlrd"):
        documents(XlsxReader(), "a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
