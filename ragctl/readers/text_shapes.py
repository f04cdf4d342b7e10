"""Text formats that can be told by how the text begins: mail, HTML, XML, JSON, JSON Lines."""

from __future__ import annotations

import json
import re

from ragctl.readers import kinds

_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_XML_START = re.compile(rb"\s*<\?xml\s")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]?")
_MAIL_HEADERS = frozenset(
    b"from to cc subject date message-id mime-version received return-path delivered-to reply-to sender "
    b"content-type content-transfer-encoding in-reply-to references".split()
)
_LEAST_HEADERS = 3
_MARK = b"\xef\xbb\xbf"


def shape_of(head: bytes, content: bytes) -> str | None:
    """The media type that a text's beginning tells; None if it may be any text.

    Args:
        head: its first bytes.
        content: as much of it as is known.
    """
    head = head.removeprefix(_MARK)
    if _HTML_START.match(head):
        return kinds.HTML
    if _XML_START.match(head):
        return kinds.XML
    if is_mail(head):
        return kinds.MAIL
    if head.lstrip()[:1] in (b"{", b"["):
        return json_kind(head, content, sure=True)
    return None


def is_mail(head: bytes) -> bool:
    """Does it begin with a block of mail headers, three that every mail has some of and `From` among them?"""
    names: set[bytes] = set()
    lines = head.removeprefix(_MARK).replace(b"\r\n", b"\n").split(b"\n")
    if lines and lines[0].startswith((b"From ", b">From ")):  # of an mbox
        lines = lines[1:]
    for number, line in enumerate(lines):
        if not line:
            break
        if line[:1] in (b" ", b"\t") and number:
            continue
        found = _HEADER.match(line)
        if not found:
            return False
        names.add(found[1].lower())
    return b"from" in names and len(names & _MAIL_HEADERS) >= _LEAST_HEADERS


def json_kind(head: bytes, content: bytes, *, sure: bool = False) -> str | None:
    """JSON or JSON Lines: is the first line a value by itself, and is there another line that begins one?

    None if that cannot be told: of something else than UTF-8, or a first line that is longer than what is
    looked at.

    Args:
        sure: the name does not say that it is JSON; it is only if its first line, or all of it, parses.
    """
    text = content.removeprefix(_MARK).lstrip()
    first, _, rest = text.partition(b"\n")
    rest = rest.lstrip()
    if first[:1] not in (b"{", b"["):
        return None
    if _parses(first):
        more = rest[:1] in (b"{", b"[")
        return kinds.JSON_LINES if more else kinds.JSON
    if sure and not _parses(text):
        return None
    return kinds.JSON


def _parses(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
