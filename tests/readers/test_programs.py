"""Readers that need a program: images by Tesseract, old Office documents by LibreOffice."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from readers.reading import outline, read

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import legacy_office, libreoffice, ocr
from ragctl.readers.legacy_office import LegacyOfficeReader
from ragctl.readers.ocr import ImageReader
from ragctl.types import Item

_FILES = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "files"
_ITEM = Item("docs", "a.doc", "file:///a.doc", "f")
needs_tesseract = pytest.mark.skipif(ocr.available() is not None, reason="Tesseract is not installed")
needs_libreoffice = pytest.mark.skipif(
    legacy_office.available() is not None, reason="LibreOffice is not installed"
)
needs_files = pytest.mark.skipif(not _FILES.is_dir(), reason="there are no shared files")


def test_what_is_missing_is_said_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(libreoffice, "_ELSEWHERE", ())
    assert "apt install tesseract-ocr" in (ocr.available() or "")
    assert "apt install libreoffice" in (legacy_office.available() or "")
    with pytest.raises(MalformedDocument, match="not installed"):
        ocr.recognised(b"x")
    with pytest.raises(MalformedDocument, match="not installed"):
        libreoffice.converted(b"x", ".doc", "docx")


def white(width: int, height: int) -> bytes:
    """A BMP without anything on it."""
    row = b"\xff" * (width * 3 + -width * 3 % 4)
    size = len(row) * height
    head = struct.pack("<2sIHHI", b"BM", 54 + size, 0, 0, 54)
    return (
        head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 2835, 2835, 0, 0) + row * height
    )


@needs_tesseract
def test_an_image_without_text() -> None:
    with pytest.raises(EmptyDocument, match="no text"):
        list(ImageReader().read(Item("docs", "a.bmp", "u", "f"), white(200, 80)))


@needs_tesseract
def test_a_broken_image() -> None:
    with pytest.raises(MalformedDocument, match="cannot read the image"):
        list(ImageReader().read(Item("docs", "a.png", "u", "f"), b"\x89PNG\r\n\x1a\nnothing more"))


@needs_tesseract
@needs_files
def test_an_image_of_text() -> None:
    path = _FILES / "unstructured" / "example-docs" / "img" / "layout-parser-paper-fast.jpg"
    document = read("page.jpg", path.read_bytes())
    assert "Unified Toolkit for Deep" in document.text
    assert document.metadata == {"ocr": True}
    assert document.media_type == "image/jpeg"


@needs_libreoffice
@needs_files
def test_an_old_word_document() -> None:
    data = (_FILES / "docling" / "doc" / "sources" / "legacy_sample.doc").read_bytes()
    document = read("legacy.doc", data)
    assert outline(document) == [(), ("Let’s swim!",), ("Let’s swim!", "Let’s eat")]
    assert [one.header for one in document.blocks] == [" | Food | Calories per portion"]
    assert document.media_type == "application/msword"
    assert document.reader == "legacy_office@1"


@needs_libreoffice
@needs_files
def test_old_slides() -> None:
    data = (_FILES / "unstructured" / "example-docs" / "fake-power-point.ppt").read_bytes()
    document = read("legacy.ppt", data)
    assert outline(document) == [("Adding a Bullet Slide",)]
    assert [one.kind for one in document.blocks] == ["slide"]
    assert document.media_type == "application/vnd.ms-powerpoint"


def _old_word(flags: int) -> bytes:
    """As much of a Word document as tells whether it is encrypted."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0")
        + b"\xec\xa5"
        + bytes(8)
        + struct.pack("<H", flags)
        + bytes(500)
    )


def test_a_password_is_said_so() -> None:
    with pytest.raises(MalformedDocument, match="password-protected"):
        list(LegacyOfficeReader().read(_ITEM, _old_word(0x0100)))


@needs_libreoffice
def test_what_libreoffice_cannot_open() -> None:
    with pytest.raises(MalformedDocument, match="cannot open it"):
        list(LegacyOfficeReader().read(_ITEM, _old_word(0)))


def test_a_mislabelled_one() -> None:
    with pytest.raises(MalformedDocument, match="not a file of Word"):
        list(LegacyOfficeReader().read(_ITEM, b"plain text"))


@pytest.mark.skipif(
    not Path("/bin/sh").exists(), reason="needs a shell as a stand-in for a program that hangs"
)
def test_a_conversion_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "soffice"
    stand_in.write_text("#!/bin/sh\nsleep 60\n", encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setattr(libreoffice, "program", lambda: str(stand_in))
    monkeypatch.setattr(libreoffice, "SECONDS", 0.3)
    with pytest.raises(MalformedDocument, match="took longer than"):
        libreoffice.converted(b"x", ".doc", "docx")
