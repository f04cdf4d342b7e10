"""Bytes to text."""

from __future__ import annotations

import codecs

import pytest

from ragctl.errors import MalformedDocument
from ragctl.readers.decoding import decode

RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю."
JAPANESE = "これは日本語の文章です。文字コードを判定します。"
FRENCH = "Le café est à côté de l'église, où l'été est très agréable."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Škoda, že nemůžeme přijít dříve."


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_byte_order_marks(mark: bytes, encoding: str) -> None:
    text = "Grüße 😀\n"
    assert decode(mark + text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (FRENCH, "cp1252"),
        ("It’s “quoted” — a naïve café", "cp1252"),
        (CZECH, "cp1250"),
    ],
)
def test_other_encodings_are_guessed(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.encoding != "utf-8"


def test_the_guess_looks_where_the_bytes_are_not_ascii() -> None:
    text = "plain line\n" * 100_000 + RUSSIAN * 20 + "\n" + "plain line\n" * 100_000
    assert decode(text.encode("cp1251")).text == text


def test_a_declaration_decides_between_encodings() -> None:
    assert decode("Škoda".encode("iso8859-2"), declared="iso-8859-2").text == "Škoda"
    assert decode(JAPANESE.encode("iso2022_jp"), declared="ISO-2022-JP").text == JAPANESE
    assert decode("10 €".encode("cp1252"), declared="iso-8859-1").text == "10 €"  # as browsers do


def test_utf8_comes_before_a_declaration() -> None:
    assert decode("Grüße".encode(), declared="iso-8859-1") == ("Grüße", "utf-8")


@pytest.mark.parametrize("declared", ["klingon", "rot13", "base64", "unicode_escape", "utf-7", "", "\x00"])
def test_a_declaration_of_no_text_encoding_is_ignored(declared: str) -> None:
    assert decode(FRENCH.encode("cp1252"), declared=declared).text == FRENCH
    assert decode(b"\\ud800 +2AA- words", declared=declared).text == "\\ud800 +2AA- words"


def test_a_few_broken_bytes_leave_utf8_utf8() -> None:
    good = (RUSSIAN * 5).encode()
    text, encoding = decode(good + b"\xff" + good)
    assert encoding == "utf-8"
    assert text == RUSSIAN * 5 + "\ufffd" + RUSSIAN * 5


@pytest.mark.parametrize(
    "data", [codecs.BOM_UTF16_LE + b"\x00\xd8", codecs.BOM_UTF16_BE + b"odd", codecs.BOM_UTF8 + b"\xff"]
)
def test_a_mark_that_lies_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedDocument, match="begins with the mark of"):
        decode(data)


def test_line_ends_become_newlines() -> None:
    assert decode(b"a\r\nb\rc\nd\r\n\r\n").text == "a\nb\nc\nd\n\n"
    assert decode("a\u2028b\x0cc".encode()).text == "a\u2028b\x0cc"


def test_the_unicode_form_is_left_alone() -> None:
    assert decode("e\u0301 é".encode()).text == "e\u0301 é"


def test_nul_cannot_be_stored_and_is_replaced() -> None:
    assert decode(b"some words and a \0 in between").text == "some words and a \ufffd in between"


def test_binary_data_is_malformed() -> None:
    with pytest.raises(MalformedDocument, match="binary data"):
        decode(b"head of a script\n" + b"\0\x01\x02" * 100)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text", ["Plain words in a line.\nAnd more.\n", "Größe und Maß: 12 €\n", "ab" * 9000]
)
def test_wide_text_without_a_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == (text, encoding)


def test_a_few_nuls_are_no_wide_text() -> None:
    assert decode(b"words" * 100 + b"\0\0")[1] == "utf-8"
