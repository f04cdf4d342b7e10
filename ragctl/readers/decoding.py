"""Bytes to text: which encoding, and what no text may hold."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from ragctl.errors import MalformedDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that one's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Names that pages declare and what browsers take them for (WHATWG Encoding, "names and labels").
_BROWSER_NAMES = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "big5": "big5hkscs",
}
_DECLARABLE = {
    *(f"cp{number}" for number in (866, 874, 932, 949, *range(1250, 1259))),
    *(f"iso8859-{number}" for number in (*range(2, 9), 10, 11, 13, 14, 15, 16)),
    *("utf-8", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gb18030", "big5hkscs"),
    *("euc_jp", "iso2022_jp", "iso2022_kr", "hz"),
}
"""Python's names of the encodings that a document may declare: the web's, and no `unicode_escape`
or `utf-7`, which can smuggle in what is no text."""

_NOT_OVER_ASCII = {"iso2022_jp", "iso2022_kr", "hz"}
"""Their bytes are all ASCII, so that they would pass for UTF-8."""

_LIKELIEST = "cp1252"
"""What a page without a declaration is taken for (WHATWG HTML, "default encoding")."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
_CONTROLS = re.compile("[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE_BYTES = 1 << 18
_WIDE_SAMPLE = 4_096
"""Bytes at the beginning by which UTF-16 is recognised; a multiple of 4."""


class Decoded(NamedTuple):
    """Text with `\\n` for every line end, and the encoding it was decoded from."""

    text: str
    encoding: str


def decode(data: bytes, encodings: Sequence[str] = (), *, declared: str | None = None) -> Decoded:
    """Text of `data`: by its byte order mark, as UTF-16, UTF-8, as declared, as listed, or by a guess.

    UTF-8 comes before a declaration, because text that is valid UTF-8 hardly ever is anything
    else. Text that is UTF-8 but for a few broken bytes is read as such, with U+FFFD for those.
    Line ends (`\\r\\n`, `\\r`) become `\\n`, so line numbers stay those of an editor; NUL becomes
    U+FFFD, as CommonMark and HTML have it; the Unicode form is left alone.

    Args:
        encodings: Python's names of those to try in order where it is neither UTF-8 nor as declared.
        declared: the encoding that the document names itself; ignored if Python does not know it.

    Raises:
        MalformedDocument: no encoding fits, or the text is mostly control characters.
    """
    text, encoding = _decode(data, _python_name(declared), encodings)
    nuls = text.count("\0")
    if nuls:
        text = text.replace("\0", "\ufffd")
    odd = nuls + len(_CONTROLS.findall(text))
    if odd > 8 and odd * 20 > len(text):
        raise MalformedDocument(
            f"{odd} of {len(text)} characters are control characters: this is binary data, not text"
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Decoded(text, encoding)


def _python_name(declared: str | None) -> str | None:
    if not declared:
        return None
    label = declared.strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_BROWSER_NAMES.get(label, label)).name
    except (LookupError, ValueError):
        return None
    return name if name in _DECLARABLE else None


def _decode(data: bytes, declared: str | None, encodings: Sequence[str]) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise MalformedDocument(
                    f"it begins with the mark of {encoding.upper()}, but is not: {error.reason} "
                    f"at byte {error.start + len(mark)}"
                ) from None
    if declared in _NOT_OVER_ASCII:
        try:
            return data.decode(declared), declared
        except UnicodeDecodeError:
            pass  # it declares what it is not: the other ways may do
    wide = _wide(data)
    if wide is not None:
        try:
            return data.decode(wide), wide
        except UnicodeDecodeError:
            pass  # NULs for another reason
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        return _decode_other(data, [declared, *encodings], error)


def _wide(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, by where the NULs of its Latin letters, digits and spaces stand."""
    head = data[:_WIDE_SAMPLE]
    if len(head) < 8 or len(data) % 2 or not head.count(0):
        return None
    rows = len(head) // 4
    nuls = [head[place : rows * 4 : 4].count(0) / rows for place in range(4)]
    if len(data) % 4 == 0:
        if min(nuls[1:]) > 0.9 and nuls[0] < 0.1:
            return "utf-32-le"
        if min(nuls[:3]) > 0.9 and nuls[3] < 0.1:
            return "utf-32-be"
    if min(nuls[1], nuls[3]) > 0.3 and max(nuls[0], nuls[2]) < 0.05:
        return "utf-16-le"
    if min(nuls[0], nuls[2]) > 0.3 and max(nuls[1], nuls[3]) < 0.05:
        return "utf-16-be"
    return None


def _decode_other(data: bytes, likely: Sequence[str | None], failed: UnicodeDecodeError) -> tuple[str, str]:
    mended = data.decode("utf-8", "replace")
    broken = mended.count("\ufffd")
    if len(_MULTIBYTE.findall(data)) > 10 * broken:
        return mended, "utf-8"
    # The guess takes long: it is made only if nothing else fits.
    for encoding in chain(likely, map(_guess, [data])):
        if encoding is None:
            continue
        try:
            text = data.decode(encoding)
            text.encode("utf-8")  # no lone surrogates
        except (UnicodeError, LookupError):
            continue
        return text, encoding
    raise MalformedDocument(
        f"its encoding is not known: not UTF-8 ({failed.reason} at byte {failed.start}), "
        "and no other encoding fits",
        hint="Convert it to UTF-8.",
    )


def _guess(data: bytes) -> str | None:
    """charset-normalizer's best guess from the lines that are not ASCII."""
    from charset_normalizer import from_bytes

    matches = from_bytes(_sample(data))
    best = matches.best()
    if best is None:
        return None
    # Among Latin alphabets the guess is often a coin toss; what browsers assume is the likeliest.
    for match in matches:
        if (
            match.encoding == _LIKELIEST
            and match.chaos <= best.chaos + 0.05
            and match.coherence >= best.coherence - 0.02
        ):
            return _LIKELIEST
    return best.encoding


def _sample(data: bytes) -> bytes:
    """The first lines that hold a byte above ASCII: whole ones, so that no character is cut."""
    lines: list[bytes] = []
    size = at = 0
    while size < _SAMPLE_BYTES:
        found = _NOT_ASCII.search(data, at)
        if not found:
            break
        start = data.rfind(b"\n", at, found.start()) + 1 or at
        end = data.find(b"\n", found.end()) + 1 or len(data)
        lines.append(data[start:end])
        size += end - start
        at = end
    return b"".join(lines)
