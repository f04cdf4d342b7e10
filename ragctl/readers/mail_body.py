"""What a mail holds: its text, in the order of its MIME parts, and the files that come with it."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.decoding import decode
from ragctl.readers.html import page_of
from ragctl.readers.mail_headers import header_text
from ragctl.readers.parts import Part, PartFailed, PartSkipped
from ragctl.readers.text_builder import clean

Attached = Part | PartFailed | PartSkipped

_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"}) | {
    "application/pgp-signature"
}
_ENCRYPTED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_LEAST_SHARE = 0.25
"""Of the words of the HTML version: a plain one with fewer says little more than that there is another."""
_LONGEST_NAME = 150
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\ud800-\udfff]+")
_WORD = re.compile(r"\w+")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n(?:[^\S\n]*\n)+")


class Body:
    """Walks a mail's parts. After that `text` and `attached` hold what was found.

    Raises:
        MalformedDocument: the mail is encrypted.
    """

    def __init__(self, message: Message, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)
        self._texts: list[str] = []
        self.attached: list[Attached] = []
        self._take(message, related=False)

    @property
    def text(self) -> str:
        return "\n\n".join(text for text in self._texts if text)

    def _take(self, part: Message, *, related: bool) -> None:
        kind = part.get_content_type()
        if kind == "multipart/encrypted" or (kind in _ENCRYPTED and _is_enveloped(part)):
            raise MalformedDocument(
                "the mail is encrypted", hint="Save it decrypted from the mail program that has the key."
            )
        if kind == "multipart/alternative":
            self._take_one_of(_children(part), related=related)
        elif part.is_multipart() and kind != "message/rfc822":
            for child in _children(part):
                self._take(child, related=related or kind == "multipart/related")
        elif self._is_text(part, kind):
            self._texts.append(self._text_of(part, kind))
        else:
            self.attached.append(self._attachment(part, kind, related=related))

    def _is_text(self, part: Message, kind: str) -> bool:
        if kind not in ("text/plain", "text/html") or part.is_multipart():
            return False
        if _disposition(part) == "attachment":
            return False
        return not self._texts or not _name_of(part)

    def _take_one_of(self, versions: Iterable[Message], *, related: bool) -> None:
        """The plain version if it says as much as the HTML one, with the files that any of them brings."""
        found = [self._version(version, related=related) for version in versions]
        plain = next((one for one in found if one[0] == "text/plain" and one[1]), None)
        rich = next((one for one in found if one[0] != "text/plain" and one[1]), None)
        best = plain or rich
        if plain and rich and _words(plain[1]) < _LEAST_SHARE * _words(rich[1]):
            best = rich
        if best:
            self._texts.append(best[1])

    def _version(self, version: Message, *, related: bool) -> tuple[str, str]:
        """Its type and text."""
        before = self._texts
        self._texts = []
        self._take(version, related=related)
        text, self._texts = self.text, before
        return version.get_content_type(), text

    def _text_of(self, part: Message, kind: str) -> str:
        data = _payload(part)
        charset = part.get_param("charset")
        try:
            text = decode(data, self._encodings, declared=str(charset) if charset else None).text
        except MalformedDocument:  # a few stray bytes in a mail that is text all the same
            text = data.decode("utf-8", "replace")
        if kind == "text/html":
            page, _ = page_of(text)
            text = page.text if page else ""
        return tidied(text)

    def _attachment(self, part: Message, kind: str, *, related: bool) -> Attached:
        name = _name_of(part) or f"part {len(self.attached) + 1}{_suffix(kind)}"
        if kind in _SIGNATURES:
            return PartSkipped(name, "it is the mail's signature", kind)
        if (
            kind.startswith("image/")
            and (related or part["Content-ID"])
            and _disposition(part) != "attachment"
        ):
            return PartSkipped(name, "it is a picture within the mail's text", kind)
        if kind == "message/rfc822":
            return _inner_mail(part, name)
        return Part(name, _payload(part), kind if kind in kinds.BY_DECLARATION else None)


def _children(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    for child in payload if isinstance(payload, list) else ():
        if isinstance(child, Message):
            yield child


def _inner_mail(part: Message, name: str) -> Attached:
    """A mail within the mail is called by its subject, and read as a mail of its own."""
    inner = next(_children(part), None)
    if inner is None:
        return Part(name, _payload(part), kinds.MAIL)
    subject = header_text(str(inner.get("Subject", "")))
    if subject and not _name_of(part):
        name = file_name(subject)
    name = name if name.lower().endswith(".eml") else f"{name}.eml"
    try:
        return Part(name, inner.as_bytes(), kinds.MAIL)
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError):
        return PartFailed(name, "this mail within the mail is broken: it cannot be taken out of it")


def _payload(part: Message) -> bytes:
    """The part's bytes, its transfer encoding undone as far as that goes."""
    try:
        data: Any = part.get_payload(decode=True)
    except (UnicodeError, LookupError, ValueError, TypeError, AssertionError):
        data = str(part.get_payload()).encode("utf-8", "replace")
    return data if isinstance(data, bytes) else b""


def _is_enveloped(part: Message) -> bool:
    """Encrypted rather than only signed (RFC 8551, 3.2.2)."""
    return str(part.get_param("smime-type", "enveloped-data")).lower() != "signed-data"


def _disposition(part: Message) -> str:
    return str(part.get("Content-Disposition", "")).partition(";")[0].strip().lower()


def _name_of(part: Message) -> str:
    try:
        name = part.get_filename()
    except (UnicodeError, LookupError, ValueError, TypeError):
        return ""
    return file_name(header_text(name)) if name else ""


def file_name(text: str) -> str:
    """`text` as a file's name within an item: no folders, nothing that a file system minds."""
    name = _NOT_IN_NAMES.sub("_", text).strip(" .")
    if len(name) <= _LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[:_LONGEST_NAME]}{dot}{suffix}" if dot and len(suffix) < 10 else name[:_LONGEST_NAME]


def tidied(text: str) -> str:
    """A body without blank lines around it, and with one at most between lines."""
    return _BLANK_LINES.sub("\n\n", clean(text)).strip("\n").rstrip()


def _suffix(kind: str) -> str:
    return ".eml" if kind == "message/rfc822" else mimetypes.guess_extension(kind) or ""


def _words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))
