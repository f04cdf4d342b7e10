"""Headers of a mail as text: encoded words decoded, folded lines joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers.assemble import one_line
from ragctl.readers.decoding import decode
from ragctl.readers.text_builder import clean

SHOWN = ("Subject", "From", "To", "Cc", "Date")
"""In this order they are the first lines of the text."""
_LONGEST = 10_000
"""Characters of a header that are looked at: a list of some hundred addresses."""
_SPACES = re.compile(r"\s+")


def header_lines(headers: Mapping[str, str]) -> str:
    """`Subject: …` and so on, a line each, of those that there are."""
    return "\n".join(f"{name}: {headers[name]}" for name in SHOWN if headers.get(name))


def headers_of(message: Message) -> dict[str, str]:
    """Those that are shown and `Message-ID`, by name; several of one name are joined."""
    found: dict[str, list[str]] = {}
    wanted = {name.lower(): name for name in (*SHOWN, "Message-ID")}
    for name, value in _raw(message):
        spelled = wanted.get(name.lower())
        text = header_text(value) if spelled else ""
        if spelled and text:
            found.setdefault(spelled, []).append(text)
    return {name: ", ".join(values) for name, values in found.items()}


def mail_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """`from`, `to`, `cc`, `message_id` as text; `date` in ISO 8601, if it is a date."""
    found = {
        name.lower().replace("-", "_"): one_line(headers[name])
        for name in ("From", "To", "Cc", "Message-ID")
        if headers.get(name)
    }
    date = _iso_date(headers.get("Date", ""))
    return {**found, "date": date} if date else found


def header_text(value: str) -> str:
    """One header on one line, its encoded words (RFC 2047) decoded; bytes that are not ASCII are guessed."""
    raw = _SPACES.sub(" ", _guessed(value[:_LONGEST])).strip()
    try:
        words: Iterable[tuple[Any, str | None]] = decode_header(raw) if "=?" in raw else [(raw, None)]
        text = "".join(_word(word, charset) for word, charset in words)
    except (HeaderParseError, ValueError):  # broken base64
        text = raw
    return _SPACES.sub(" ", clean(text)).strip()


def _raw(message: Message) -> Iterator[tuple[str, str]]:
    """Names and values as they stand in the mail, with bytes above ASCII as lone surrogates."""
    for name, value in message.raw_items():
        yield name, str(value)


def _guessed(value: str) -> str:
    try:
        data = value.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:  # it has been decoded already
        return value
    return value if value.isascii() else _decoded(data, None)


def _word(word: Any, charset: str | None) -> str:
    """`decode_header` gives text if there is no encoded word at all, and else bytes."""
    if isinstance(word, str):
        return word
    return str(word, "raw-unicode-escape", "replace") if charset is None else _decoded(word, charset)


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        return decode(data, declared=charset).text
    except MalformedDocument:
        return data.decode("utf-8", "replace")


def _iso_date(date: str) -> str:
    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        pass  # not as mails write it
    try:
        return datetime.fromisoformat(date).isoformat()
    except ValueError:
        return ""
