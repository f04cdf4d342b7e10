"""Mails as they travel, whole and broken, and what is attached to them."""

from __future__ import annotations

import base64
import random
from email.message import EmailMessage
from pathlib import Path

import pytest
from readers.reading import check

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.auto import reader_for
from ragctl.readers.kinds import MAIL
from ragctl.readers.mail import MailReader
from ragctl.readers.nested import read_nested
from ragctl.readers.parts import Found, Part, PartFailed, PartSkipped
from ragctl.types import Document, Item

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "files"
MAILS = FILES / "unstructured" / "example-docs" / "eml"
needs_files = pytest.mark.skipif(not FILES.is_dir(), reason=f"{FILES.name}: the sample files are not here")
ITEM = Item("docs", "a.eml", "file:///a.eml", "f")


def found_in(data: bytes, *encodings: str) -> list[Found]:
    return list(MailReader(encodings).read(ITEM, data))


def document_of(data: bytes, *encodings: str) -> Document:
    document = found_in(data, *encodings)[0]
    assert isinstance(document, Document)
    check(document)
    return document


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"Subject": "Reactor", "From": "ada@example.org", **headers}.items():
        message[name.replace("_", "-")] = value
    return message


def test_headers_come_before_the_text_and_all_is_one_message() -> None:
    message = mail(To="bob@example.org", Date="Tue, 01 Oct 2024 12:34:56 -0500", X_Other="not shown")
    message.set_content("The valve is closed.\n\n\n\n\nIt stays so.\n")
    document = document_of(message.as_bytes())
    assert document.text == (
        "Subject: Reactor\nFrom: ada@example.org\nTo: bob@example.org\n"
        "Date: Tue, 01 Oct 2024 12:34:56 -0500\n\nThe valve is closed.\n\nIt stays so."
    )
    assert document.title == "Reactor"
    assert [(one.kind, one.start, one.end) for one in document.blocks] == [("message", 0, len(document.text))]
    assert document.metadata["date"] == "2024-10-01T12:34:56-05:00"
    assert document.metadata["from"] == "ada@example.org"


def test_of_two_versions_the_plain_one_is_read() -> None:
    message = mail()
    message.set_content("The valve is closed.")
    message.add_alternative("<p>The valve is <b>closed</b> in HTML.</p>", subtype="html")
    assert document_of(message.as_bytes()).text.endswith("\n\nThe valve is closed.")


def test_a_plain_version_that_says_nothing_gives_way() -> None:
    message = mail()
    message.set_content("See the HTML version.")
    message.add_alternative(f"<h1>Valve</h1><p>{'It is closed. ' * 9}</p>", subtype="html")
    assert "Valve\n\nIt is closed." in document_of(message.as_bytes()).text


def test_what_is_attached_is_an_item_of_its_own_and_pictures_in_the_text_are_told_of() -> None:
    message = mail()
    message.set_content("Text.")
    message.add_alternative("<p>Text. <img src='cid:one'></p>", subtype="html")
    _, html = message.iter_parts()
    assert isinstance(html, EmailMessage)
    html.add_related(b"PNG", "image", "png", cid="<one>", filename="logo.png", disposition="inline")
    message.add_attachment(b"a,b\n1,2\n", "text", "csv", filename="../../etc/table.csv")
    _, picture, attached = found_in(message.as_bytes())
    assert picture == PartSkipped("logo.png", "it is a picture within the mail's text", "image/png")
    assert attached == Part("_.._etc_table.csv", b"a,b\n1,2\n", "text/csv")


def test_a_mail_within_a_mail_is_called_by_its_subject_and_read() -> None:
    inner = mail(Subject="Inner: a/b")
    inner.set_content("Deep words.")
    outer = mail()
    outer.set_content("See below.")
    outer.add_attachment(inner)
    outcomes = list(read_nested(MailReader(), ITEM, outer.as_bytes(), reader_for))
    assert [one.path for one in outcomes] == ["a.eml", "a.eml!/Inner_ a_b.eml"]
    assert isinstance(outcomes[1], Document)
    assert outcomes[1].text.endswith("Deep words.")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_mail_that_an_editor_saved(encoding: str) -> None:
    data = "Subject: Größe\nFrom: ada@example.org\n\nGrüße\n".encode(encoding)
    assert document_of(data).text == "Subject: Größe\nFrom: ada@example.org\n\nGrüße"


def test_the_spec_s_encodings_are_tried_for_a_text_that_declares_none() -> None:
    data = b"Subject: x\nFrom: ada@example.org\n\n" + "Привет, мир. Клапан закрыт.".encode("cp866")
    assert "Клапан закрыт" in document_of(data, "cp866").text


def test_encoded_words_and_bare_bytes_in_headers() -> None:
    word = "=?utf-8?b?" + base64.b64encode("Über".encode()).decode() + "?="
    data = f"Subject: {word}\n folded\nFrom: ".encode() + "Jürgen".encode() + b" <j@example.org>\n\nx"
    assert document_of(data).text.splitlines()[:2] == ["Subject: Über folded", "From: Jürgen <j@example.org>"]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: text/plain; charset=no-such-charset",
        b"Content-Type: text/plain; charset*=utf-8''%E2%28%A1",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-unheard-of",
        b"Content-Type: ; ; =\xff",
        b"Content-Type: multipart/mixed",
        b"Content-Type: multipart/mixed; boundary=nowhere",
        b"Date: Tue, 99 Foo 99999 99:99:99 +99999999",
        b"From: =?utf-8?b?!!!?= <=?x?q?y?=>",
        b"To: " + b"a@b.c, " * 20_000,
        b"Content-Disposition: attachment; filename*0*=x''%ff; filename*1=\xff",
    ],
)
def test_headers_that_are_broken_do_no_harm(headers: bytes) -> None:
    found = found_in(b"Subject: kept\n" + headers + b"\n\nSome words here\n")
    assert isinstance(found[0], Document)
    assert "Subject: kept" in found[0].text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"just words, no headers at all\n\nmore", "no headers of a mail"),
        (b"X-Nothing: here\n\ntext", "no headers of a mail"),
        (b"Subject: x\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA", "encrypted"),
        (b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n", "encrypted"),
        (
            b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n"
            + b"--b\nContent-Type: text/plain\n\nx\n" * 10_001,
            "more than 10,000 parts",
        ),
        (
            b"Subject: x\n"
            + b"".join(
                b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(5_000)
            ),
            "nested too deeply",
        ),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedDocument, match=reason):
        found_in(data)


@pytest.mark.parametrize("data", [b"", b" \r\n\n"])
def test_nothing_is_in_an_empty_file(data: bytes) -> None:
    with pytest.raises(EmptyDocument):
        found_in(data)


@needs_files
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("email-no-utf8-2008-07-16.062410.eml", "סלבה היקר"),
        ("fake-email-utf-16-le.eml", "Subject: Test Email"),
        ("fake-email-malformed-encoding.eml", "Roses are red"),
        ("mime-html-only.eml", "This is a text/html part."),
        ("mime-word-encoded-subject.eml", "☸☿"),
        ("test-iso-8601-date.eml", "This is a test-email."),
        ("email-no-html-content-1.eml", "nf-core"),
    ],
)
def test_mails_of_others(name: str, words: str) -> None:
    assert words in document_of((MAILS / name).read_bytes()).text


@needs_files
def test_the_mails_of_a_digest_are_read_each() -> None:
    data = (MAILS / "mime-multipart-digest.eml").read_bytes()
    outcomes = list(read_nested(MailReader(), ITEM, data, reader_for))
    assert [one.path.rpartition("/")[2] for one in outcomes] == [
        "a.eml",
        "First Message.eml",
        "Second Message.eml",
        "Third Message.eml",
    ]
    assert all(isinstance(one, Document) and one.media_type == MAIL for one in outcomes)


@needs_files
def test_an_encrypted_mail_is_called_that() -> None:
    with pytest.raises(MalformedDocument, match="the mail is encrypted"):
        found_in((MAILS / "fake-encrypted.eml").read_bytes())


def test_damage_is_a_malformed_document_or_none() -> None:
    message = mail(Subject="Größe", To="bob@example.org")
    message.set_content("Grüße " * 30)
    message.add_alternative("<p>Grüße</p>" * 30, subtype="html")
    message.add_attachment(b"words " * 50, "application", "pdf", filename="a.pdf")
    whole = message.as_bytes()
    draw = random.Random(1)
    for _ in range(200):
        data = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(1, 40)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            found = found_in(bytes(data))
        except (MalformedDocument, EmptyDocument):
            continue
        assert all(isinstance(one, Document | Part | PartFailed | PartSkipped) for one in found)
