"""Messages that Outlook saved, whole and broken."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.compressed_rtf import unpacked_rtf
from ragctl.readers.outlook import OutlookReader
from ragctl.readers.parts import Found, Part
from ragctl.types import Document, Item

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "files"
UNSTRUCTURED = FILES / "unstructured" / "example-docs"
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES.name}: the sample files are not here")


def found_in(data: bytes) -> list[Found]:
    return list(OutlookReader().read(Item("docs", "a.msg", "file:///a.msg", "f"), data))


def document_of(file: Path) -> Document:
    found = found_in(file.read_bytes())[0]
    assert isinstance(found, Document)
    return found


@needs_files
def test_headers_come_before_the_text_and_all_is_one_message() -> None:
    document = document_of(UNSTRUCTURED / "fake-email-with-cc-and-bcc.msg")
    assert document.text.splitlines()[:4] == [
        "Subject: Fake email with cc and bcc recipients",
        "From: John <johnjennings702@gmail.com>",
        "To: John Jennings <john-ctr@unstructured.io>",
        "Cc: steve@unstructured.io",
    ]
    assert "This is a test email. Please ignore." in document.text
    assert document.title == "Fake email with cc and bcc recipients"
    assert [(one.kind, one.start, one.end) for one in document.blocks] == [("message", 0, len(document.text))]
    assert document.metadata["date"] == "2024-07-29T20:38:11+00:00"


@needs_files
def test_what_is_attached_is_an_item_of_its_own() -> None:
    _, attached = found_in((UNSTRUCTURED / "fake-email-attachment.msg").read_bytes())
    assert attached == Part("fake-attachment.txt", b"Hey this is a fake attachment!", "text/plain")


@needs_files
def test_letters_beyond_ascii() -> None:
    document = document_of(FILES / "markitdown" / "test_files" / "test_outlook_msg.msg")
    assert "From: M. C. Kurtuluş <test.sender@example.com>" in document.text


@needs_files
def test_an_encrypted_mail_is_called_that() -> None:
    with pytest.raises(MalformedDocument, match="the mail is encrypted"):
        found_in((UNSTRUCTURED / "fake-encrypted.msg").read_bytes())


@pytest.mark.parametrize("data", [b"not a message", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(MalformedDocument):
        found_in(data)


def test_nothing_is_in_an_empty_file() -> None:
    with pytest.raises(EmptyDocument):
        found_in(b"  \n")


@needs_files
def test_damage_is_a_malformed_document_or_none() -> None:
    whole = (UNSTRUCTURED / "fake-email-attachment.msg").read_bytes()
    draw = random.Random(1)
    outcomes = set()
    for _ in range(60):
        data = bytearray(whole[: draw.choice([len(whole), draw.randrange(600, len(whole))])])
        for _ in range(draw.randrange(1, 40)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            found_in(bytes(data))
        except (MalformedDocument, EmptyDocument) as error:
            outcomes.add(type(error).__name__)
        else:
            outcomes.add("read")
    assert outcomes >= {"read", "MalformedDocument"}


# The examples of MS-OXRTFCP, section 4.
PACKED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)


def test_packed_rtf_is_unpacked() -> None:
    assert unpacked_rtf(PACKED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_plain_rtf_is_taken_as_it_is() -> None:
    assert unpacked_rtf(struct.pack("<IIII", 9, 5, 0x414C454D, 0) + b"{\\rtf") == b"{\\rtf"


@pytest.mark.parametrize(
    "data", [b"", b"short", struct.pack("<IIII", 9, 5, 1, 0), struct.pack("<IIII", 9, 1 << 31, 0x75465A4C, 0)]
)
def test_rtf_in_no_known_form(data: bytes) -> None:
    with pytest.raises(MalformedDocument):
        unpacked_rtf(data)
