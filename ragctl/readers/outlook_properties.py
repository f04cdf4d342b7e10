"""Properties of a message of Outlook (MS-OXMSG): one storage of an OLE file, by number."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ragctl.errors import MalformedDocument
from ragctl.readers.decoding import decode

_STREAM = "__substg1.0_{number:04X}{kind:04X}"
_FIXED = "__properties_version1.0"
_TEXT, _ANSI, _BINARY, _STORAGE, _TIME, _LONG = 0x001F, 0x001E, 0x0102, 0x000D, 0x0040, 0x0003
_ENTRY = struct.Struct("<HHI8s")  # kind, number, flags, value
_HEADERS = {"message": 32, "inner": 24, "part": 8}
"""Bytes before the entries of the stream of fixed properties: of the file's own message, of one within it,
and of a recipient or an attachment (MS-OXMSG, 2.4.1)."""
_CODEPAGES = (0x3FFD, 0x3FDE)  # of the message's text, of its HTML
_BEGINNING = datetime(1601, 1, 1, tzinfo=UTC)
_MOST_STREAM = 256 << 20


@dataclass(frozen=True, slots=True)
class Properties:
    """Those of a message, a recipient or an attachment.

    Args:
        file: an `olefile.OleFileIO`.
        path: of the storage, () for the file's own message.
        place: `message`, `inner` or `part`.
        codepage: of text that is not Unicode, such as cp1252; of the message.
    """

    file: Any
    path: tuple[str, ...] = ()
    place: str = "message"
    codepage: str | None = None

    def text(self, number: int) -> str:
        """Empty if there is none."""
        data = self._stream(number, _TEXT)
        if data is not None:
            return data.decode("utf-16-le", "replace").rstrip("\0")
        data = self._stream(number, _ANSI)
        return "" if data is None else self.decoded(data).rstrip("\0")

    def data(self, number: int) -> bytes | None:
        """Bytes; None if there are none."""
        return self._stream(number, _BINARY)

    def long(self, number: int) -> int | None:
        """A whole number, such as a code page or flags."""
        value = self._fixed(number, _LONG)
        return None if value is None else int.from_bytes(value[:4], "little")

    def time(self, number: int) -> datetime | None:
        """In UTC; None if there is none, or one that no calendar knows."""
        value = self._fixed(number, _TIME)
        ticks = 0 if value is None else int.from_bytes(value, "little")
        try:
            return _BEGINNING + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None

    def decoded(self, data: bytes) -> str:
        """Text that is not Unicode."""
        try:
            return decode(data, declared=self.codepage).text
        except MalformedDocument:
            return data.decode("cp1252", "replace")

    def inside(self, name: str, place: str) -> Properties:
        """Those of a storage within this one."""
        return Properties(self.file, (*self.path, name), place, self.codepage)

    def with_codepage(self) -> Properties:
        """With the code page that the message names itself."""
        pages = (self.long(number) for number in _CODEPAGES)
        page = next((one for one in pages if one), None)
        known = {65001: "utf-8", 20127: "ascii", 28591: "iso-8859-1", 20866: "koi8-r", 50220: "iso-2022-jp"}
        return Properties(
            self.file, self.path, self.place, None if page is None else known.get(page, f"cp{page}")
        )

    def storages(self, beginning: str) -> Iterator[str]:
        """Names of the storages in this one that begin so, in order."""
        depth = len(self.path)
        found = {
            entry[depth]
            for entry in self.file.listdir(streams=True, storages=True)
            if len(entry) > depth and tuple(entry[:depth]) == self.path and entry[depth].startswith(beginning)
        }
        yield from sorted(found)

    def embedded(self, number: int) -> Properties | None:
        """The message that an attachment is."""
        name = _STREAM.format(number=number, kind=_STORAGE)
        return self.inside(name, "inner") if self.file.exists([*self.path, name]) else None

    def _stream(self, number: int, kind: int) -> bytes | None:
        return self._read(_STREAM.format(number=number, kind=kind))

    def _fixed(self, number: int, kind: int) -> bytes | None:
        data = self._read(_FIXED) or b""
        start = _HEADERS[self.place]
        whole = (
            data[start : start + (len(data) - start) // _ENTRY.size * _ENTRY.size]
            if len(data) > start
            else b""
        )
        for found_kind, found_number, _, value in _ENTRY.iter_unpack(whole):
            if (found_number, found_kind) == (number, kind):
                return bytes(value)
        return None

    def _read(self, name: str) -> bytes | None:
        path = [*self.path, name]
        if not self.file.exists(path) or self.file.get_type(path) != 2:  # 2: a stream
            return None
        size = self.file.get_size(path)
        if size > _MOST_STREAM:
            raise MalformedDocument(
                f"a part of it says that it has {size:,} bytes, more than {_MOST_STREAM:,}"
            )
        with self.file.openstream(path) as stream:
            return bytes(stream.read())
