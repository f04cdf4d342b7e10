"""Texts too large for memory: read as documents of bounded size, `big.log#0`, `big.log#1` and so on."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import BinaryIO, TextIO

from ragctl.errors import MalformedDocument
from ragctl.readers.assemble import encoding_metadata
from ragctl.readers.decoding import decode
from ragctl.readers.parts import FormatReader
from ragctl.types import Anchor, Block, Document, Item, Section

SEGMENT_CHARACTERS = 4 << 20
LONGEST_LINE = 4 << 20
"""Characters; a longer line is cut, and so is a CSV row that does not end in as many."""
_BLOCK_BYTES = 1 << 20
_CAN_BE_CUT = frozenset({"text", "delimited", "json_lines"})
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Open = Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What is known of a large text when it has been gone through once.

    Attributes:
        digest: SHA-256 (hex) of its bytes.
        encoding: Python's name of it.
        table: its lines are rows of a table, the first its header.
    """

    digest: str
    encoding: str
    table: bool


def can_be_cut(reader: FormatReader) -> bool:
    """Does the reader make the same of lines whether they come at once or one after another?"""
    return reader.name in _CAN_BE_CUT


def first_look(open_it: Open, reader: str, encodings: Sequence[str] = ()) -> FirstLook:
    """Goes through all of it once: digest and encoding.

    UTF-8, unless there is a byte order mark or a byte that does not fit; then what `decode` says of the text
    around that byte.

    Raises:
        MalformedDocument: the encoding is not known.
        UnreadableDocument: the bytes cannot be had.
    """
    digest = hashlib.sha256()
    encoding: str | None = None
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_it() as stream:
        before = b""
        while block := stream.read(_BLOCK_BYTES):
            if not before:
                encoding = next((name for mark, name in _MARKS if block.startswith(mark)), None)
            digest.update(block)
            if encoding is None:
                encoding = _other_encoding(decoder, before, block, encodings)
            before = block
    return FirstLook(digest.hexdigest(), encoding or "utf-8", reader == "delimited")


def _other_encoding(
    decoder: codecs.IncrementalDecoder, before: bytes, block: bytes, encodings: Sequence[str]
) -> str | None:
    """None as long as it is UTF-8."""
    try:
        decoder.decode(block)
    except UnicodeDecodeError:
        more = {"encodings": tuple(encodings)} if encodings else {}
        return decode(_whole_lines(before + block), **more).encoding  # type: ignore[arg-type]
    return None


def _whole_lines(data: bytes) -> bytes:
    start, end = data.find(b"\n") + 1, data.rfind(b"\n")
    return data[start:end] if end > start else data


def segments_of(item: Item, open_it: Open, reader: FormatReader, look: FirstLook) -> Iterator[Document]:
    """The documents, in order: each ends with a line, or a row of the table.

    `offset` counts the characters of all before it, a newline between two of them included; lines are those
    of the file. What is in the wrong encoding here and there becomes U+FFFD.

    Raises:
        MalformedDocument: there is no text in it, or the reader takes it for something else.
        UnreadableDocument: the bytes cannot be had any more.
    """
    number = offset = line = 0
    header = _Header()
    for text in _texts(open_it, look):
        if not text.strip():
            offset, line = offset + len(text), line + text.count("\n")
            continue
        for document in _read(item, reader, text, header, look):
            shown = replace(
                document,
                path=f"{item.path}#{number}",
                offset=offset,
                metadata={**encoding_metadata(_plain(look.encoding)), **document.metadata},
                anchors=tuple(
                    replace(one, line=None if one.line is None else one.line + line - header.lines)
                    for one in document.anchors
                ),
            )
            yield shown
            number += 1
            offset += len(document.text) + (not document.text.endswith("\n"))
        line += text.count("\n")
        header.seen(text, look.table)
    if not number:
        raise MalformedDocument("there is no text in it")


class _Header:
    """The header row of a table, put before the rows of every segment but the first."""

    def __init__(self) -> None:
        self.source = ""
        self.lines = 0
        self.first_line: str | None = None

    def seen(self, text: str, table: bool) -> None:
        """Called with the first segment, and then in vain."""
        if table and not self.source:
            end = _row_end(text)
            self.source = text[:end]
            self.lines = self.source.count("\n")


def _read(
    item: Item, reader: FormatReader, text: str, header: _Header, look: FirstLook
) -> Iterator[Document]:
    data = (header.source + text).encode("utf-8", "replace")
    for found in reader.read(item, data):
        if not isinstance(found, Document):
            continue
        document = replace(found, reader=f"{reader.name}@{reader.output_version}")
        first_line = document.text.partition("\n")[0]
        if not look.table:
            yield document
        elif header.first_line is None:
            header.first_line = first_line
            yield document
        else:
            yield _without_first_line(document) if first_line == header.first_line else document


def _without_first_line(document: Document) -> Document:
    """The same without its header row, which is in the text of the first segment alone."""
    gone = document.text.find("\n") + 1
    if not gone:
        return document
    return replace(
        document,
        text=document.text[gone:],
        sections=tuple(
            Section(max(0, one.start - gone), one.end - gone, one.headings)
            for one in document.sections
            if one.end > gone
        ),
        anchors=_anchors_from(document, gone),
        blocks=tuple(
            Block(max(0, one.start - gone), one.end - gone, one.kind, one.header)
            for one in document.blocks
            if one.end > gone
        ),
    )


def _anchors_from(document: Document, start: int) -> tuple[Anchor, ...]:
    """The anchors of the text from `start` on, the first at its beginning."""
    later = [replace(one, start=one.start - start) for one in document.anchors if one.start >= start]
    before = [one for one in document.anchors if one.start < start]
    if before and not (later and later[0].start == 0):
        last = before[-1]
        line = None if last.line is None else last.line + document.text.count("\n", last.start, start)
        later.insert(0, replace(last, start=0, line=line))
    return tuple(later)


def _row_end(text: str) -> int:
    """Where the first row ends: after a newline that is in no quotes."""
    at = 0
    quotes = 0
    while (end := text.find("\n", at)) >= 0:
        quotes += text.count('"', at, end)
        if quotes % 2 == 0:
            return end + 1
        at = end + 1
    return len(text)


def _texts(open_it: Open, look: FirstLook) -> Iterator[str]:
    """Whole lines of about `SEGMENT_CHARACTERS`, with `\\n` for every line end."""
    with open_it() as raw:
        stream = io.TextIOWrapper(raw, encoding=look.encoding, errors="replace", newline=None)
        while text := stream.read(SEGMENT_CHARACTERS):
            yield _to_line_end(text, stream, look.table)


def _to_line_end(text: str, stream: TextIO, table: bool) -> str:
    pieces = [text]
    quotes = text.count('"') if table else 0
    ended = text.endswith("\n")
    left = LONGEST_LINE
    while (not ended or quotes % 2) and left > 0:
        piece = stream.readline(left)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
        ended = piece.endswith("\n")
        quotes += piece.count('"') if table else 0
    return "".join(pieces)


def _plain(encoding: str) -> str:
    return "utf-8" if encoding == "utf-8-sig" else encoding
